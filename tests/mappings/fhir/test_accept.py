"""FHIR callers are answered in JSON or XML of R4, by whichever of its names they ask."""

import pytest

from mappings.failures import NotAcceptable
from mappings.fhir.accept import FHIR_JSON, FHIR_XML, accepted, is_xml


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("", None),
        ("*/*", None),
        ("application/*", None),
        ("application/fhir+json", None),
        ("application/fhir+json;charset=utf-8", None),
        ("application/fhir+json; fhirVersion=4.0", None),
        ('application/fhir+json; fhirVersion="4.0"', None),
        ("application/fhir+json; fhirVersion=5.0, application/fhir+json; fhirVersion=4.0;q=0.5", None),
        ("application/json+fhir", None),
        ("application/json;q=0, */*", None),
        ("application/fhir+xml;q=0.1, application/fhir+json;q=0.5", None),
        ("application/fhir+json, application/fhir+xml", None),
        ("application/fhir+xml", "json"),
        ("application/fhir+xml", "JSON"),
        ("text/html", "application/fhir+json"),
        ("text/html", "application/fhir json"),
        ("", "application/fhir+json; fhirVersion=4.0"),
        ("", "json; fhirVersion=4.0.1"),
        ("application/fhir+json", ""),
    ],
)
def test_json_of_r4_will_do(accept, asked):
    assert accepted(accept, asked) == FHIR_JSON


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("application/fhir+xml", None),
        ("application/fhir+xml;q=1.0, application/fhir+json;q=0.1", None),
        ("application/fhir+json;q=0, */*", None),
        ("application/fhir+json", "xml"),
        ("*/*", "application/fhir xml"),
        ("", "text/xml"),
        ("", "xml; fhirVersion=4.0"),
    ],
)
def test_xml_of_r4_will_do_as_well(accept, asked):
    assert accepted(accept, asked) == FHIR_XML


@pytest.mark.parametrize(
    ("accept", "kind", "xml"),
    [
        ("application/json", "application/json", False),
        ("application/json;q=0.5", "application/json", False),
        ("application/json, text/plain, */*;q=0.5", "application/json", False),
        ("text/json", "text/json", False),
        ("text/xml", "text/xml", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/xml", True),  # every browser
        ("application/fhir+json, application/json", FHIR_JSON, False),
        ("application/json+fhir", FHIR_JSON, False),
    ],
)
def test_who_accepts_a_generic_type_is_answered_under_it(accept, kind, xml):
    assert accepted(accept, None) == kind
    assert is_xml(kind) == xml


@pytest.mark.parametrize(
    ("accept", "asked", "where"),
    [
        ("text/turtle", None, "Accept"),
        ("text/*", None, "Accept"),
        ("text/html", None, "Accept"),
        ("application/fhir+json;q=0", None, "Accept"),
        ("application/fhir+xml; fhirVersion=5.0", None, "Accept"),
        ("application/fhir+json; fhirVersion=5.0", None, "Accept"),
        ("*/*; fhirVersion=3.0", None, "Accept"),
        ("*/*", "html", "_format"),
        ("*/*", "json; fhirVersion=5.0", "_format"),
        ("*/*", "ttl", "_format"),
    ],
)
def test_another_format_or_version_is_not_acceptable(accept, asked, where):
    with pytest.raises(NotAcceptable) as refusal:
        accepted(accept, asked)
    assert refusal.value.where == where
