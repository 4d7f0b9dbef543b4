"""Search arguments become conditions exactly as R4 says, and what can't be read is refused by name."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from mappings.failures import Invalid
from mappings.fhir import moments, search
from mappings.fhir.search import Place
from mappings.fhir.systems import BODY_PART, DCM, SNOMED
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Apart, Between, Like, Not, OneOf
from mappings.study import patient_key
from tests.builders import READER

BASE = "http://127.0.0.1:8080"
NOW = READER.now


def asked(resource, *arguments, **more):
    return search.read(resource, arguments, READER, **more)


def condition(resource, name, value):
    """What one value asks, without the wrappers of a single alternative."""
    found = asked(resource, (name, value)).where
    return bare(found)


TOKENS = [
    ("modality", "CT", OneOf("modality", ("CT",))),
    ("modality", f"{DCM}|CT", OneOf("modality", ("CT",))),
    ("modality", "|CT", NOTHING),
    ("modality", "http://other|CT", NOTHING),
    ("modality", "CT,MR", AnyOf((AnyOf((OneOf("modality", ("CT",)),)), AnyOf((OneOf("modality", ("MR",)),))))),
    ("modality", r"C\,T", OneOf("modality", ("C,T",))),
    ("identifier", "urn:dicom:uid|urn:oid:1.2.3", OneOf("study_uid", ("1.2.3",))),
    ("identifier", "urn:dicom:uid|1.2.3", NOTHING),
    ("identifier", "|A1", OneOf("accession_number", ("A1",))),
    ("identifier", "A1", OneOf("accession_number", ("A1",))),
    ("status", "available", EVERYTHING),
    ("status", "cancelled", NOTHING),
    ("series", "1.2.3", OneOf("series_uid", ("1.2.3",))),
    ("bodysite", f"{SNOMED}|76752008", OneOf("body_part", ("BREAST",))),
    ("bodysite", f"{BODY_PART}|TUMOR BED", OneOf("body_part", ("TUMOR BED",))),
    ("bodysite", f"{BODY_PART}|BREAST", NOTHING),
    ("patient", "Patient/abc", OneOf("patient_key", ("abc",))),
    ("patient", "abc", OneOf("patient_key", ("abc",))),
    ("subject", f"{BASE}/fhir/R4/Patient/abc", OneOf("patient_key", ("abc",))),
    ("subject", "http://other/fhir/Patient/abc", NOTHING),
    ("subject:Patient", "abc", OneOf("patient_key", ("abc",))),
    ("_id", "abc", OneOf("study_key", ("abc",))),
]


def bare(found):
    while isinstance(found, Apart) or (isinstance(found, AllOf | AnyOf) and len(found.parts) == 1):
        found = found.part if isinstance(found, Apart) else found.parts[0]
    return found


@pytest.mark.parametrize(("name", "value", "expected"), TOKENS)
def test_a_study_is_asked_by_tokens_and_references(name, value, expected):
    assert condition("ImagingStudy", name, value) == bare(expected)


def test_not_turns_a_token_round_with_all_its_values():
    found = condition("ImagingStudy", "modality:not", "CT,MR")
    assert isinstance(found, Not)
    assert [bare(each) for each in found.part.parts] == [OneOf("modality", ("CT",)), OneOf("modality", ("MR",))]


def test_repeated_parameters_all_hold():
    parts = asked("ImagingStudy", ("modality", "CT"), ("modality", "PT")).where.parts
    assert [bare(p) for p in parts] == [OneOf("modality", ("CT",)), OneOf("modality", ("PT",))]


def test_a_pseudonym_is_one_provider_s_with_its_system_and_anybody_s_without():
    one = OneOf("patient_key", (patient_key("hospital-a", "P|1"),))
    assert condition("Patient", "identifier", rf"{BASE}/providers/hospital-a|P\|1") == one
    assert condition("Patient", "identifier", "P1") == OneOf("pseudonym", ("P1",))
    assert condition("Patient", "identifier", "urn:x|P1") == NOTHING


def test_an_id_stands_for_a_key_with_an_underscore_too():
    assert condition("Endpoint", "_id", "LUNG.1") == OneOf("dataset", ("LUNG.1", "LUNG_1"))


def test_what_is_no_id_matches_nothing():
    for identity in ("a_b", "a/b", "x" * 65, "é"):
        assert condition("Endpoint", "_id", identity) == NOTHING


def test_a_name_is_asked_from_its_start_without_case_or_accents():
    assert condition("Organization", "name", "Hôp*") == Like("name", "hop?*")


def holds(found, kept):
    """A small reading of conditions on the fields of one row: the oracle's own words are moments."""
    if isinstance(found, Between):
        value = kept[found.field]
        return (found.low is None or value >= found.low) and (found.high is None or value <= found.high)
    parts = [holds(p, kept) for p in found.parts]
    return all(parts) if isinstance(found, AllOf) else any(parts)


