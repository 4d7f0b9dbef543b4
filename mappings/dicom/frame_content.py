"""What one frame, or one element that is bulk data, is sent as: pixels without their neighbours, code streams without items.

Of a data set that is there whole. A frame that can't be told from its neighbours without decoding is refused, not guessed.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

import numpy as np

from mappings.dicom.elements import PIXEL_DATA, PIXELS, Event, ItemPath, is_fragmented, shared, walk, walk_beginning
from mappings.dicom.frame_spans import NATIVE, FrameFinder, Span, frame_bits
from mappings.dicom.header import Header, header_of
from mappings.dicom.part10 import Unreadable, is_deflated
from mappings.dicom.recode import little
from mappings.dicom.transfer_syntax import BIG_ENDIAN, EXPLICIT
from mappings.failures import NotAcceptable, NotFound

_LENGTH = struct.Struct("<4xI").unpack_from
_ITEM, _SEQUENCE_END = 8, b"\xfe\xff\xdd\xe0"
_PATH = re.compile(r"(?:[0-9A-F]{8}/(?:0|[1-9][0-9]{0,8})/){0,32}[0-9A-F]{8}")


def joined(items: memoryview) -> bytes:
    """The fragments in these items, without the heads between them (PS3.5 §A.4)."""
    return b"".join(_fragments(items))


def _fragments(items: memoryview) -> Iterator[memoryview]:
    at = 0
    while at + _ITEM <= len(items) and bytes(items[at : at + 4]) != _SEQUENCE_END:
        length = _LENGTH(items, at)[0]
        yield items[at + _ITEM : at + _ITEM + length]
        at += _ITEM + length


class Frames:
    """The frames of a plain data set, by their numbers from 1; `spans` says where each lies, nothing where they can't be told."""

    def __init__(self, dataset: memoryview, transfer_syntax: str) -> None:
        finder, syntax = FrameFinder(dataset), EXPLICIT if is_deflated(transfer_syntax) else transfer_syntax
        self._data, self._syntax = dataset, syntax
        self._header = header_of(dataset, syntax, shared(walk(dataset, syntax), finder.read))
        self.spans, self._pixels = finder.finish(self._header), finder.pixels

    @property
    def bits(self) -> int:
        """Of one frame that is not compressed; 0 where the object does not say them."""
        return frame_bits(self._header, PIXEL_DATA)

    def content(self, number: int) -> memoryview:
        """One frame as it is sent. Raises NotFound past the end, NotAcceptable where frames can't be told apart."""
        if self._pixels is None:
            raise NotFound("no-pixels", "This object has no pixel data, so it has no frames.", "frames")
        if self._syntax == BIG_ENDIAN:
            raise NotAcceptable("big-endian", "This object is in the retired big-endian syntax; ask for it whole.")
        if self.spans:
            return sent(self._data, self.spans[number - 1], self._syntax)
        return self._bits(number) if self._syntax in NATIVE else _untold()

    def _bits(self, number: int) -> memoryview:
        """Single bits follow one another without a gap between frames (PS3.5 §8.1.1): one frame begins with a byte of its own."""
        bits = _single_bits(self._header)
        if self._pixels is None or not bits:
            return _untold()
        first, start = (number - 1) * bits, self._pixels.start
        whole = np.frombuffer(self._data[start + first // 8 : start + (first + bits + 7) // 8], np.uint8)
        alone = np.unpackbits(whole, bitorder="little")[first % 8 : first % 8 + bits]
        if len(alone) < bits or first // 8 + len(whole) > self._pixels.length:
            return _untold()
        return memoryview(np.packbits(alone, bitorder="little").tobytes())


def sent(data: memoryview, span: Span, transfer_syntax: str) -> memoryview:
    """The content of a frame that lies there."""
    content = data[span.start : span.start + span.length]
    return content if transfer_syntax in NATIVE else memoryview(joined(content))


def _single_bits(header: Header) -> int:
    is_single = header.bits_allocated == 1 and (header.samples_per_pixel or 1) == 1
    return (header.rows or 0) * (header.columns or 0) if is_single else 0


def _untold() -> memoryview:
    raise NotAcceptable("frames-untold", "The frames of this object can't be told apart; ask for it whole.")


# --- an element that is bulk data


class Element:
    """One element of a plain data set, by its path as a BulkDataURI says it: SEQUENCE/item/ELEMENT, items from 0.

    Raises NotFound where there is none. Its `value` is little endian; None where it is pixel data in fragments.
    """

    def __init__(self, dataset: memoryview, transfer_syntax: str, path: str) -> None:
        vr, span = _lies(walk(dataset, transfer_syntax), dataset, path)
        value = None if span is None else dataset[span.start : span.start + span.length]
        self.value = None if value is None else little(value, vr, transfer_syntax)


def value_span(beginning: memoryview, transfer_syntax: str, path: str) -> Span | None:
    """Where the value of an element lies, as it is sent, in a data set of which this is the beginning.

    None where that does not tell it, and of what is sent otherwise than it lies there. Raises NotFound for what is no path.
    """
    if transfer_syntax == BIG_ENDIAN or is_deflated(transfer_syntax):
        return None
    with suppress(EOFError, Unreadable):  # behind fragments, which seem to end at once, nothing else is read
        return _lies(walk_beginning(beginning, transfer_syntax), beginning, path)[1]
    return None


def _lies(events: Iterable[Event], dataset: memoryview, path: str) -> tuple[str, Span | None]:
    """VR and place of an element's value; no place of pixel data in fragments."""
    items, asked = _read(path)
    for tag, vr, start, stop, _, scope in events:
        if tag == asked and scope.path == items and vr not in ("", "SQ"):
            lies_in_fragments = tag in PIXELS and not items and is_fragmented(dataset, start)
            return vr, None if lies_in_fragments else Span(start, stop - start)
    raise NotFound("element-unknown", "The object has no such element.", "bulkdata")


def _read(path: str) -> tuple[ItemPath, int]:
    if not _PATH.fullmatch(path):
        raise NotFound("element-unknown", "The address of an element is SEQUENCE/item/ELEMENT, each of eight digits.", "bulkdata")
    *outer, last = path.split("/")
    return tuple((int(outer[at], 16), int(outer[at + 1])) for at in range(0, len(outer), 2)), int(last, 16)
