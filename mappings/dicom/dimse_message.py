"""Writes DIMSE messages as bytes: command sets (PS3.7 §6.3, Annex E) and the P-DATA-TF PDUs that carry them (PS3.8 §9.3.5).

A command is the same but for a number or two in thousands of messages, and a data set goes as it is stored: neither is decoded.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_GET_RSP, C_FIND_RSP, C_MOVE_RSP = 0x8010, 0x8020, 0x8021
N_ACTION_RSP = 0x8130
LONGEST_FRAGMENT = 131072
"""What is sent in one PDU to who bears any length."""
SHORTEST_FRAGMENT = 256
"""Less is not sent in one, whatever is announced: a PDU a byte would be an attack."""
_PDV_HEAD = 6
_NO_DATA_SET, _DATA_SET = 0x0101, 0x0001
_COMMAND, _LAST = 0x01, 0x02


def _number(value: int) -> bytes:
    return struct.pack("<H", value)


def _uid(value: str) -> bytes:
    return _even(value.encode("ascii", "replace"), b"\0")


def _text(value: str) -> bytes:
    return _even(value.encode("ascii", "replace"), b" ")


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding * (len(value) % 2)


# PS3.7 Table E.1-1
_ELEMENTS: MappingProxyType[str, tuple[int, Callable[..., bytes]]] = MappingProxyType(
    {
        "sop_class": (0x0002, _uid),
        "message_id": (0x0110, _number),
        "responded_to": (0x0120, _number),
        "priority": (0x0700, _number),
        "status": (0x0900, _number),
        "comment": (0x0902, _text),
        "sop_instance": (0x1000, _uid),
        "action_type": (0x1008, _number),
        "remaining": (0x1020, _number),
        "completed": (0x1021, _number),
        "failed": (0x1022, _number),
        "warned": (0x1023, _number),
        "originator": (0x1030, _text),
        "originator_id": (0x1031, _number),
    }
)


def command(field: int, *, data_set: bool, **elements: str | int | None) -> bytes:
    """A command set by its Command Field and elements, in implicit VR little endian; what is None or empty is left out."""
    values = {0x0100: _number(field), 0x0800: _number(_DATA_SET if data_set else _NO_DATA_SET)}
    for name, value in elements.items():
        if value not in (None, ""):
            number, write = _ELEMENTS[name]
            values[number] = write(value)
    body = b"".join(struct.pack("<HHL", 0, number, len(value)) + value for number, value in sorted(values.items()))
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def fragment_size(maximum_pdu: int) -> int:
    """How much of a message goes in one PDU to a peer that announced this maximum length (0: any)."""
    return min(max(maximum_pdu - _PDV_HEAD, SHORTEST_FRAGMENT), LONGEST_FRAGMENT) if maximum_pdu else LONGEST_FRAGMENT


def command_pdus(context_id: int, size: int, command_set: bytes) -> bytes:
    """A command set as PDUs."""
    return b"".join(_pdus(context_id, size, [command_set], _COMMAND))


def data_pdus(context_id: int, size: int, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """A data set that comes in pieces as PDUs, those of about a piece together; the last one once all pieces have come."""
    return _pdus(context_id, size, pieces, 0)


def _pdus(context_id: int, size: int, pieces: Iterable[bytes | memoryview], kind: int) -> Iterator[bytes]:
    held, head = bytearray(), _head(context_id, kind, size)
    for piece in pieces:
        held += piece
        whole = (len(held) - 1) // size  # the last byte is kept for the last fragment
        if whole > 0:
            with memoryview(held) as view:
                yield b"".join(part for at in range(whole) for part in (head, view[at * size : (at + 1) * size]))
            del held[: whole * size]
    yield _head(context_id, kind | _LAST, len(held)) + held


def _head(context_id: int, control: int, length: int) -> bytes:
    """What stands before so many bytes of a message."""
    return struct.pack(">BBLLBB", 4, 0, length + _PDV_HEAD, length + 2, context_id, control)
