"""A pseudonymous patient of one provider as a FHIR R4 Patient: its pseudonym and gender, and nothing else."""

from datetime import datetime

from mappings.fhir.serial import document, instant

GENDERS = {"M": "male", "F": "female", "O": "other"}
"""Patient's Sex (0010,0040) → administrative-gender; an empty sex says nothing."""


def provider_system(base: str, provider: str) -> str:
    """The identifier system of one provider's pseudonyms; `base` is the server's public address."""
    return f"{base}/providers/{provider}"


def patient(key: str, provider: str, patient_id: str, sex: str | None, updated: datetime, base: str) -> bytes:
    """The Patient's JSON."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(updated)},
        "identifier": [{"system": provider_system(base, provider), "value": patient_id}] if patient_id.strip() else [],
        "gender": GENDERS.get(sex or ""),
    }
    return document("Patient", key, body)
