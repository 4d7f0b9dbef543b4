"""The Accord that peers meet: every sample that it takes, and documents of every kind that governance brings about."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from tests.builders import DICOM
from tests.journeys.conftest import govern
from tests.running import Accord, eventually, image, running

DETAILS = "version=1.0.0 condition=CLIN1000057 keyword=liver;test contact=test@example.org page=https://example.org/liver"
OWN = "1.2.826.0.1.3680043.10.1"
ACTS = (
    f"dataset set LIVER {DETAILS}",
    "agreement add DSA-LATER --terms 1.0.0 --node central --provider ward --actions query",
    "agreement propose DSA-LATER",
    "permit add OPEN --party university",
)
READER = "client add reader --party university --purposes AIRESEARCH --terms 1.0.0 --scopes system/*.rs"
"""Foreign clients state no purpose: this one has only one."""


@contextlib.contextmanager
def world(home: Path, **settings: str) -> Iterator[Accord]:
    """An Accord on loopback with all samples in LIVER, what waited for review released, and one study withdrawn from OPEN."""
    with running(home / "data", min_subjects="1", min_free_mb="1", **settings) as accord:
        govern(accord, home, "--kind folder")
        accord.clients["reader"] = home / "reader.jwks"
        accord.admin(*ACTS, f"{READER} --write {accord.clients['reader']}")
        _fill(accord, home)
        yield accord


def _fill(accord: Accord, home: Path) -> None:
    """An attested PACS sends what it can, the provider pushes the rest, and the operator decides."""
    accord.dcmtk("dcmsend", "--scan-directories", "--recurse", "--no-halt", DICOM, called="LIVER")
    for number in (1, 2, 3):
        (home / f"{number}.dcm").write_bytes(image(f"{OWN}.{number}", f"OWN-{number}", StudyDate=f"202{number}0101"))
    _push(accord, "LIVER", DICOM)
    _push(accord, "OPEN", *(home / f"{number}.dcm" for number in (1, 2, 3)))
    accord.admin(*(f"proposal make release batch={batch} --reason samples --alone samples" for batch in _waiting(accord)))
    assert eventually(lambda: not _waiting(accord), 30)
    accord.admin(f"study withdraw {OWN}.3 --reason mistaken --yes")
    settle(accord)


def _waiting(accord: Accord) -> list[str]:
    return [batch["batch"] for batch in json.loads(accord.admin("batch list --json")) if batch["waiting"]]


def settle(accord: Accord) -> None:
    """Wait until all that is held is shown by FHIR too."""
    assert eventually(lambda: _shown(accord) == _held(accord), 30)


def _push(accord: Accord, alias: str, *paths: Path) -> None:
    """Some samples are refused, as the oracle says: any status."""
    accord.command("push", *paths, "--as", accord.clients["provider"], "--dataset", alias, status=None)


def _shown(accord: Accord) -> int:
    return int(accord.get("/fhir/R4/ImagingStudy?_summary=count", "operator").json()["total"])


def _held(accord: Accord) -> int:
    return len(accord.get("/dicom-web/studies?limit=1000", "operator", Accept="application/dicom+json").json())


def studies(site: Accord, question: str = "") -> list[str]:
    """The studies that the provider is shown, by their UIDs."""
    found = site.get(f"/dicom-web/studies?limit=1000{question}", "provider", Accept="application/dicom+json").json()
    return sorted(each["0020000D"]["Value"][0] for each in found)
