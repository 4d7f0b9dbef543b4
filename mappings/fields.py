"""What can be searched: a row a field, from which parsers, the CapabilityStatement, QIDO keys and SQL conditions come.

A field names its level and kind; `FIELDS` gives its DICOM keyword (PS3.6) where QIDO and C-FIND may ask for it, `PARAMETERS` the
FHIR R4 search parameters that ask for it. Column names are the field's own names in the index.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from mappings.query import Level


class Kind(StrEnum):
    """How a field compares: exact code, UID, folded text or name, date (YYYYMMDD), time (HHMMSS.F), whole number, moment."""

    CODE = "code"
    UID = "uid"
    TEXT = "text"
    NAME = "name"
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Field:
    """One searchable field: where it stands, how it compares, and what DICOM calls it (tag as eight hex digits)."""

    name: str
    level: Level
    kind: Kind
    keyword: str = ""
    tag: str = ""


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE
FIELDS: dict[str, Field] = {
    f.name: f
    for f in (
        Field("patient_id", _S, Kind.CODE, "PatientID", "00100020"),
        Field("patient_name", _S, Kind.NAME, "PatientName", "00100010"),
        Field("patient_sex", _S, Kind.CODE, "PatientSex", "00100040"),
        Field("patient_birth_date", _S, Kind.DATE, "PatientBirthDate", "00100030"),
        Field("patient_key", _P, Kind.CODE),
        Field("patient_updated", _P, Kind.MOMENT),
        Field("gender", _P, Kind.CODE),
        Field("study_uid", _S, Kind.UID, "StudyInstanceUID", "0020000D"),
        Field("study_key", _S, Kind.CODE),
        Field("study_date", _S, Kind.DATE, "StudyDate", "00080020"),
        Field("study_time", _S, Kind.TIME, "StudyTime", "00080030"),
        Field("accession_number", _S, Kind.CODE, "AccessionNumber", "00080050"),
        Field("study_id", _S, Kind.CODE, "StudyID", "00200010"),
        Field("description", _S, Kind.TEXT, "StudyDescription", "00081030"),
        Field("referring", _S, Kind.NAME, "ReferringPhysicianName", "00080090"),
        Field("age", _S, Kind.NUMBER),
        Field("updated", _S, Kind.MOMENT),
        Field("modality", _E, Kind.CODE, "Modality", "00080060"),
        Field("body_part", _E, Kind.CODE, "BodyPartExamined", "00180015"),
        Field("manufacturer", _E, Kind.TEXT, "Manufacturer", "00080070"),
        Field("series_uid", _E, Kind.UID, "SeriesInstanceUID", "0020000E"),
        Field("series_number", _E, Kind.NUMBER, "SeriesNumber", "00200011"),
        Field("series_description", _E, Kind.TEXT, "SeriesDescription", "0008103E"),
        Field("sop_uid", _I, Kind.UID, "SOPInstanceUID", "00080018"),
        Field("sop_class", _I, Kind.UID, "SOPClassUID", "00080016"),
        Field("instance_number", _I, Kind.NUMBER, "InstanceNumber", "00200013"),
    )
}

STUDY_ALIASES = {
    "ModalitiesInStudy": "modality",
    "00080061": "modality",
    "SOPClassesInStudy": "sop_class",
    "00080062": "sop_class",
}
"""Keys that ask a study about its series or instances (PS3.4 C.3.4)."""

QIDO_KEYS: dict[str, str] = {k: f.name for f in FIELDS.values() if f.keyword for k in (f.keyword, f.tag)} | STUDY_ALIASES
"""QIDO-RS attribute, as keyword or tag → field."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One FHIR search parameter of a resource: its type, the field it asks (or the name its reader knows), and a sentence."""

    resource: str
    name: str
    type: str
    field: str
    text: str


PARAMETERS: tuple[Parameter, ...] = (
    Parameter("ImagingStudy", "_id", "token", "study_key", "The study's FHIR id."),
    Parameter("ImagingStudy", "_lastUpdated", "date", "updated", "When the study's document last changed."),
    Parameter(
        "ImagingStudy", "identifier", "token", "study_uid", "Study Instance UID (urn:dicom:uid|urn:oid:…) or Accession Number."
    ),
    Parameter("ImagingStudy", "patient", "reference", "patient_key", "Whose study it is."),
    Parameter("ImagingStudy", "subject", "reference", "patient_key", "Whose study it is."),
    Parameter("ImagingStudy", "modality", "token", "modality", "A modality of one of its series (DCM)."),
    Parameter("ImagingStudy", "bodysite", "token", "body_part", "A Body Part Examined of one of its series."),
    Parameter("ImagingStudy", "series", "token", "series_uid", "Series Instance UID."),
    Parameter("ImagingStudy", "started", "date", "study_date", "Study Date, as a calendar day."),
    Parameter("ImagingStudy", "status", "token", "status", "Always available: what is not is not here."),
    Parameter("Patient", "_id", "token", "patient_key", "The patient's FHIR id."),
    Parameter("Patient", "_lastUpdated", "date", "patient_updated", "When the patient last changed."),
    Parameter("Patient", "identifier", "token", "patient_id", "The provider's pseudonym: system of the provider | Patient ID."),
    Parameter("Patient", "gender", "token", "gender", "male, female or other, as far as the images say."),
    Parameter("Consent", "_id", "token", "agreement", "The agreement's key."),
    Parameter("Consent", "_lastUpdated", "date", "updated", "When the agreement last moved."),
    Parameter("Consent", "identifier", "token", "agreement", "The agreement's key."),
    Parameter("Consent", "organization", "reference", "custodian", "The repository, custodian of the agreement."),
    Parameter("Consent", "consentor", "reference", "provider", "The provider who agrees."),
    Parameter("Consent", "status", "token", "status", "draft, proposed, active or inactive."),
    Parameter("Provenance", "_id", "token", "entry", "The ledger entry."),
    Parameter("Provenance", "_lastUpdated", "date", "at", "When it was recorded."),
    Parameter("Provenance", "recorded", "date", "at", "When it was recorded."),
    Parameter("Provenance", "target", "reference", "target", "What it was done to."),
    Parameter("Organization", "_id", "token", "party", "The organisation's key."),
    Parameter("Organization", "_lastUpdated", "date", "updated", "When it last changed."),
    Parameter("Organization", "identifier", "token", "party", "The organisation's key."),
    Parameter("Organization", "name", "string", "name", "The start of its name."),
    Parameter("Endpoint", "_id", "token", "dataset", "The dataset's alias."),
    Parameter("Endpoint", "_lastUpdated", "date", "updated", "When the dataset last changed."),
    Parameter("Endpoint", "identifier", "token", "dataset", "The dataset's alias."),
    Parameter("Endpoint", "status", "token", "status", "active or suspended."),
)
RESULT_PARAMETERS = ("_count", "_total", "_format", "_summary")
"""Parameters that shape the answer, the same for every resource."""


def parameters(resource: str) -> dict[str, Parameter]:
    """The search parameters of one resource, by name."""
    return {p.name: p for p in PARAMETERS if p.resource == resource}


def folded(text: str) -> str:
    """Text as it is matched: without accents, case, or doubled blanks."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


def folded_name(text: str) -> str:
    """A person's name as it is matched: its component groups folded, without the empty components that end them (PS3.5 6.2.1)."""
    return "=".join(folded(group).rstrip("^ ") for group in text.split("="))
