"""A pseudonymous patient of one provider as a FHIR R4 Patient: its pseudonym, gender and provider, and nothing else."""

from mappings.fhir.security import LABELS
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import V2_IDENTIFIER_TYPE, concept, reference
from mappings.study import Patient

GENDERS = {"M": "male", "F": "female", "O": "other"}
"""Patient's Sex (0010,0040) → administrative-gender; an empty sex says nothing."""


def provider_system(base: str, provider: str) -> str:
    """The identifier system of one provider's pseudonyms; `base` is the server's public address."""
    return f"{base}/providers/{provider}"


def patient(patient: Patient, base: str) -> bytes:
    """The Patient's JSON; `base` is the server's public address."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(patient.updated), "security": LABELS},
        "identifier": [_pseudonym(patient, base)] if patient.patient_id.strip() else [],
        "gender": GENDERS.get(patient.sex or ""),
        "managingOrganization": reference("Organization", patient.provider),
    }
    return document("Patient", patient.key, body)


def _pseudonym(patient: Patient, base: str) -> dict[str, object]:
    kind = concept(V2_IDENTIFIER_TYPE, "ANON", "Anonymous identifier")
    return {"type": kind, "system": provider_system(base, patient.provider), "value": patient.patient_id}
