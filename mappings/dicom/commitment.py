"""Reads what a Storage Commitment request names, and writes the report of what became of it (PS3.4 Annex J, push model)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from pydicom.dataset import Dataset

from mappings.dicom.elements import ItemPath, walk
from mappings.dicom.part10 import Unreadable
from mappings.dicom.uid import legal_uid
from mappings.failures import Invalid, TooLarge

PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MOST_BYTES, MOST_REFERENCES = 4 << 20, 20_000
COMMITTED, SOME_FAILED = 1, 2
"""Event types (PS3.4 Table J.3-4)."""
_TRANSACTION, _REFERENCES, _CLASS, _INSTANCE = 0x00081195, 0x00081199, 0x00081150, 0x00081155
FAILURES = MappingProxyType({"damaged": 0x0110, "unknown": 0x0112, "other-class": 0x0119})
"""Failure Reason (0008,1197), PS3.3 C.14-1."""
Reference = tuple[str, str]
"""SOP Class UID and SOP Instance UID."""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """The objects whose safekeeping somebody asks us to confirm, under the UID of its transaction."""

    transaction: str
    references: tuple[Reference, ...]


def read_request(data: bytes, transfer_syntax: str) -> CommitmentRequest:
    """The action information of an N-ACTION (PS3.4 Table J.3-1). Raises Invalid, or TooLarge."""
    values: list[tuple[ItemPath, int, str]] = []
    try:
        for tag, vr, start, stop, _, scope in walk(memoryview(data), transfer_syntax):
            if vr and tag in (_TRANSACTION, _CLASS, _INSTANCE):
                values.append((scope.path, tag, data[start:stop].decode("ascii", "replace").strip(" \0")))
    except Unreadable:
        raise Invalid("commitment-unreadable", "The request can't be read.") from None
    transaction = next((value for path, tag, value in values if not path and tag == _TRANSACTION), "")
    items = [dict(i[1:] for i in item) for path, item in groupby(values, key=lambda v: v[0]) if _is_item(path)]
    references = tuple(dict.fromkeys((item.get(_CLASS, ""), item.get(_INSTANCE, "")) for item in items))
    if not references or not all(map(legal_uid, (transaction, *(uid for pair in references for uid in pair)))):
        raise Invalid("commitment-uids", "A request names its transaction, and of each object its class and instance.")
    if len(references) > MOST_REFERENCES:
        raise TooLarge("commitment-too-large", "Ask for fewer objects at once.")
    return CommitmentRequest(transaction, references)


def _is_item(path: ItemPath) -> bool:
    return len(path) == 1 and path[0][0] == _REFERENCES


def report(transaction: str, references: Iterable[Reference], failed: Mapping[str, str], aet: str) -> tuple[int, Dataset]:
    """The event type, and the event information that says which objects are kept and which are not (PS3.4 Table J.3-4).

    `failed`: SOP Instance UID → a key of FAILURES.
    """
    told = Dataset()
    told.TransactionUID, told.RetrieveAETitle = transaction, aet
    kept = [_item(reference) for reference in references if reference[1] not in failed]
    lost = [_item(reference, FAILURES[failed[reference[1]]]) for reference in references if reference[1] in failed]
    if kept:
        told.ReferencedSOPSequence = kept
    if lost:
        told.FailedSOPSequence = lost
    return SOME_FAILED if lost else COMMITTED, told


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference
    if reason is not None:
        item.FailureReason = reason
    return item
