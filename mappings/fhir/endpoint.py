"""A dataset's door as a FHIR R4 Endpoint: Accord's public DICOMweb address, never a node's."""

from dataclasses import dataclass
from datetime import datetime

from mappings.fhir.serial import document, instant
from mappings.fhir.systems import CONNECTION, PAYLOAD, REPOSITORY, coding, fhir_id


@dataclass(frozen=True, slots=True)
class Door:
    """One dataset as its endpoint shows it; `is_open` while its agreement and node let something in or out."""

    alias: str
    title: str
    is_open: bool
    updated: datetime


def endpoint(door: Door, base: str) -> bytes:
    """The Endpoint's JSON. R4 takes one connection type: WADO-RS; QIDO-RS and STOW-RS answer at the same address."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(door.updated)},
        "identifier": [{"system": f"{base}/datasets", "value": door.alias}],
        "status": "active" if door.is_open else "suspended",
        "connectionType": coding(CONNECTION, "dicom-wado-rs", "DICOM WADO-RS"),
        "name": door.title.strip() or door.alias,
        "managingOrganization": {"reference": f"Organization/{REPOSITORY}"},
        "payloadType": [{"coding": [coding(PAYLOAD, "any", "Any")], "text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": f"{base}/dicom-web",
    }
    return document("Endpoint", fhir_id(door.alias), body)
