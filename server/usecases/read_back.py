"""Reading back what custody holds, wherever it rests: nothing that a node gives is believed but by its digest.

A file is read whole, as a stream whose last chunk is held back until all of it has its digest, or in part: then the blocks or the
frame that were asked for have theirs. A copy that is found to be another is said to be damaged in its row, and given to nobody
until it is mended.
"""

import logging
import mmap
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import BinaryIO

from adapters.disk import filling
from adapters.nodes.port import OTHER_SIZE, Node
from adapters.sql import custody, part_digests
from adapters.sql.custody import Copy, CustodyRow
from mappings.dicom.frame_spans import in_item
from mappings.digests import BLOCK, DIGEST_SIZE, Frame, are_blocks
from mappings.failures import NotFound, Unavailable
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.read_back")

IN_MEMORY = 32_000_000
CHUNK = 1 << 20
"""Bytes of a file that are read, hashed and sent at once: an image of 512 x 512 is one piece."""


class _Mismatch(Exception):
    """What a node gave is not what it was given."""


def node_of(runtime: Runtime, row: CustodyRow | Copy) -> Node:
    """The node an object rests on: its agreement's, or the quarantine."""
    if row.quarantined:
        return runtime.quarantine
    with runtime.store.read() as connection:
        return runtime.node(connection, row.node)


def damaged() -> Unavailable:
    """What is said of an object whose copy is not what came."""
    return Unavailable("object-damaged", "Its stored copy is damaged, so it is given to nobody until it is mended.")


def open_copy(runtime: Runtime, copy: Copy, start: int = 0, length: int | None = None, *, on: Node | None = None) -> BinaryIO:
    """A file on its node, or a range of it, of the size that custody says. Raises NotFound or Unavailable.

    `on` is its node, where that is known.
    """
    with _telling(runtime, copy):
        return (on or node_of(runtime, copy)).open(copy.place, copy.size, start, length)


def stream(runtime: Runtime, copy: Copy, source: BinaryIO) -> Iterator[bytes]:
    """A file's chunks from its open `source`, the last one once all of them have its digest. Raises Unavailable."""
    with _telling(runtime, copy):
        yield from _believed(copy, source)


def read_back(runtime: Runtime, copy: Copy) -> memoryview:
    """A whole file, in memory or, when large, in a mapped temporary file. Raises NotFound or Unavailable."""
    with open_copy(runtime, copy) as source:
        return gather(runtime, copy.size, stream(runtime, copy, source))


def gather(runtime: Runtime, size: int | None, chunks: Iterable[bytes]) -> memoryview:
    """The chunks of a file of this size as one, in memory or in a mapped temporary file, as where it is not known."""
    if size is not None and size <= IN_MEMORY:
        return memoryview(b"".join(chunks))
    with filling(), tempfile.TemporaryFile(dir=runtime.settings.data_dir) as spool:
        spool.writelines(chunks)
        spool.flush()
        return memoryview(mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ))


def is_sound(runtime: Runtime, copy: Copy) -> bool:
    """Whether a file, read through, is what came. Raises NotFound, and Unavailable where its node breaks off."""
    try:
        with node_of(runtime, copy).open(copy.place, copy.size) as source:
            deque(_believed(copy, source), maxlen=0)
    except (_Mismatch, Unavailable) as failure:
        if _is_other(failure):
            return False
        raise
    return True


def read_part(runtime: Runtime, copy: Copy, start: int, length: int) -> memoryview:
    """Bytes `start` to `start + length` of a file, cut at its end. Raises NotFound or Unavailable."""
    first, stop = start // BLOCK, min(start + length, copy.size)
    count = -(-stop // BLOCK) - first
    with runtime.store.read() as connection:
        kept = part_digests.of_blocks(connection, copy.custody, first, count)
    if kept is None:  # of one block, or held since before they were kept
        return read_back(runtime, copy)[start:stop]
    begin = first * BLOCK
    blocks = _range(runtime, copy, begin, min(count * BLOCK, copy.size - begin))
    with _telling(runtime, copy):
        if not are_blocks(blocks, kept):
            raise _Mismatch
    return blocks[start - begin : stop - begin]


def stream_part(runtime: Runtime, copy: Copy, start: int, stop: int) -> Iterator[bytes]:
    """Bytes `start` to `stop` of a file, block by block, each believed by its own digest. Raises NotFound or Unavailable."""
    first, after = start // BLOCK, -(-stop // BLOCK)
    with runtime.store.read() as connection:
        kept = part_digests.of_blocks(connection, copy.custody, first, after - first)
    if kept is None:  # of one block, or held since before they were kept
        yield bytes(read_back(runtime, copy)[start:stop])
        return
    with open_copy(runtime, copy, first * BLOCK, min(after * BLOCK, copy.size) - first * BLOCK) as source:
        for number, at in enumerate(range(first * BLOCK, stop, BLOCK)):
            with _telling(runtime, copy):
                block = memoryview(source.read(min(BLOCK, copy.size - at)))
                if not are_blocks(block, kept[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE]):
                    raise _Mismatch
            yield bytes(block[max(start - at, 0) : stop - at])


def read_frame(runtime: Runtime, copy: Copy, frame: Frame, number: int) -> memoryview:
    """Frame `number`'s bytes (from 1), fragments with their items' heads, believed by their own digest.

    As its node cuts it out where that is quicker; where this is not what lies in the file, what lies there. Raises NotFound or
    Unavailable.
    """
    cut = node_of(runtime, copy).frame(copy.place, number - 1, frame.length)
    if cut is not None and sha256(item := in_item(cut, frame.length)).digest() == frame.digest:
        return memoryview(item)
    content = _range(runtime, copy, frame.start, frame.length)
    with _telling(runtime, copy):
        if sha256(content).digest() != frame.digest:
            raise _Mismatch
    return content


def _range(runtime: Runtime, copy: Copy, start: int, length: int) -> memoryview:
    with _telling(runtime, copy), open_copy(runtime, copy, start, length) as source:
        return memoryview(source.read(length))


def _believed(copy: Copy, source: BinaryIO) -> Iterator[bytes]:
    hashed, left, kept = sha256(), copy.size, b""
    while chunk := source.read(min(CHUNK, left + 1)):
        if kept:
            yield kept
        hashed.update(chunk)
        left, kept = left - len(chunk), chunk
        if left < 0:
            break
    if left or hashed.digest() != copy.digest:
        raise _Mismatch
    yield kept


def _is_other(failure: Exception) -> bool:
    """Whether it says that a copy is not what came: its digest, or that its size is another than custody says."""
    return isinstance(failure, _Mismatch) or (isinstance(failure, Unavailable) and failure.code == OTHER_SIZE)


@contextmanager
def _telling(runtime: Runtime, copy: Copy) -> Iterator[None]:
    """Say in its row that a copy is damaged, and to who reads that it can't be had."""
    try:
        yield
    except (_Mismatch, Unavailable) as failure:
        if not _is_other(failure):
            raise
        if not _is_mended(runtime, copy):
            with runtime.store.write() as connection:
                custody.mark_damaged(connection, copy.custody, runtime.clock())
            log.error("object damaged", extra={"custody": copy.custody, "node": copy.node})  # noqa: TRY400 - no trace of ours
        raise damaged() from None


def _is_mended(runtime: Runtime, copy: Copy) -> bool:
    """Whether it is sound by now: who reads slowly may have begun before it was put back."""
    try:
        return is_sound(runtime, copy)
    except (NotFound, Unavailable):
        return False
