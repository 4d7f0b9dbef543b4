"""Says where each frame of a data set lies, so that one can be read alone (PS3.5 §8.1.1 native, §A.4 encapsulated).

A frame that can't be told from its neighbours without decoding is not guessed: then nothing is said of any.
"""

import struct
from collections.abc import Iterable
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from mappings.dicom.elements import PIXELS, Event, Passed, is_fragmented
from mappings.dicom.header import Header
from mappings.dicom.transfer_syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT

NATIVE = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN})
_EXTENDED_OFFSETS = 0x7FE00001
_FLOAT_BITS = MappingProxyType({0x7FE00008: 32, 0x7FE00009: 64})
_LENGTH = struct.Struct("<4xI").unpack_from
_ITEM_HEAD = struct.Struct("<II").pack
_IMAGE_BEGINS = frozenset({b"\xff\xd8", b"\xff\x4f"})  # SOI of JPEG and JPEG-LS, SOC of JPEG 2000
_ITEM = 8  # bytes of an item's tag and length


class Span(NamedTuple):
    """`length` bytes from `start`: a native frame's pixels, or the items of an encapsulated one, its fragments in them."""

    start: int
    length: int


class FrameFinder:
    """One data set's frames being found, for a walk that others read too."""

    __slots__ = ("_data", "_found", "_offsets", "_passed")

    def __init__(self, dataset: memoryview, passed: Passed = lambda _: None) -> None:
        self._data, self._passed = dataset, passed
        self._found: tuple[int, int, int] | None = None
        self._offsets = b""

    def read(self, events: Iterable[Event]) -> None:
        """Take the next events of the walk, in order."""
        for tag, _, start, stop, _, scope in events:
            if tag >= _EXTENDED_OFFSETS and not scope.path:
                if tag == _EXTENDED_OFFSETS:
                    self._offsets = bytes(self._data[start:stop])
                elif tag in PIXELS:
                    self._found = tag, start, stop

    @property
    def pixels(self) -> Span | None:
        """Where the pixel data lies; None where there is none."""
        return Span(self._found[1], self._found[2] - self._found[1]) if self._found else None

    def finish(self, header: Header) -> list[Span]:
        """The frames in their order, by offsets into the data set; none where they can't be told apart."""
        if self._found is None:
            return []
        tag, start, stop = self._found
        frames = max(header.number_of_frames or 1, 1)
        if header.transfer_syntax in NATIVE:
            return _native(start, stop, frames, frame_bits(header, tag))
        if not is_fragmented(self._data, start):  # its own length: a compressed syntax has none (PS3.5 §A.4)
            return []
        return _encapsulated(self._data, _items(self._data, start, stop, self._passed), stop, frames, self._offsets, self._passed)


def in_item(content: bytes, length: int) -> bytes:
    """A frame's content as it lies in `length` bytes of its file: as it is, or as one item; the sequence's end may follow.

    What was in several items has another length, and nobody can tell where they ended.
    """
    if len(content) == length:
        return content
    return (_ITEM_HEAD(0xE000FFFE, len(content)) + content + _ITEM_HEAD(0xE0DDFFFE, 0))[:length]


def frame_bits(header: Header, tag: int) -> int:
    """Bits of one native frame; 0 where the object does not say them."""
    samples = (header.samples_per_pixel or 1) * (header.rows or 0) * (header.columns or 0)
    if header.photometric_interpretation == "YBR_FULL_422":  # two pixels share their chrominance (PS3.3 §C.7.6.3.1.2)
        samples = samples * 2 // 3
    return samples * (_FLOAT_BITS.get(tag) or header.bits_allocated or 0)


def _native(start: int, stop: int, frames: int, bits: int) -> list[Span]:
    """Frames of equal length, one after the other; none where they share a byte or do not fill what is there."""
    length = bits // 8
    if bits % 8 or not length or (stop - start) - length * frames not in (0, 1):  # a value is made even
        return []
    return [Span(start + number * length, length) for number in range(frames)]


def _encapsulated(data: memoryview, items: list[int], stop: int, frames: int, extended: bytes, passed: Passed) -> list[Span]:
    """A frame of all fragments, frames of a fragment each, or that an offset table or their own beginnings tell; else none."""
    table, *fragments = items or [stop]
    if frames in (1, len(fragments)):
        begins = fragments[:: max(len(fragments), 1) if frames == 1 else 1]
    else:
        offsets = _offsets(bytes(data[table + _ITEM : fragments[0]]) if fragments else b"", extended, frames)
        begins = _told(fragments, offsets) or _begun(data, fragments, frames, passed)
    return [Span(begin, end - begin) for begin, end in pairwise([*begins, stop])] if begins else []


def _told(fragments: list[int], offsets: tuple[int, ...]) -> list[int]:
    """Where frames begin by an offset table; nothing where it points at anything else than fragments, each behind the last."""
    begins = [fragments[0] + offset for offset in offsets]
    is_sound = begins[:1] == fragments[:1] and set(begins) <= set(fragments) and begins == sorted(set(begins))
    return begins if is_sound else []


def _begun(data: memoryview, fragments: list[int], frames: int, passed: Passed) -> list[int]:
    """Where frames begin by what stands there; nothing where another number of fragments begins an image."""
    begins = []
    for at in fragments:
        passed(at)
        if bytes(data[at + _ITEM : at + _ITEM + 2]) in _IMAGE_BEGINS:
            begins.append(at)
    return begins if len(begins) == frames and begins[0] == fragments[0] else []


def _items(data: memoryview, start: int, stop: int, passed: Passed) -> list[int]:
    """Where each item begins, the basic offset table's first; the walk has seen that they follow one another."""
    begins = []
    while start < stop:
        begins.append(start)
        passed(start)
        start += _ITEM + _LENGTH(data, start)[0]
    return begins


def _offsets(basic: bytes, extended: bytes, frames: int) -> tuple[int, ...]:
    """The offset table that has an entry for each frame, from the first fragment (PS3.3 §C.7.6.3.1.8, PS3.5 §A.4)."""
    if len(extended) == 8 * frames:
        return struct.unpack(f"<{frames}Q", extended)
    return struct.unpack(f"<{frames}I", basic) if len(basic) == 4 * frames else ()
