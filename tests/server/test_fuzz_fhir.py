"""Whatever is asked of the FHIR doors, the answer is one: a resource, or an OperationOutcome that says why not.

`python -m benchmarks.fuzz_fhir` asks a hundred thousand cases, these among them.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from mappings.fhir.as_xml import as_xml
from mappings.fhir.resources import RESOURCES
from tests.fuzz_fhir import Case, case
from tests.fuzzed import BLIND, SECRETS, Fuzzed, wrongs

CASES = 400


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory) -> Iterator[Fuzzed]:
    made = Fuzzed(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.close()


def test_nothing_that_is_asked_breaks_a_door_or_is_refused_without_an_outcome(fuzzed):
    answered: Counter[int] = Counter()
    wrong = list(fuzzed.asked(1, range(CASES), lambda _case, answer: answered.update([answer.status_code])))
    assert not wrong, "\n".join(wrong)
    assert answered[200] > CASES // 10, "most was refused before it was read"
    assert answered[400] > CASES // 10, "nothing was refused"


def test_a_case_is_what_its_seed_and_number_say(fuzzed):
    assert case(fuzzed.known, 1, 7) == case(fuzzed.known, 1, 7)
    assert len({str(case(fuzzed.known, seed, number)) for seed in (1, 2) for number in range(50)}) > 90


def test_who_sees_a_study_is_told_what_the_blind_are_not(fuzzed):
    """Or the look for secrets could not fail."""
    one = Case(0, "provider", "GET", "/fhir/R4/ImagingStudy", "")
    seen = fuzzed.ask(one)
    assert not list(wrongs(one, seen, 0))
    for name in BLIND:
        assert list(wrongs(replace(one, caller=name), seen, 0)) == [f"tells {SECRETS[0]}"]


def test_a_fault_a_wait_and_a_refusal_without_an_outcome_are_wrong(fuzzed):
    one = Case(0, "user", "GET", "/fhir/R4/Patient", "")
    refusal = fuzzed.ask(replace(one, query="nobody=1"))
    assert not list(wrongs(one, refusal, 0))
    assert list(wrongs(one, refusal, 60)) == ["took 60.0 s"]
    refusal.status_code, refusal.data = 500, b'File "fhir.py"'
    assert len(list(wrongs(one, refusal, 0))) == 2
    refusal.status_code, refusal.data = 404, b"<html>"
    assert "no OperationOutcome" in next(wrongs(one, refusal, 0))


_NAMED = (
    "R4/ImagingStudy/{study}",
    "R4/ImagingStudy/{study}/_history",
    "R4/ImagingStudy?_id={study}",
    "R4/ImagingStudy?_id:not={study}&_total=accurate",
    "R4/ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid}&_total=accurate",
    "R4/ImagingStudy?patient=Patient/{patient}&_include=*&_revinclude=Provenance:target",
    "R4/Patient/{patient}",
    "R4/Patient/{patient}/_history",
    "R4/Patient/{patient}/ImagingStudy?_summary=count",
    "R4/Patient?_has:ImagingStudy:patient:_id={study}",
    "R4/Group?member=Patient/{patient}",
    "R4/Provenance?target=ImagingStudy/{study}&_total=accurate",
    "R4/Provenance?patient=Patient/{patient}",
    "R4/AuditEvent?entity=ImagingStudy/{study}&_total=accurate",
    "R4/AuditEvent?patient=Patient/{patient}",
    "R4/Patient/$export?patient=Patient/{patient}",
    "R5/ImagingStudy/{study}",
    "R5/Provenance?target=ImagingStudy/{study}",
)


@pytest.mark.parametrize("named", _NAMED)
@pytest.mark.parametrize(
    "more", [{}, {"Accept": "application/fhir+xml"}, {"If-None-Match": "*"}], ids=["json", "xml", "conditional"]
)
@pytest.mark.parametrize("caller", ["other-provider", "user of system/ImagingStudy.rs?modality=CT"])
def test_what_is_hidden_is_answered_as_what_is_not_there(fuzzed, caller, named, more):
    """Hidden by agreement, or by the condition of a scope: status, headers and every byte but for the name that was asked."""
    uid, _, study, patient = SECRETS
    there = {"study": study, "patient": patient, "uid": uid}
    absent = {"study": "0" * 32, "patient": "f" * 32, "uid": uid[:-1] + "6"}
    assert answered(fuzzed, caller, named, more, there) == answered(fuzzed, caller, named, more, absent)


def test_what_is_in_sight_is_not_answered_so(fuzzed):
    there, absent = ({"study": study, "patient": "", "uid": ""} for study in (SECRETS[2], "0" * 32))
    assert answered(fuzzed, "provider", _NAMED[0], {}, there) != answered(fuzzed, "provider", _NAMED[0], {}, absent)


def answered(fuzzed, caller, named, more, names):
    path, _, query = named.format(**names).partition("?")
    answer = fuzzed.ask(Case(0, caller, "GET", f"/fhir/{path}", query, more))
    text = (
        f"{answer.status} {sorted(pair for pair in answer.headers if pair[0] != 'X-Request-Id')} {answer.get_data(as_text=True)}"
    )
    for name, value in names.items():
        text = text.replace(value, name)
    return text


ODD = "\x00\x08\x1b\x7f\x85\ufffe\uffff]]>&amp;<!--'\"><script>\r\n\t \u2028\u202e\U0001f4a9e\u0301{%s}"


@pytest.mark.parametrize("kind", sorted(RESOURCES))
@pytest.mark.parametrize("pretty", [False, True], ids=["plain", "pretty"])
def test_xml_says_whatever_a_field_says(fuzzed, kind, pretty):
    """But for what XML 1.0 has no way to say: a replacement character stands there."""
    served = fuzzed.ask(Case(0, "operator", "GET", f"/fhir/R4/{kind}", "_count=1")).json["entry"][0]["resource"]
    odd, said = odder(served), ODD.translate(dict.fromkeys((0, 8, 0x1B, 0xFFFE, 0xFFFF), 0xFFFD))
    read = ET.fromstring(as_xml(json.dumps(odd).encode(), pretty=pretty))  # noqa: S314 - our own
    values = [each.get(name) for each in read.iter() for name in ("value", "url", "id")]
    assert values.count(said) == json.dumps(odd).count(json.dumps(ODD)) > 1


def odder(told: object) -> object:
    """The same with each text of it odd."""
    if isinstance(told, dict):
        return {name: value if name == "resourceType" else odder(value) for name, value in told.items()}
    return [odder(each) for each in told] if isinstance(told, list) else ODD if isinstance(told, str) else told


def test_pretty_xml_is_the_same_in_lines_by_how_deep_they_lie():
    told = b'{"resourceType":"Patient","contact":[{"name":{"text":"a > b/>\\n</c>"}},{"gender":"male"}]}'
    pretty, plain = (as_xml(told, pretty=pretty).decode() for pretty in (True, False))
    assert "".join(line.strip() for line in pretty.splitlines()) == plain
    indents = [len(line) - len(line.lstrip()) for line in pretty.splitlines()]
    assert indents == [0, 0, 2, 4, 6, 4, 2, 2, 4, 2, 0]
