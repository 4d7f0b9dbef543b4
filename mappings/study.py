"""A study as the index holds it: plain values of its own attributes, its series and their instances, ready for any dialect."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

KEY_DIGITS = 32


def study_key(study_uid: str) -> str:
    """A study's public id: the first 32 hex digits of SHA-256 over its Study Instance UID."""
    return sha256(study_uid.encode()).hexdigest()[:KEY_DIGITS]


def patient_key(provider: str, patient_id: str) -> str:
    """A patient's public id: the first 32 hex digits of SHA-256 over the provider's key, NUL and the Patient ID."""
    return sha256(f"{provider}\0{patient_id}".encode()).hexdigest()[:KEY_DIGITS]


@dataclass(frozen=True, slots=True)
class Instance:
    """One SOP Instance; `number` is None where the object has none, `frames` counts from 1.

    `title` is what it says that it is: Image Type, else the label of its content. `laterality` is Image Laterality (0020,0062).
    """

    sop_uid: str
    sop_class: str
    number: int | None = None
    frames: int = 1
    title: str | None = None
    laterality: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its instances; None or empty where the objects say nothing, dates and times are DICOM's DA and TM."""

    uid: str
    modality: str | None
    instances: tuple[Instance, ...]
    number: int | None = None
    description: str | None = None
    body_part: str | None = None
    laterality: str | None = None
    date: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept as DICOM says it (PS3.3 8.8): Coding Scheme Designator, Code Value, Code Meaning; empty if not said."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Study:
    """One study of one dataset (`alias`), which its `provider` (a key) keeps; `procedures` are those that it documents.

    `timezone_offset` is (0008,0201), None where nobody stated it.
    """

    key: str
    uid: str
    patient_key: str
    alias: str
    version: int
    updated: datetime
    series: tuple[Series, ...]
    date: str | None = None
    time: str | None = None
    timezone_offset: str | None = None
    accession_number: str | None = None
    study_id: str | None = None
    description: str | None = None
    provider: str | None = None
    procedures: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Patient:
    """A pseudonymous patient of one provider; `sex` is Patient's Sex (0010,0040), None where the objects say nothing."""

    key: str
    provider: str
    patient_id: str
    sex: str | None
    updated: datetime
