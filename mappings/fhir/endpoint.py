"""Where a dataset is reached, as a FHIR R4 Endpoint: Accord's public DICOMweb address, never a node's.

It says how to connect; what is there, whose it is and how it is shared says the ResearchStudy of the same id.
"""

from consent.dataset import DatasetEndpoint
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import CONNECTION, PAYLOAD, coding, fhir_id


def endpoint(dataset: DatasetEndpoint, base: str) -> bytes:
    """The Endpoint's JSON. R4 takes one connection type: WADO-RS; QIDO-RS and STOW-RS answer at the same address."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(dataset.updated)},
        "identifier": [{"system": f"{base}/datasets", "value": dataset.alias}],
        "status": "active" if dataset.is_open else "suspended",
        "connectionType": coding(CONNECTION, "dicom-wado-rs", "DICOM WADO-RS"),
        "name": dataset.title.strip() or dataset.alias,
        "payloadType": [{"coding": [coding(PAYLOAD, "any", "Any")], "text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": f"{base}/dicom-web",
    }
    return document("Endpoint", fhir_id(dataset.alias), body)
