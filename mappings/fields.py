"""What can be searched of images: a row a field, from which QIDO keys, C-FIND keys and SQL conditions come.

A field names its level and kind, and its DICOM keyword (PS3.6) where QIDO and C-FIND may ask for it; FHIR's parameters stand in
`mappings.fhir.resources`. Column names are the field's own names in the index.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

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
    """One searchable field: where it stands, how it compares, and what DICOM calls it (tag as eight hex digits).

    What stands in the items of a sequence has the path there, its names parted by dots (PS3.18 §8.3.4.1).
    """

    name: str
    level: Level
    kind: Kind
    keyword: str = ""
    tag: str = ""


def _coded(name: str, level: Level, sequence: str, tag: str) -> tuple[Field, ...]:
    """What is asked of a code in the items of a sequence (PS3.3 Table 8.8-1)."""
    return (
        Field(f"{name}_code", level, Kind.CODE, f"{sequence}.CodeValue", f"{tag}.00080100"),
        Field(f"{name}_scheme", level, Kind.CODE, f"{sequence}.CodingSchemeDesignator", f"{tag}.00080102"),
        Field(f"{name}_meaning", level, Kind.TEXT, f"{sequence}.CodeMeaning", f"{tag}.00080104"),
    )


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE
FIELDS: dict[str, Field] = {
    f.name: f
    for f in (
        Field("patient_id", _S, Kind.CODE, "PatientID", "00100020"),
        Field("patient_name", _S, Kind.NAME, "PatientName", "00100010"),
        Field("patient_sex", _S, Kind.CODE, "PatientSex", "00100040"),
        Field("patient_birth_date", _S, Kind.DATE, "PatientBirthDate", "00100030"),
        Field("patient_key", _P, Kind.CODE),
        Field("pseudonym", _P, Kind.CODE),
        Field("patient_updated", _P, Kind.MOMENT),
        Field("gender", _P, Kind.CODE),
        Field("patient_provider", _P, Kind.CODE),
        Field("study_uid", _S, Kind.UID, "StudyInstanceUID", "0020000D"),
        Field("study_key", _S, Kind.CODE),
        Field("study_date", _S, Kind.DATE, "StudyDate", "00080020"),
        Field("study_time", _S, Kind.TIME, "StudyTime", "00080030"),
        Field("accession_number", _S, Kind.CODE, "AccessionNumber", "00080050"),
        Field("study_id", _S, Kind.CODE, "StudyID", "00200010"),
        Field("description", _S, Kind.TEXT, "StudyDescription", "00081030"),
        Field("referring", _S, Kind.NAME, "ReferringPhysicianName", "00080090"),
        Field("age", _S, Kind.NUMBER),
        Field("alias", _S, Kind.CODE),
        Field("condition", _S, Kind.CODE),  # that is stated for the whole dataset
        Field("provider", _S, Kind.CODE),
        Field("modalities", _S, Kind.CODE, "ModalitiesInStudy", "00080061"),
        Field("sop_classes", _S, Kind.UID, "SOPClassesInStudy", "00080062"),
        Field("updated", _S, Kind.MOMENT),
        Field("started_from", _S, Kind.MOMENT),
        Field("started_to", _S, Kind.MOMENT),
        Field("modality", _E, Kind.CODE, "Modality", "00080060"),
        Field("body_part", _E, Kind.CODE, "BodyPartExamined", "00180015"),
        Field("manufacturer", _E, Kind.TEXT, "Manufacturer", "00080070"),
        Field("series_uid", _E, Kind.UID, "SeriesInstanceUID", "0020000E"),
        Field("series_number", _E, Kind.NUMBER, "SeriesNumber", "00200011"),
        Field("series_description", _E, Kind.TEXT, "SeriesDescription", "0008103E"),
        Field("performed_date", _E, Kind.DATE, "PerformedProcedureStepStartDate", "00400244"),
        Field("performed_time", _E, Kind.TIME, "PerformedProcedureStepStartTime", "00400245"),
        Field("request_procedure", _E, Kind.CODE, "RequestAttributesSequence.RequestedProcedureID", "00400275.00401001"),
        Field("request_step", _E, Kind.CODE, "RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00400009"),
        *_coded("procedure", _S, "ProcedureCodeSequence", "00081032"),
        *_coded("requested", _S, "RequestedProcedureCodeSequence", "00321064"),
        *_coded("region", _E, "AnatomicRegionSequence", "00082218"),
        Field("sop_uid", _I, Kind.UID, "SOPInstanceUID", "00080018"),
        Field("sop_class", _I, Kind.UID, "SOPClassUID", "00080016"),
        Field("instance_number", _I, Kind.NUMBER, "InstanceNumber", "00200013"),
    )
}

QIDO_KEYS: dict[str, str] = {
    ".".join(path): f.name
    for f in FIELDS.values()
    if f.keyword
    for path in product(*zip(f.keyword.split("."), f.tag.split("."), strict=True))
}
"""QIDO-RS attribute, as keyword or tag, or a path of those into the items of a sequence → field."""


def fold(text: str) -> str:
    """Text as it is matched: without accents, case, or doubled blanks."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


def fold_name(text: str) -> str:
    """A person's name as it is matched: its component groups folded, without the empty components that end them (PS3.5 6.2.1)."""
    return "=".join(fold(group).rstrip("^ ") for group in text.split("="))
