"""Kick-off requests of Bulk Data Access as they are read, and the manifest as it is written."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Invalid
from mappings.fhir.bulk import Kickoff, left_out, manifest, narrowed, read_kickoff
from mappings.fhir.search import Reader
from mappings.query import AllOf, AnyOf, Apart, Between, OneOf
from tests import builders

BASE = "https://accord.example"


def read(*arguments, level="", lenient=False):
    return read_kickoff(level, "", arguments, lenient=lenient)


def asked(kind, *arguments, level=""):
    return narrowed(read(*arguments, level=level), kind, Reader(BASE, builders.READER.now, "reader", builders.SEALING))


def test_what_is_not_said_asks_for_every_type_of_its_level():
    assert set(read().wanted()) >= {"ImagingStudy", "Patient", "Consent", "Provenance", "Organization", "Endpoint"}
    assert set(read(level="Patient").wanted()) >= {"ImagingStudy", "Patient"}
    assert not {"Consent", "Organization", "Endpoint"} & set(read(level="Group").wanted())


def test_types_come_listed_and_repeated_and_each_once():
    assert read(("_type", "Patient,ImagingStudy"), ("_type", "Patient,")).wanted() == ("Patient", "ImagingStudy")


@pytest.mark.parametrize("name", ["LatestProvenanceResources", "RelevantProvenanceResources"])
def test_associated_provenance_comes_with_the_types(name):
    given = ("includeAssociatedData", name)
    assert read(("_type", "Patient"), given).wanted() == ("Patient", "Provenance")
    assert read(given, level="Patient").wanted()[-1] == "Provenance"
    assert read(("_type", "Provenance"), given).wanted() == ("Provenance",)


@pytest.mark.parametrize("form", ["application/fhir+ndjson", "application/ndjson", "ndjson", "application/fhir ndjson"])
def test_each_name_of_ndjson_is_taken_and_a_plus_that_a_url_lost(form):
    assert read(("_outputFormat", form)) == read()


def test_elements_are_a_type_s_or_everybody_s():
    kickoff = read(("_elements", "id,Patient.gender"), ("_elements", "Patient.identifier"))
    patient = b'{"resourceType":"Patient","id":"1","meta":{},"identifier":[],"active":true,"gender":"male"}'
    assert set(json.loads(kickoff.cut("Patient")(patient))) == {"resourceType", "id", "meta", "identifier", "gender"}
    assert set(json.loads(kickoff.cut("Organization")(patient))) == {"resourceType", "id", "meta"}
    assert read(("_elements", "Patient.gender")).cut("Endpoint") is None


def test_queries_of_a_type_are_alternatives_and_keep_the_commas_of_their_values():
    queries = ("_typeFilter", "ImagingStudy?modality=CT,MR,ImagingStudy?status=available"), ("_typeFilter", "Patient?gender=male")
    kickoff = read(*queries)
    assert kickoff.filters == {"ImagingStudy": ("modality=CT,MR", "status=available"), "Patient": ("gender=male",)}
    condition = asked("Patient", *queries)
    assert condition == AllOf((AnyOf((AllOf((Apart(AnyOf((AnyOf((OneOf("gender", ("M",)),)),))),)),)),))


def test_since_asks_for_what_changed_after_a_moment():
    since = int(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()) * 10**6 + 10**6
    assert asked("Endpoint", ("_since", "2026-01-31T12:00:00Z")) == AllOf((Between("updated", since, None),))
    assert read(("_since", "2026-01-31T12:00:00 01:00")).since == "2026-01-31T12:00:00+01:00"


def test_patients_narrow_what_is_theirs_and_nothing_else():
    patient = ("patient", f"{BASE}/fhir/R4/Patient/abc")
    assert "patient_key" in str(asked("Patient", patient, level="Patient"))
    assert "patient_key" in str(asked("ImagingStudy", patient, level="Group"))
    assert asked("Endpoint", patient, level="Group") == AllOf(())


@pytest.mark.parametrize("value", ["Group/1", "abc", "Patient/"])
def test_a_patient_is_a_reference_to_one(value):
    with pytest.raises(Invalid, match="patient is a reference"):
        asked("Patient", ("patient", value), level="Patient")


def test_leniently_what_is_not_known_is_passed_over_and_told():
    kickoff = read(("_type", "Patient,Nonsense"), ("more", "1"), ("_typeFilter", "Other?a=b"), lenient=True)
    assert (kickoff.types, kickoff.ignored) == (("Patient",), ("Nonsense", "Other?a=b", "more"))
    with pytest.raises(Invalid, match="None of the types"):
        read(("_type", "Nonsense"), lenient=True)


def test_of_a_query_what_is_not_known_is_passed_over_and_what_is_known_still_asked():
    queries = [("_typeFilter", q) for q in ("Patient?status=active&gender=male,other", "Group?_sort=name")]
    kickoff = read(*queries, lenient=True)
    assert kickoff.filters == {"Patient": ("gender=male%2Cother",), "Group": ("",)}
    assert kickoff.ignored == ("_typeFilter=Patient?status", "_typeFilter=Group?_sort")
    for query in queries:
        with pytest.raises(Invalid, match="it says which"):
            read(query)


def test_a_manifest_names_each_file_in_its_array():
    files = [("output", "Patient", "https://a/1", 5), ("error", "OperationOutcome", "https://a/2", 1)]
    assert json.loads(manifest(datetime(2026, 1, 2, tzinfo=UTC), "https://a/$export", files)) == {
        "transactionTime": "2026-01-02T00:00:00.000Z",
        "request": "https://a/$export",
        "requiresAccessToken": True,
        "output": [{"type": "Patient", "url": "https://a/1", "count": 5}],
        "deleted": [],
        "error": [{"type": "OperationOutcome", "url": "https://a/2", "count": 1}],
        "extension": {"notice": NEVER_FOR_DIAGNOSIS},
    }


def test_what_is_left_out_is_told_by_name_with_its_reason_and_makes_no_export_fail():
    refused, ignored = map(json.loads, left_out([("LUNG", "A permit is needed.")], ["more"]))
    assert refused["issue"][0]["details"]["text"] == "Dataset LUNG is not in this export. A permit is needed."
    assert (refused["issue"][0]["severity"], ignored["issue"][0]["severity"]) == ("warning", "warning")


def test_what_was_asked_is_kept_as_it_was():
    kickoff = read(("_type", "Patient"), ("_elements", "id"), ("_typeFilter", "Patient?gender=male"), ("_since", "2026"))
    assert msgspec.json.decode(msgspec.json.encode(kickoff), type=Kickoff) == kickoff
