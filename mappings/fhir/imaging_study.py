"""A study as a FHIR R4 ImagingStudy, made once when the study changed and served as these bytes."""

import re
from datetime import datetime

from mappings.fhir.body_site import body_site
from mappings.fhir.modality import modality
from mappings.fhir.serial import document as serialised
from mappings.fhir.serial import instant, told
from mappings.fhir.systems import DICOM_UID, SNOMED, URI, V2_IDENTIFIER_TYPE, coding, concept, fhir_id
from mappings.study import Instance, Series, Study

_CONTROLS = dict.fromkeys(c for c in range(32) if chr(c) not in "\t\r\n")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(\.\d{1,6})? *")
_ZONE = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d) *")

_ABSENT: dict[str, object] = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}
LATERALITY = {"L": ("7771000", "Left"), "R": ("24028007", "Right")}
"""Laterality (0020,0060) → SNOMED CT (PS3.16 CID 244)."""


def document(study: Study) -> bytes:
    """The ImagingStudy's JSON. Only held instances are given, so its status is always `available`."""
    return serialised("ImagingStudy", study.key, _body(study))


def _body(study: Study) -> dict[str, object]:
    return {
        "meta": {"versionId": str(study.version), "lastUpdated": instant(study.updated)},
        "identifier": _identifiers(study),
        "status": "available",
        "modality": [modality(m) for m in sorted({s.modality for s in study.series if s.modality})],
        "subject": {"reference": f"Patient/{study.patient_key}"},
        "started": started(study.date, study.time, study.timezone_offset),
        "endpoint": [{"reference": f"Endpoint/{fhir_id(study.alias)}"}],
        "numberOfSeries": len(study.series),
        "numberOfInstances": sum(len(s.instances) for s in study.series),
        "description": text(study.description),
        "series": [_series(s, study.timezone_offset) for s in study.series],
    }


def _identifiers(study: Study) -> list[dict[str, object]]:
    uid: dict[str, object] = {"use": "official", "system": DICOM_UID, "value": f"urn:oid:{study.uid}"}
    accession = text(study.accession_number)
    numbered: dict[str, object] = {"type": concept(V2_IDENTIFIER_TYPE, "ACSN"), "value": accession}
    return [uid, numbered] if accession else [uid]


def _series(series: Series, zone: str | None) -> dict[str, object]:
    return told(
        uid=series.uid,
        number=_unsigned(series.number),
        modality=modality(series.modality) if series.modality else _ABSENT,
        description=text(series.description),
        numberOfInstances=len(series.instances),
        bodySite=body_site(part) if (part := text(series.body_part)) else None,
        laterality=coding(SNOMED, *LATERALITY[series.laterality]) if series.laterality in LATERALITY else None,
        started=started(series.date, series.time, zone),
        instance=[_instance(i) for i in series.instances],
    )


def _instance(instance: Instance) -> dict[str, object]:
    sop_class = coding(URI, f"urn:oid:{instance.sop_class}")
    return told(uid=instance.sop_uid, sopClass=sop_class, number=_unsigned(instance.number))


def _unsigned(number: int | None) -> int | None:
    """IS may be negative, FHIR's unsignedInt may not and ends at 2^31 - 1."""
    return number if number is not None and 0 <= number < 2**31 else None


def text(value: str | None) -> str:
    """A DICOM text as a FHIR string: without control characters (they can't be written in XML) and outer blanks."""
    return (value or "").translate(_CONTROLS).strip()


def started(date: str | None, time: str | None, zone: str | None) -> str | None:
    """DA and TM (PS3.5 6.2) as a FHIR dateTime: with the time only where it is whole and its zone is stated; None if no date."""
    try:
        day = datetime.strptime((date or "").strip(), "%Y%m%d").date().isoformat()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        return None
    clock, offset = _TIME.fullmatch(time or ""), _ZONE.fullmatch(zone or "")
    if not clock or not offset:
        return day
    hours, minutes, seconds, fraction = clock.groups(default="")
    return f"{day}T{hours}:{minutes}:{seconds}{fraction}{offset[1]}{offset[2]}:{offset[3]}"
