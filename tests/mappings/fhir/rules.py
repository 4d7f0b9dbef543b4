"""What a FHIR R4 resource we serve must hold to: the models of fhir.resources.R4B, and our own rules for what they miss."""

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

from mappings.fhir.as_xml import as_xml

LARGE = 20_000
PUBLICATION = {"draft", "active", "retired", "unknown"}
STATUS = {
    "ImagingStudy": {"registered", "available", "cancelled", "entered-in-error", "unknown"},
    "Consent": {"draft", "proposed", "active", "rejected", "inactive", "entered-in-error"},
    "Endpoint": {"active", "suspended", "error", "off", "entered-in-error", "test"},
    "ResearchStudy": {
        *("active", "administratively-completed", "approved", "closed-to-accrual", "closed-to-accrual-and-intervention"),
        *("completed", "disapproved", "in-review", "temporarily-closed-to-accrual"),
        *("temporarily-closed-to-accrual-and-intervention", "withdrawn"),
    },
    "CapabilityStatement": PUBLICATION,
    "CodeSystem": PUBLICATION,
    "ValueSet": PUBLICATION,
    "ConceptMap": PUBLICATION,
    "StructureDefinition": PUBLICATION,
    "NamingSystem": PUBLICATION,
}
GENDER = {"male", "female", "other", "unknown"}
REFERENCES = {
    "ImagingStudy.subject": {"Patient", "Device", "Group"},
    "ImagingStudy.endpoint": {"Endpoint"},
    "Consent.performer": {"Organization", "Patient", "Practitioner", "RelatedPerson", "PractitionerRole"},
    "Consent.organization": {"Organization"},
    "Consent.provision.provision.actor.reference": {
        *("Device", "Group", "CareTeam", "Organization", "Patient", "Practitioner", "RelatedPerson", "PractitionerRole"),
    },
    "ImagingStudy.series.performer.actor": {
        *("Practitioner", "PractitionerRole", "Organization", "CareTeam", "Patient", "Device", "RelatedPerson"),
    },
    "ImagingStudy.series.endpoint": {"Endpoint"},
    "Patient.managingOrganization": {"Organization"},
    "Endpoint.managingOrganization": {"Organization"},
    "AuditEvent.source.observer": {"Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Patient", "Device"},
    "ResearchStudy.enrollment": {"Group"},
    "ResearchStudy.sponsor": {"Organization"},
    "Group.managingEntity": {"RelatedPerson", "Practitioner", "PractitionerRole", "Organization"},
    "Group.member.entity": {"Patient", "Practitioner", "PractitionerRole", "Device", "Medication", "Substance", "Group"},
    "Provenance.agent.onBehalfOf": {"Organization", "Practitioner", "PractitionerRole", "RelatedPerson", "Patient", "Device"},
}
SERVED = {"ImagingStudy", "Patient", "Consent", "Provenance", "Organization", "Endpoint", "ResearchStudy", "Group", "AuditEvent"}


def held(raw: bytes) -> dict[str, Any]:
    """The resource, parsed, after everything it must hold to was asserted."""
    found = json.loads(raw)
    kind = found["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
    model = getattr(module, kind)
    told = model.model_validate_json(raw)
    if len(raw) < LARGE:  # what a page says in XML, its resources say
        assert _said(model.model_validate_xml(as_xml(raw))) == _said(told), "XML says the same"
    for path, value in walked(found, kind):
        assert value not in (None, "", [], {}), f"{path} is empty"
        if isinstance(value, dict) and isinstance(value.get("reference"), str):
            target, _, key = value["reference"].partition("/")
            assert target in REFERENCES.get(path, SERVED), path
            assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", key), path
        if isinstance(value, dict) and "system" in value and "telecom" not in path:
            assert re.match(r"https?://|urn:", value["system"]), path
            if value["system"] == "urn:dicom:uid":
                assert re.fullmatch(r"urn:oid:[0-2](\.(0|[1-9]\d*))+", value["value"]), path
    if "id" in found:
        assert re.fullmatch(r"[A-Za-z0-9.-]{1,64}", found["id"])
    if "status" in found:
        assert found["status"] in STATUS[kind]
    if kind == "Consent":
        assert found.get("policy") or found.get("policyRule"), "ppc-1"
        assert not any(c["code"] in {"patient-privacy", "research", "adr", "treatment"} for c in found["scope"]["coding"]), (
            "ppc-2…5"
        )
    assert found.get("gender", "unknown") in GENDER
    return found


def _said(model: Any) -> Any:
    """What a model says, without the ids of elements, which `fhir.resources` does not read in XML."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: told(part) for name, part in value.items() if name != "id" or "resourceType" in value}
        return [told(part) for part in value] if isinstance(value, list) else value

    return told(json.loads(model.model_dump_json()))


def walked(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from walked(part, f"{path}.{name}")
    if isinstance(value, list):
        for part in value:
            yield from walked(part, path)
