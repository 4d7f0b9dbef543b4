"""What is kept of a file so that a part of it can be believed without the rest: digests of its blocks and of its frames."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from zlib import crc32

BLOCK = 1 << 20
"""Bytes of a block; a file of one block has its own digest and no other."""
DIGEST_SIZE = 32
_FRAME = struct.Struct(">QQ32s")
FRAME_SIZE = _FRAME.size


class Frame(NamedTuple):
    """A frame's bytes in its file, and their SHA-256."""

    start: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class PartDigests:
    """A file's parts as they are kept: 32 bytes for each block; for each frame its start, its length and its digest."""

    blocks: bytes
    frames: bytes


def digest(file: memoryview, start: int, stop: int, passed: Callable[[int], None]) -> bytes:
    """The SHA-256 of these bytes of a file; `passed` is told how far it has come, block by block."""
    total = sha256()
    for at in range(start, stop, BLOCK):
        total.update(file[at : min(at + BLOCK, stop)])
        passed(at)
    return total.digest()


def checksums(file: memoryview, passed: Callable[[int], None]) -> tuple[bytes, int]:
    """The SHA-256 and the CRC-32 of a file; `passed` as above."""
    total, checked = sha256(), 0
    for at in range(0, len(file), BLOCK):
        block = file[at : at + BLOCK]
        total.update(block)
        checked = crc32(block, checked)
        passed(at)
    return total.digest(), checked


def digest_parts(
    file: memoryview, spans: Iterable[tuple[int, int]], passed: Callable[[int], None] = lambda _: None
) -> PartDigests | None:
    """The parts of a file whose frames lie there, (start, length) each; None for a file of one block."""
    if len(file) <= BLOCK:
        return None
    blocks = b"".join(digest(file, at, min(at + BLOCK, len(file)), passed) for at in range(0, len(file), BLOCK))
    framed = (_FRAME.pack(start, length, digest(file, start, start + length, passed)) for start, length in spans)
    return PartDigests(blocks, b"".join(framed))


def read_frame(kept: bytes) -> Frame:
    """A frame as it is kept, `FRAME_SIZE` bytes."""
    return Frame(*_FRAME.unpack(kept))


def are_blocks(content: memoryview, blocks: bytes) -> bool:
    """Whether these are the blocks that have these digests, in their order."""
    digests = (sha256(content[at : at + BLOCK]).digest() for at in range(0, len(content), BLOCK))
    return b"".join(digests) == blocks
