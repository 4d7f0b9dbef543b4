"""HAPI's instance validator finds no error in anything that is served."""

import json
import re
from pathlib import Path

import pytest

from tests.peers.conftest import Program
from tests.peers.served import Text, everything, exported, pages
from tests.running import Accord

CANONICALS = ("CodeSystem", "ValueSet", "StructureDefinition", "ConceptMap", "NamingSystem")
_YOUNGER = "ASMT CFM CTPROTOCOL DMS DOC EEG EMG EOG FID IOL M3D OPTBSV OPTENF PA PLAN POS RESP RWV STAIN TEXTUREMAP"
"""Terms of PS3.16 CID 33 that DICOM has since the copy of its ontology which R4's definitions hold."""
UNKNOWN = re.compile(r"Unknown code 'http://dicom.nema.org/resources/ontology/DCM#(\w+)'")


@pytest.fixture(scope="session")
def canonicals(site, tmp_path_factory) -> Path:
    """Accord's own canonicals, as it serves them."""
    with site.http() as http:
        bundles = [json.loads(text) for kind in CANONICALS for _, text in pages(http, f"/{kind}")]
    path = tmp_path_factory.mktemp("canonicals") / "canonicals.ndjson"
    path.write_text("\n".join(json.dumps(entry["resource"]) for bundle in bundles for entry in bundle["entry"]))
    return path


def found(java: Program, canonicals: Path, texts: list[Text]) -> list[tuple[str, ...]]:
    """What the validator says: where it was asked for, severity, place, sentence."""
    path = canonicals.with_name("served.ndjson")
    path.write_text("\n".join(json.dumps(json.loads(text)) for _, text in texts))
    *lines, last = java("Validate", canonicals, path).splitlines()
    assert last == f"validated\t{len(texts)}"
    said = [line.split("\t") for line in lines]
    return [(texts[int(number)][0], *rest) for number, *rest in said]


@pytest.mark.parametrize("name", ["operator", "researcher", "provider"])
def test_the_validator_finds_no_error_in_what_is_served(site: Accord, java, canonicals, name):
    texts = [*everything(site, name), *(exported(site, name) if name != "operator" else ())]
    said = found(java, canonicals, texts)
    assert [each for each in said if each[1] in ("error", "fatal") and not younger(each[-1])] == []


def younger(sentence: str) -> bool:
    """Whether it is of a term that is younger than the validator's definitions."""
    unknown = UNKNOWN.fullmatch(sentence)
    return unknown is not None and unknown[1] in _YOUNGER.split()


def test_the_validator_finds_a_fault_where_there_is_one(java, canonicals):
    texts = [("faulty", json.dumps({"resourceType": "ImagingStudy", "status": "sent"}))]
    errors = [sentence for _, severity, _, sentence in found(java, canonicals, texts) if severity == "error"]
    assert len(errors) == 3, "there is no subject, no such status, and so none in its value set"
