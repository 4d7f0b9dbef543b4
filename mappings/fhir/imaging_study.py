"""A study as a FHIR R4 ImagingStudy, made once when the study changed and served as these bytes."""

import re
from datetime import datetime

from mappings.fhir.body_site import body_site, laterality, regions
from mappings.fhir.modality import ACQUISITION, modality
from mappings.fhir.security import LABELS
from mappings.fhir.serial import document as serialised
from mappings.fhir.serial import instant, told
from mappings.fhir.systems import (
    ANATOMICAL_REGION,
    DATASET,
    DICOM_UID,
    NUMBER_OF_FRAMES,
    PARTICIPATION,
    SCHEMES,
    URI,
    V2_IDENTIFIER_TYPE,
    coding,
    concept,
    reference,
)
from mappings.study import Code, Instance, Series, Study

_CONTROLS = dict.fromkeys(c for c in range(32) if chr(c) not in "\t\r\n")
_CODE = re.compile(r"\S+( \S+)*")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(\.\d{1,6})? *")
_ZONE = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d) *")

_ABSENT: dict[str, object] = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
}


def document(study: Study) -> bytes:
    """The ImagingStudy's JSON. Only held instances are given, so its status is always `available`."""
    return serialised("ImagingStudy", study.key, _body(study))


def _body(study: Study) -> dict[str, object]:
    return {
        "meta": {"versionId": str(study.version), "lastUpdated": instant(study.updated), "security": LABELS},
        "extension": _extensions(study),
        "identifier": _identifiers(study),
        "status": "available",
        "modality": [modality(m) for m in sorted({s.modality for s in study.series if s.modality in ACQUISITION})],
        "subject": {"reference": f"Patient/{study.patient_key}"},
        "started": started(study.date, study.time, study.timezone_offset),
        "basedOn": _orders(study),
        "endpoint": [reference("Endpoint", study.alias)],
        "numberOfSeries": len(study.series),
        "numberOfInstances": sum(len(s.instances) for s in study.series),
        "procedureCode": [said for code in study.procedures if (said := _procedure(code))],
        "description": text(study.description),
        "series": [_series(s, study) for s in study.series],
    }


def _extensions(study: Study) -> list[dict[str, object]]:
    """The dataset that the study is of, and the regions of the body that it shows (HL7 Europe's imaging guide)."""
    shown = regions(text(s.body_part) for s in study.series)
    said: list[dict[str, object]] = [{"url": DATASET, "valueReference": reference("ResearchStudy", study.alias)}]
    return said + [{"url": ANATOMICAL_REGION, "valueCodeableConcept": {"coding": [region]}} for region in shown]


def _identifiers(study: Study) -> list[dict[str, object]]:
    uid: dict[str, object] = {"use": "official", "system": DICOM_UID, "value": f"urn:oid:{study.uid}"}
    return [uid, *_accessions(study)]


def _orders(study: Study) -> list[dict[str, object]]:
    """The order that it was made for, of which only the number is known."""
    return [{"type": "ServiceRequest", "identifier": number} for number in _accessions(study)]


def _accessions(study: Study) -> list[dict[str, object]]:
    accession = text(study.accession_number)
    return [{"type": concept(V2_IDENTIFIER_TYPE, "ACSN"), "value": accession}] if accession else []


def _procedure(code: Code) -> dict[str, object]:
    """A CodeableConcept; a code of a scheme that has no URI is said in its words alone."""
    system, value, meaning = SCHEMES.get(code.scheme), text(code.value), text(code.meaning)
    coded = [told(system=system, code=value, display=meaning)] if system and _CODE.fullmatch(value) else None
    return told(coding=coded, text=meaning)


def _series(series: Series, study: Study) -> dict[str, object]:
    sides = {i.laterality for i in series.instances if i.laterality}
    return told(
        uid=series.uid,
        number=_unsigned(series.number),
        modality=modality(series.modality) if series.modality else _ABSENT,
        description=text(series.description),
        numberOfInstances=len(series.instances),
        endpoint=[reference("Endpoint", study.alias)],
        bodySite=body_site(part) if (part := text(series.body_part)) else None,
        laterality=laterality(series.laterality, sides),
        started=started(series.date, series.time, study.timezone_offset),
        performer=_custodian(study.provider),
        instance=[_instance(i) for i in series.instances],
    )


def _custodian(provider: str | None) -> list[dict[str, object]]:
    """Who keeps the images; who made them is not told of pseudonymous ones."""
    return [{"function": concept(PARTICIPATION, "CST"), "actor": reference("Organization", provider)}] if provider else []


def _instance(instance: Instance) -> dict[str, object]:
    sop_class, frames = coding(URI, f"urn:oid:{instance.sop_class}"), instance.frames
    return told(
        extension=[{"url": NUMBER_OF_FRAMES, "valueInteger": frames}] if frames > 1 else None,
        uid=instance.sop_uid,
        sopClass=sop_class,
        number=_unsigned(instance.number),
        title=text(instance.title),
    )


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
