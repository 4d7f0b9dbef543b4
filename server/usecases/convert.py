"""Sending an object in another transfer syntax than it is stored in: its data set is written anew, with its values and UIDs.

The stored bytes are believed by their digest before a byte made of them leaves; what is made is kept nowhere.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from adapters.spool import Behind
from adapters.sql.instances import StoredInstance
from mappings.dicom.frame_content import Frames
from mappings.dicom.part10 import DEFLATED, MAX_INFLATED, Unreadable, file_meta, inflate
from mappings.dicom.pixel_media import OCTETS
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.recode import PIECE, Decoded, Recoded
from mappings.dicom.transfer_syntax import EXPLICIT, LOSSLESS
from mappings.failures import Busy, NotAcceptable
from server.usecases.read_back import gather
from server.usecases.runtime import Runtime

File = tuple[StoredInstance, Iterator[bytes]]
"""What is sent of an object: where it says what is in its file, and that file's chunks."""
MOST_DECODED = 512 * 1024 * 1024
"""Bytes of pixel data that are sent decoded."""
PATIENCE_SECONDS, PAUSE_SECONDS = 30, 0.2
MOST_FRAMES = 1000
"""Frames that are decoded for one object: each is a picture drawn."""


def converted(runtime: Runtime, file: File, transfer_syntax: str) -> File:
    """The file in this transfer syntax, one of `recode.syntaxes`; itself where that is its own.

    All of it is read when this returns, and its first frame decoded. Raises NotAcceptable where it can't be had so, else what its
    chunks raise; these then NotAcceptable and Busy while frames are decoded.
    """
    stored, chunks = file
    if transfer_syntax == stored.transfer_syntax:
        return file
    try:
        whole = gather(runtime, stored.size, chunks)
        recoded = _recoded(runtime, stored, whole, transfer_syntax)
    except Unreadable as broken:
        raise _refusal("its data set can't be followed") from broken
    meta = file_meta(stored.sop_class, stored.sop_uid, transfer_syntax)
    size = len(meta) + recoded.size
    sent = replace(stored, transfer_syntax=transfer_syntax, size=size, dataset_start=len(meta), crc32=None)
    return sent, chain([meta], map(bytes, recoded))


def _recoded(runtime: Runtime, stored: StoredInstance, whole: memoryview, transfer_syntax: str) -> Recoded:
    dataset, syntax = whole[stored.dataset_start :], stored.transfer_syntax
    if syntax == DEFLATED:
        pieces = (bytes(dataset[at : at + PIECE]) for at in range(0, len(dataset), PIECE))
        dataset, syntax = gather(runtime, MAX_INFLATED, inflate(pieces, len(dataset))), EXPLICIT
    decoded = _decoded(runtime, stored, whole) if syntax in LOSSLESS else None
    return Recoded(dataset, syntax, transfer_syntax, decoded, Behind(dataset))


def _decoded(runtime: Runtime, stored: StoredInstance, whole: memoryview) -> Decoded:
    found = Frames(whole[stored.dataset_start :], stored.transfer_syntax)
    bits, count = found.bits, len(found.spans)
    if not bits or not count or (bits % 8 and count > 1):
        raise _refusal("its frames can't be told apart")
    size = (bits + 7) // 8
    if count > MOST_FRAMES or count * size > MOST_DECODED:
        raise _refusal(f"it has more than {MOST_FRAMES} frames or {MOST_DECODED >> 20} MB of them")

    def frame(number: int) -> bytes:
        span = found.spans[number - 1]
        place = stored.dataset_start + span.start, span.length
        drawing = Drawing(stored.transfer_syntax, stored.size, stored.dataset_start, place, number, OCTETS)
        drawn = _drawn(runtime, drawing, lambda start, length: whole[start : start + length])
        if len(drawn) != size:
            raise _refusal("a frame has another size than it says")
        return drawn

    return Decoded(count * size, chain([frame(1)], map(frame, range(2, count + 1))))


def _drawn(runtime: Runtime, drawing: Drawing, read: Callable[[int, int], memoryview]) -> bytes:
    """A frame, waited for while all that can be drawn at once is being drawn: viewers come between. Raises Busy in the end."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return runtime.pictures.draw(drawing, read)
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_SECONDS)


def _refusal(why: str) -> NotAcceptable:
    return NotAcceptable("not-converted", f"This object is sent as it is stored only, since {why}: ask for transfer-syntax=*.")
