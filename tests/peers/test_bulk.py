"""What bulk clients bring a user, by Backend Services and as they come, is what single reads give, and all that may leave."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from adapters.client_file import read_client
from tests.peers.served import ROOT, pages
from tests.running import Accord

EXPORTED = "ResearchStudy/LIVER"
"""The dataset that the reader's permit lets out; OPEN may only be looked at."""


def brought(folder: Path) -> list[dict[str, Any]]:
    """Every resource in the files of a folder."""
    return [json.loads(line) for path in sorted(folder.glob("*.ndjson")) for line in path.read_text().splitlines()]


def as_read(site: Accord, resources: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same, read one by one."""
    with site.http("reader") as http:
        return [http.get(f"{ROOT}/{each['resourceType']}/{each['id']}").json() for each in resources]


def ids(resources: Iterable[dict[str, Any]], kind: str) -> set[str]:
    return {each["id"] for each in resources if each["resourceType"] == kind}


def found(site: Accord, question: str) -> set[str]:
    with site.http("reader") as http:
        bundles = [json.loads(text) for _, text in pages(http, question)]
    return {entry["resource"]["id"] for bundle in bundles for entry in bundle["entry"]}


def test_csiro_s_client_brings_all_that_may_leave(site, java, tmp_path):
    (tmp_path / "key.json").write_text(json.dumps(read_client(site.clients["reader"]).private_jwk))
    java("Export", site.base + ROOT, "reader", tmp_path / "key.json", tmp_path / "files")
    resources = brought(tmp_path / "files")
    assert resources == as_read(site, resources)
    assert ids(resources, "ImagingStudy") == found(site, f"/ImagingStudy?dataset={EXPORTED}")
    assert ids(resources, "Patient") == found(site, f"/Patient?_has:ImagingStudy:patient:dataset={EXPORTED}")
    assert ids(resources, "ImagingStudy") < found(site, "/ImagingStudy"), "what may be seen and not taken stays"


@pytest.mark.parametrize("level", [(), ("--group", "LIVER")])
def test_smart_fetch_brings_the_patients_who_may_be_taken(site, python, tmp_path, level):
    proof = ("--fhir-url", site.base + ROOT, "--smart-client-id", "reader", "--smart-key", site.clients["reader"])
    python("smart-fetch", "bulk", *proof, "--no-compression", *level, tmp_path / "files")
    patients = [each for each in brought(tmp_path / "files") if "resourceType" in each]  # beside its own log
    assert patients == as_read(site, patients)
    assert ids(patients, "Patient") == found(site, f"/Patient?_has:ImagingStudy:patient:dataset={EXPORTED}")
