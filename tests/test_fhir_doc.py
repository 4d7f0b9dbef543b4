"""`docs/fhir.md` says what the server does: its chapter of types is the table's own, and whatever it asks finds something."""

import re
from collections.abc import Iterator

import pytest

from mappings.fhir.bundle import PAGE_BYTES
from mappings.fhir.chains import MOST_HOPS
from mappings.fhir.includes import MOST_INCLUDES
from mappings.fhir.search import DEFAULT_COUNT, MAX_COUNT, MAX_SORTS
from server.usecases.read import COUNTED
from tests import fhir_doc
from tests.house import House
from tests.served import PROVIDER, filled

TEXT = fhir_doc.DOCUMENT.read_text()
QUESTIONS = re.findall(r"^GET (\S+)$", TEXT, re.MULTILINE)
ANSWERS = (fhir_doc.DOCUMENT.parent / "how-do-i.md").read_text().replace("BREAST-A", "LUNG").replace("DSA-A", "DSA-LUNG")
ASKED = re.findall(r"https://accord\.example(/fhir/R4/[^\s\"']+)", ANSWERS)


def said(fact: str) -> list[tuple[str, str]]:
    """(type, what the document lists of it under this fact)."""
    sections = re.findall(r"^### (\w+)\n(.*?)^```http", TEXT, re.MULTILINE | re.DOTALL)
    lists = ((kind, re.search(rf"^- {fact}: (.*)$", section, re.MULTILINE)) for kind, section in sections)
    return [(kind, word) for kind, listed in lists if listed for word in re.findall("`(.+?)`", listed[1])]


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[House]:
    made = filled(tmp_path_factory.mktemp("house"))
    yield made
    made.runtime.close()


def answered(house: House, path: str) -> dict:
    answer = house.ask("GET", path, PROVIDER)
    assert answer.status_code == 200, answer.json
    return answer.json


def test_the_chapter_of_types_is_the_codes_own(house):
    assert fhir_doc.DOCUMENT.read_text().endswith(fhir_doc.chapter(house))


def test_the_capability_statement_says_of_each_type_what_the_document_says(house):
    for version in ("R4", "R5"):
        served = answered(house, f"/fhir/{version}/metadata")["rest"][0]["resource"]
        assert all(f"### {each['type']}\n\n{each['documentation']}\n" in TEXT for each in served)


def test_the_limits_in_the_document_are_the_codes_own():
    words = {2: "two", 3: "three", 12: "twelve"}
    for limit in (
        f"over {words[MOST_HOPS]} references at most",
        f"(`_revinclude`), {words[MOST_INCLUDES]} at most",
        f"takes up to {words[MAX_SORTS]} of a type's keys",
        f"Up to {COUNTED} matches are counted unasked",
        f"`_count` matches ({DEFAULT_COUNT}, at most {MAX_COUNT}) and {PAGE_BYTES // 2**20} MiB at most",
    ):
        assert limit in TEXT


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_question_of_the_document_finds_something(house, path):
    told = answered(house, path)
    if told["resourceType"] == "Bundle":
        assert told.get("entry") or told.get("total")
    elif told["resourceType"] == "Parameters":
        assert told["parameter"][0]["valueBoolean"]


@pytest.mark.parametrize("path", ASKED)
def test_what_the_answers_by_role_ask_can_be_asked(house, path):
    answered(house, path)


@pytest.mark.parametrize(("kind", "chain"), said("chains"))
def test_a_chain_that_is_documented_leads_to_something(house, kind, chain):
    assert answered(house, f"/fhir/R4/{kind}?{chain}._lastUpdated=gt2000")["entry"]


@pytest.mark.parametrize(("kind", "chain"), said("reverse chains"))
def test_a_reverse_chain_that_is_documented_comes_from_something(house, kind, chain):
    assert answered(house, f"/fhir/R4/{kind}?{chain}:_lastUpdated=gt2000")["entry"]


@pytest.mark.parametrize(("kind", "include"), said("`_include`"))
def test_an_include_that_is_documented_brings_something(house, kind, include):
    brought = answered(house, f"/fhir/R4/{kind}?_include={include}&_count=1000")["entry"]
    assert any(entry["search"]["mode"] == "include" for entry in brought)


@pytest.mark.parametrize(("kind", "include"), said("`_revinclude`"))
def test_a_reverse_include_that_is_documented_brings_something(house, kind, include):
    few = 1 if include.startswith(f"{kind}:") else 1000  # so that what refers to it is not a match itself
    brought = answered(house, f"/fhir/R4/{kind}?_revinclude={include}&_count={few}")["entry"]
    assert any(entry["search"]["mode"] == "include" for entry in brought)
