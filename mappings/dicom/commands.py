"""Reads a C-STORE-RQ's command set (PS3.7 section 9.3.1), and the P-DATA-TF PDU around it (PS3.8 section 9.3.5).

Only what every sender writes is read here: who finds None, or is refused, lets a whole implementation judge.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mappings.dicom.dimse_message import C_STORE_RQ
from mappings.dicom.uid import legal_uid

P_DATA_TF = 0x04
COMMAND, LAST = 1, 2
"""Bits of a message control header (PS3.8 section E.2)."""

_ELEMENT = struct.Struct("<HHL")
_ITEM = struct.Struct(">LB")
_HEAD = struct.Struct(">BBL")
_US = struct.Struct("<H")
_NO_DATASET = 0x0101
_PRIORITIES = frozenset({0, 1, 2})

# (0000,eeee), PS3.7 Table 9.3-1
_SOP_CLASS, _FIELD, _MESSAGE_ID, _PRIORITY, _DATASET, _SOP_INSTANCE = 0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000
_NUMBERS = (_FIELD, _MESSAGE_ID, _PRIORITY, _DATASET)
_UIDS = (_SOP_CLASS, _SOP_INSTANCE)


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What a C-STORE-RQ says."""

    message_id: int
    sop_class: str
    sop_instance: str
    priority: int


def data_values(pdu: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Presentation context and value, a message control header first, of each item of a P-DATA-TF PDU (PS3.8 section 9.3.5).

    Raises ValueError where the items do not fill it.
    """
    at = _HEAD.size
    while at < len(pdu):
        if at + _ITEM.size >= len(pdu):
            raise ValueError("P-DATA-TF breaks off")
        length, context = _ITEM.unpack_from(pdu, at)
        end = at + 4 + length
        if length < 2 or end > len(pdu):
            raise ValueError("P-DATA-TF breaks off")
        yield context, pdu[at + _ITEM.size : end]
        at = end


def store_request(command_set: memoryview) -> StoreRequest | None:
    """The C-STORE-RQ that this command set is; None for another message, and for one that says it in an unusual way."""
    try:
        elements = dict(_elements(command_set))
        field, message_id, priority, dataset = (_US.unpack(elements[each])[0] for each in _NUMBERS)
        sop_class, sop_instance = (_uid(elements[each]) for each in _UIDS)
    except (struct.error, KeyError, ValueError):
        return None
    if field != C_STORE_RQ or dataset == _NO_DATASET or priority not in _PRIORITIES:
        return None
    return StoreRequest(message_id, sop_class, sop_instance, priority)


def _elements(command_set: memoryview) -> Iterator[tuple[int, bytes]]:
    """Element number and value; a command set is Implicit VR Little Endian (PS3.7 section 6.3.1). Raises ValueError."""
    at = 0
    while at < len(command_set):
        group, element, length = _ELEMENT.unpack_from(command_set, at)
        at += _ELEMENT.size
        if group or at + length > len(command_set):
            raise ValueError("no command set")
        yield element, bytes(command_set[at : at + length])
        at += length


def _uid(value: bytes) -> str:
    uid = value.rstrip(b"\0 ").decode("ascii")
    if not legal_uid(uid):
        raise ValueError("no UID")
    return uid
