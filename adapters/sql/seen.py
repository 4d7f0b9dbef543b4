"""What an answer showed, as it is kept: one list of ids for each type and owner, packed, and found again in its packed form.

The ids are those that were served, and not of rows: they mean the same when what they named is long gone. A page of a hundred
studies is 1 600 bytes. One row for each would answer *who saw this* by an index, at four times the cost of the whole record.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, func, literal

from mappings.study import KEY_DIGITS

_PACKED = frozenset({"ImagingStudy", "Patient"})
"""Types whose ids are digests, kept as bytes; those of others are words between blanks."""
_WIDTH = KEY_DIGITS // 2


def pack(kind: str, keys: Iterable[str]) -> bytes:
    """These ids of one type as they are kept."""
    return bytes.fromhex("".join(keys)) if kind in _PACKED else f" {' '.join(keys)} ".encode()


def unpack(kind: str, packed: bytes) -> tuple[str, ...]:
    """The ids again."""
    if kind not in _PACKED:
        return tuple(packed.decode().split())
    return tuple(packed[at : at + _WIDTH].hex() for at in range(0, len(packed), _WIDTH))


def is_key(kind: str, key: str) -> bool:
    """Whether something of this type can have this id."""
    return kind not in _PACKED or (len(key) == KEY_DIGITS and set(key) <= set("0123456789abcdef"))


def names(connection: Connection, packed: ColumnElement[bytes], kind: str, key: str) -> ColumnElement[bool]:
    """Whether a packed list names this id: a search through its bytes, in which no digest stands across two others."""
    position = func.instr if connection.dialect.name == "sqlite" else func.pg_catalog.position
    return position(packed, literal(pack(kind, [key]))) > 0
