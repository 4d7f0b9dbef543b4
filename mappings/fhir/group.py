"""The patients of a dataset as a FHIR R4 Group: how many, and who, as far as they are told by name."""

import msgspec

from consent.dataset import PatientsOfDataset
from mappings.fhir.security import LABELS
from mappings.fhir.serial import document, instant
from mappings.fhir.systems import fhir_id, reference

_MEMBER = '{{"entity":{{"reference":"Patient/{}"}}}}'
MEMBER_BYTES = len(_MEMBER.format("0" * 32)) + 1
"""What a member takes in a document, with its comma."""


def group(patients: PatientsOfDataset, base: str) -> bytes:
    """The Group's JSON; `base` is the server's public address. Members are joined as bytes: there may be ten thousand."""
    body: dict[str, object] = {
        "meta": {"lastUpdated": instant(patients.updated), "security": LABELS},
        "identifier": [{"system": f"{base}/datasets", "value": patients.alias}],
        "active": True,
        "type": "person",
        "actual": True,
        "name": patients.title,
        "quantity": patients.quantity,
        "managingEntity": reference("Organization", patients.provider),
        "member": msgspec.Raw(f"[{','.join(map(_MEMBER.format, patients.patients))}]".encode()) if patients.patients else None,
    }
    return document("Group", fhir_id(patients.alias), body)
