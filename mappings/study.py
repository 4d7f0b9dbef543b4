"""The imaging study as a noun: what the index holds of a study, its series and instances, in no dialect.

Dates are YYYYMMDD and times HHMMSS[.F] as in DICOM (PS3.5 6.2), absent ones None; a time has a zone only where the object states it.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

KEY_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Instance:
    """A SOP instance: its UIDs, instance number and number of frames."""

    uid: str
    sop_class: str
    number: int | None
    frames: int


@dataclass(frozen=True, slots=True)
class Series:
    """A series with its instances."""

    uid: str
    modality: str | None
    number: int | None
    description: str | None
    body_part: str | None
    laterality: str | None
    date: str | None
    time: str | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A study of one dataset (`alias`) and one pseudonymous patient; `version` counts its documents."""

    key: str
    uid: str
    alias: str
    patient_key: str
    accession_number: str | None
    study_id: str | None
    description: str | None
    date: str | None
    time: str | None
    timezone_offset: str | None
    version: int
    updated: datetime
    series: tuple[Series, ...]


def study_key(study_uid: str) -> str:
    """A study's FHIR id: 32 hex digits of the SHA-256 of its UID."""
    return sha256(study_uid.encode()).hexdigest()[:KEY_LENGTH]


def patient_key(provider: str, patient_id: str) -> str:
    """A patient's FHIR id: patients are scoped by their provider, so equal ids of two providers are two patients."""
    return sha256(f"{provider}\0{patient_id}".encode()).hexdigest()[:KEY_LENGTH]
