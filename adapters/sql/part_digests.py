"""Digests of the parts of held objects: of each block and of each frame, read one at a time."""

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from adapters.sql import tables as t
from mappings.digests import DIGEST_SIZE, FRAME_SIZE, Frame, PartDigests, read_frame

_p = t.part_digests.c
_MOST_FRAMES = 2**31 // FRAME_SIZE - 1
"""No column holds more, and a database counts its bytes in 32 bits."""
_SLICE = {name: func.substr(_p[name], bindparam("start"), bindparam("length")) for name in ("blocks", "frames")}
_SELECTED = {name: select(part).where(_p.custody == bindparam("row")) for name, part in _SLICE.items()}


def keep(connection: Connection, custody: int, parts: PartDigests | None) -> None:
    """Keep an object's, in place of what was kept of it; an object of one block has none."""
    if parts is not None:
        forget(connection, custody)
        connection.execute(insert(t.part_digests).values(custody=custody, blocks=parts.blocks, frames=parts.frames))


def are_kept(connection: Connection, custody: int) -> bool:
    """Whether an object's are kept; those of one block never are."""
    return connection.execute(select(_p.custody).where(_p.custody == custody)).first() is not None


def forget(connection: Connection, custody: int) -> None:
    """Keep nothing of an object whose bytes are deleted."""
    connection.execute(delete(t.part_digests).where(_p.custody == custody))


def of_blocks(connection: Connection, custody: int, first: int, count: int) -> bytes | None:
    """The digests of these blocks, from 0, one after the other; None where none are kept."""
    return _slice(connection, "blocks", custody, first * DIGEST_SIZE, count * DIGEST_SIZE)


def of_frame(connection: Connection, custody: int, frame: int) -> Frame | None:
    """Where this frame lies, from 1, and its digest; None where its frames are not kept or end before."""
    if not 1 <= frame <= _MOST_FRAMES:  # what a path names may be any number
        return None
    kept = _slice(connection, "frames", custody, (frame - 1) * FRAME_SIZE, FRAME_SIZE)
    return read_frame(kept) if kept else None


def _slice(connection: Connection, column: str, custody: int, start: int, length: int) -> bytes | None:
    named = {"row": custody, "start": start + 1, "length": length}
    found = connection.execute(_SELECTED[column], named).scalar_one_or_none()
    return None if found is None else bytes(found)
