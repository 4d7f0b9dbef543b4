"""HAPI's instance validator finds no error in anything that is served."""

import json
from pathlib import Path

import pytest

from tests.peers.conftest import Program
from tests.peers.served import Text, everything, exported, pages
from tests.running import Accord

CANONICALS = ("CodeSystem", "ValueSet", "StructureDefinition", "ConceptMap", "NamingSystem")


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
    Path(f"/tmp/h/peers-build/said.{name}").write_text("\n".join("\t".join(s) for s in said))
    Path(f"/tmp/h/peers-build/texts.{name}").write_text("\n".join(f"{w}\t{t}" for w,t in texts))
    assert [each for each in said if each[1] in ("error", "fatal")] == []