PREFIXES = {
    "eq": lambda p, q, a, b: p <= a and b <= q,
    "ne": lambda p, q, a, b: not (p <= a and b <= q),
    "gt": lambda p, q, a, b: b > q,
    "lt": lambda p, q, a, b: a < p,
    "ge": lambda p, q, a, b: b > q or (p <= a and b <= q),
    "le": lambda p, q, a, b: a < p or (p <= a and b <= q),
    "sa": lambda p, q, a, b: a >= q,
    "eb": lambda p, q, a, b: b <= p,
}
"""R4 3.1.1.4.7 in its own words: the parameter spans [p, q), the value [a, b)."""
SPANS = {
    "2020": (datetime(2020, 1, 1), datetime(2021, 1, 1)),
    "2020-02": (datetime(2020, 2, 1), datetime(2020, 3, 1)),
    "2020-02-29": (datetime(2020, 2, 29), datetime(2020, 3, 1)),
    "2020-02-29T00:00": (datetime(2020, 2, 29), datetime(2020, 2, 29, 0, 1)),
    "2020-02-29T10:30:05Z": (datetime(2020, 2, 29, 10, 30, 5), datetime(2020, 2, 29, 10, 30, 6)),
    "2020-03-01T00:30:00+01:00": (datetime(2020, 2, 29, 23, 30), datetime(2020, 2, 29, 23, 30, 1)),
    "2020-02-29T10:30:05.250Z": (datetime(2020, 2, 29, 10, 30, 5, 250_000), datetime(2020, 2, 29, 10, 30, 5, 251_000)),
    "2020-12-31T23:59": (datetime(2020, 12, 31, 23, 59), datetime(2021, 1, 1)),
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("value", SPANS)
def test_a_span_is_compared_with_a_span(prefix, value):
    """Whole days, and moments to the second and finer, at every edge of the value and beyond."""
    found = moments.spans(("begins", "ends"), prefix + value, "started", NOW)
    days = [datetime(2020, 1, 1) + timedelta(days=n) for n in (*range(-2, 3), 28, 29, 30, 31, 58, 59, 60, 61, *range(364, 369))]
    tick, second = timedelta(microseconds=1), timedelta(seconds=1)
    edges = [edge + step for edge in SPANS[value] for step in (-second, -tick, timedelta(), tick)]
    for start, width in [(day, timedelta(days=1)) for day in days] + [(edge, w) for edge in edges for w in (tick, second)]:
        begins, ends = ((at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // tick for at in (start, start + width))
        kept = {"begins": begins, "ends": ends}
        assert holds(found, kept) == PREFIXES[prefix](*SPANS[value], start, start + width), (start, width)


def test_what_has_no_span_is_matched_by_nothing():
    assert moments.span(None) == (None, None)
    assert moments.span("2020-02-29T10:30:05.25+01:00") == moments.span("2020-02-29T09:30:05.25Z")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("value", SPANS)
def test_an_instant_is_compared_to_the_microsecond(prefix, value):
    found = moments.instants("updated", prefix + value, "_lastUpdated", NOW)
    tick = timedelta(microseconds=1)
    for edge in SPANS[value]:
        for at in (edge - tick, edge, edge + tick):
            stamp = (at.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // tick
            assert holds(found, {"updated": stamp}) == PREFIXES[prefix](*SPANS[value], at, at + tick), at


@pytest.mark.parametrize(
    ("resource", "name", "value", "where"),
    [
        ("ImagingStudy", "started", "2020-13", "started"),
        ("ImagingStudy", "started", "2020-02-30", "started"),
        ("ImagingStudy", "started", "2020-02-01T10:00:00 01:00", "started"),
        ("ImagingStudy", "started", "99999", "started"),
        ("ImagingStudy", "started", "٢٠٢٠", "started"),
        ("ImagingStudy", "modality", "", "modality"),
        ("ImagingStudy", "modality", "|", "modality"),
        ("ImagingStudy", "modality:missing", "yes", "modality"),
        ("ImagingStudy", "age", "old", "age"),
        ("ImagingStudy", "_sort", "status", "_sort"),
        ("ImagingStudy", "_sort", "started,-started", "_sort"),
        ("ImagingStudy", "modality:in", "CT", "modality:in"),
        ("ImagingStudy", "patient", "Device/1", "patient"),
        ("ImagingStudy", "patient:Device", "1", "patient:Device"),
        ("ImagingStudy", "_count", "-1", "_count"),
        ("ImagingStudy", "_total", "all", "_total"),
        ("ImagingStudy", "_summary", "yes", "_summary"),
        ("ImagingStudy", "_cursor", "garbage", "_cursor"),
        ("ImagingStudy", "_cursor", "é", "_cursor"),
        ("ImagingStudy", "colour", "red", "colour"),
        ("ImagingStudy", "_elements", "series.uid", "_elements"),
        ("Patient", "birthdate", "1960", "birthdate"),
        ("Provenance", "target", "abc", "target"),
    ],
)
def test_what_can_t_be_read_is_refused_by_name(resource, name, value, where):
    with pytest.raises(Invalid) as refused:
        asked(resource, (name, value))
    assert refused.value.where == where


def test_too_much_is_refused():
    with pytest.raises(Invalid):
        asked("ImagingStudy", *[("modality", "CT")] * 41)
    with pytest.raises(Invalid):
        asked("ImagingStudy", ("modality", "C" * 4001))
    with pytest.raises(Invalid):
        asked("ImagingStudy", ("_count", "5"), ("_count", "6"))
    with pytest.raises(Invalid):
        asked("ImagingStudy", ("identifier", "|A\0"))


def test_lenient_handling_ignores_what_is_unknown_and_the_self_link_says_so():
    found = asked("ImagingStudy", ("colour", "red"), ("modality", "CT"), lenient=True)
    assert found.ignored == ("colour",)
    assert search.self_link(found, BASE) == f"{BASE}/fhir/R4/ImagingStudy?modality=CT&_count=50"


def test_a_page_is_capped_and_a_count_of_nothing_asks_for_the_total():
    assert asked("Patient", ("_count", "5000")).count == 1000
    assert asked("Patient", ("_count", "0")).only_total
    assert asked("Patient", ("_summary", "count")).only_total


def arguments_of(link):
    return parse_qsl(urlsplit(link).query)


def test_a_next_link_holds_for_its_question_and_its_reader_only():
    first = asked("ImagingStudy", ("modality", "CT"), ("_count", "2"), ("_total", "none"))
    following = arguments_of(search.next_link(first, BASE, Place((41,))))
    assert asked("ImagingStudy", *following).place == Place((41,))
    others = [[("modality", "MR") if n == "modality" else (n, v) for n, v in following]]
    others.append([(n, v[:-4] + ("AAA=" if v[-4:] != "AAA=" else "BBB=")) if n == "_cursor" else (n, v) for n, v in following])
    others.append([(n, "BBBB" + v[4:]) if n == "_cursor" else (n, v) for n, v in following])
    for changed in others:
        with pytest.raises(Invalid):
            asked("ImagingStudy", *changed)
    with pytest.raises(Invalid):
        search.read("ImagingStudy", following, replace(READER, key="somebody else"))
