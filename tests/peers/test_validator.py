"""HAPI's instance validator finds no error in anything that is served."""

import json
import re
from pathlib import Path

import pytest

from tests.peers.conftest import Program
from tests.peers.served import Text, everything, everything_as_r5, exported, pages
from tests.running import Accord

CANONICALS = ("CodeSystem", "ValueSet", "StructureDefinition", "ConceptMap", "NamingSystem")
_YOUNGER = "ASMT CFM CTPROTOCOL DMS DOC EEG EMG EOG FID IOL M3D OPTBSV OPTENF PA PLAN POS RESP RWV STAIN TEXTUREMAP"
"""Terms of PS3.16 CID 33 that DICOM has since the copy of its ontology which R4's definitions hold."""
UNKNOWN = re.compile(r"Unknown code 'http://dicom.nema.org/resources/ontology/DCM#(\w+)'")
NOWHERE = re.compile(r"CodeSystem is unknown and can't be validated: (\S+) for")
FOREIGN = {
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://terminology.hl7.org/CodeSystem/restful-security-service",
    "https://cancerimage.eu/ontology/EUCAIM",
    "urn:ietf:rfc:3986",
}
"""Systems of others whose codes the validator can't look up."""


@pytest.fixture(scope="session")
def canonicals(site, tmp_path_factory) -> Path:
    """Accord's own canonicals, as it serves them."""
    with site.http() as http:
        bundles = [json.loads(text) for kind in CANONICALS for _, text in pages(http, f"/{kind}")]
    path = tmp_path_factory.mktemp("canonicals") / "canonicals.ndjson"
    path.write_text("\n".join(json.dumps(entry["resource"]) for bundle in bundles for entry in bundle["entry"]))
    return path


def found(java: Program, version: str, canonicals: Path, texts: list[Text]) -> list[tuple[str, ...]]:
    """What the validator of a version says: where it was asked for, severity, place, sentence."""
    path = canonicals.with_name("served.ndjson")
    path.write_text("\n".join(json.dumps(json.loads(text)) for _, text in texts))
    *lines, last = java("Validate", version, canonicals, path).splitlines()
    assert last == f"validated\t{len(texts)}"
    said = [line.split("\t") for line in lines]
    return [(texts[int(number)][0], *rest) for number, *rest in said]


def hold(said: list[tuple[str, ...]]) -> None:
    """There is no error in it, and no code system that nobody knows."""
    assert [each for each in said if each[1] in ("error", "fatal") and not younger(each[-1])] == []
    systems = {match[1] for each in said if (match := NOWHERE.match(each[-1]))}
    assert systems <= FOREIGN


@pytest.mark.parametrize("name", ["operator", "researcher", "provider"])
def test_the_validator_finds_no_error_in_what_is_served(site: Accord, java, canonicals, name):
    texts = [*everything(site, name), *(exported(site, name) if name != "operator" else ())]
    hold(found(java, "R4", canonicals, texts))


def test_the_validator_finds_no_error_in_what_is_served_as_r5(site: Accord, java, canonicals):
    hold(found(java, "R5", canonicals, list(everything_as_r5(site, "operator"))))


def younger(sentence: str) -> bool:
    """Whether it is of a term that is younger than the validator's definitions."""
    unknown = UNKNOWN.fullmatch(sentence)
    return unknown is not None and unknown[1] in _YOUNGER.split()


def test_the_validator_finds_a_fault_where_there_is_one(java, canonicals):
    texts = [("faulty", json.dumps({"resourceType": "ImagingStudy", "status": "sent"}))]
    errors = [sentence for _, severity, _, sentence in found(java, "R4", canonicals, texts) if severity == "error"]
    assert len(errors) == 3, "there is no subject, no such status, and so none in its value set"
