"""Writes a ZIP of members that are stored as they are (PKWARE APPNOTE 6.3.10), as a stream whose length is known beforehand.

A member of known CRC-32 stands behind a complete header, which every reader takes; of one that is not known the CRC-32 is
counted on the way and follows its bytes (section 4.3.9). ZIP64 (4.3.14) only where a number needs it: older readers know none.
"""

import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple
from zlib import crc32

_LOCAL, _DESCRIPTOR, _CENTRAL, _END = b"PK\3\4", b"PK\7\b", b"PK\1\2", b"PK\5\6"
_END64, _LOCATOR = b"PK\6\6", b"PK\6\7"
_PLAIN, _ZIP64 = 20, 45  # versions needed to extract
_FOLLOWS = 8  # general purpose bit 3: CRC-32 and sizes come after the bytes
_DATE = 0x21  # 1980-01-01, the first there is: the same members make the same bytes
_FULL, _FULL_COUNT = 0xFFFFFFFF, 0xFFFF


class Member(NamedTuple):
    """A file of an archive: its name in ASCII, its bytes, and its CRC-32 where that is known."""

    name: str
    size: int
    crc32: int | None


def zip_length(members: Sequence[Member]) -> int:
    """The bytes of the archive of these."""
    return sum(map(_whole, members)) + len(_directory(members, [0] * len(members)))


def zip_stream(members: Sequence[Member], contents: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    """The archive of these, whose contents come in the same order, each of its member's size."""
    counted: list[int] = []
    for member, content in zip(members, contents, strict=True):
        yield _local(member)
        crc = yield from _content(member, content)
        counted.append(crc)
    yield _directory(members, counted)


def _content(member: Member, content: Iterable[bytes]) -> Generator[bytes, None, int]:
    """A member's bytes, and what is said behind them; its CRC-32."""
    if member.crc32 is not None:
        yield from content
        return member.crc32
    counted = 0
    for chunk in content:
        counted = crc32(chunk, counted)
        yield chunk
    yield _descriptor(member, counted)
    return counted


def _whole(member: Member) -> int:
    return len(_local(member)) + member.size + (len(_descriptor(member, 0)) if member.crc32 is None else 0)


def _is_large(member: Member) -> bool:
    return member.size >= _FULL


def _head(member: Member, crc: int, size: int) -> bytes:
    """What both headers of a member have in common, from the version needed to the length of its name."""
    version, flags = _ZIP64 if _is_large(member) else _PLAIN, 0 if member.crc32 is not None else _FOLLOWS
    size = _FULL if _is_large(member) else size
    return struct.pack("<HHHHHIIIH", version, flags, 0, 0, _DATE, crc, size, size, len(member.name))


def _extra(*numbers: int) -> bytes:
    """The ZIP64 field, of the numbers that are too large for their places."""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""


def _local(member: Member) -> bytes:
    size = 0 if member.crc32 is None else member.size
    extra = _extra(size, size) if _is_large(member) else b""
    head = _head(member, member.crc32 or 0, size)
    return _LOCAL + head + struct.pack("<H", len(extra)) + member.name.encode("ascii") + extra


def _descriptor(member: Member, crc: int) -> bytes:
    return _DESCRIPTOR + struct.pack("<IQQ" if _is_large(member) else "<III", crc, member.size, member.size)


def _directory(members: Sequence[Member], counted: Sequence[int]) -> bytes:
    starts = [0, *accumulate(map(_whole, members))]
    entries = b"".join(map(_central, members, counted, starts))
    return entries + _end(len(members), len(entries), starts[-1])


def _central(member: Member, crc: int, start: int) -> bytes:
    sizes = (member.size, member.size) if _is_large(member) else ()
    extra = _extra(*sizes, *((start,) if start >= _FULL else ()))
    head = struct.pack("<H", _ZIP64) + _head(member, crc, member.size)
    rest = struct.pack("<HHHHII", len(extra), 0, 0, 0, 0, min(start, _FULL))
    return _CENTRAL + head + rest + member.name.encode("ascii") + extra


def _end(count: int, size: int, start: int) -> bytes:
    large = count >= _FULL_COUNT or size >= _FULL or start >= _FULL
    end64 = _END64 + struct.pack("<QHHIIQQQQ", 44, _ZIP64, _ZIP64, 0, 0, count, count, size, start)
    locator = _LOCATOR + struct.pack("<IQI", 0, start + size, 1)
    counts = [min(count, _FULL_COUNT)] * 2
    end = _END + struct.pack("<HHHHIIH", 0, 0, *counts, min(size, _FULL), min(start, _FULL), 0)
    return (end64 + locator if large else b"") + end
