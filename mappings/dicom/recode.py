"""Writes a data set in another uncompressed transfer syntax (PS3.5 §7, Annex A); every value is what it was.

Sequences and items come with delimiters instead of lengths. Group lengths, which would be wrong and are retired (PS3.5 §7.2), and
zeros behind the last element are left out. A value longer than its VR can say goes as UN (PS3.5 §6.2.2). Where the wire said no
VR, it is the dictionaries', and UN where neither knows the element.
"""

import struct
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mappings.dicom.elements import ITEM, ITEM_END, PIXEL_DATA, SEQUENCE_END, Passed, is_fragmented, walk
from mappings.dicom.part10 import LONG, Unreadable
from mappings.dicom.transfer_syntax import BIG_ENDIAN, IMPLICIT

PIECE = 1 << 19
_SMALL = 1 << 16
_UNDEFINED = 0xFFFFFFFF
_EXPLICIT_SHORT, _EXPLICIT_LONG = struct.Struct("<HH2sH").pack, struct.Struct("<HH2sxxI").pack
_IMPLICIT = struct.Struct("<HHI").pack
_MARKS = MappingProxyType(
    {tag: _IMPLICIT(tag >> 16, tag & 0xFFFF, length) for tag, length in ((ITEM, _UNDEFINED), (ITEM_END, 0), (SEQUENCE_END, 0))}
)
_WORDS = MappingProxyType(
    {"AT": 2, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "SV": 8, "UL": 4, "US": 2, "UV": 8}
)
_PHOTOMETRIC = 0x00280004
_OF_FRAGMENTS = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00003})
"""Extended offset tables, and the length of what lies in fragments."""


class Decoded(NamedTuple):
    """Pixel data that lay in fragments: how many bytes all of its frames are, and these, given once."""

    length: int
    frames: Iterable[bytes]


class Recoded:
    """A data set, not deflated, in the `target`, Explicit or Implicit VR Little Endian. Iterated once, by pieces.

    Pixel data in fragments needs `decoded`; YBR_RCT is RGB then. `passed` is told how far a long value was given. Raises
    Unreadable as the walk, and where there are fragments that were not decoded.
    """

    def __init__(
        self,
        dataset: memoryview,
        source: str,
        target: str,
        decoded: Decoded | None = None,
        passed: Passed = lambda _: None,
    ) -> None:
        self._data, self._source, self._target, self._decoded, self._passed = dataset, source, target, decoded, passed
        self.size = sum(map(len, self._pieces(()))) + (decoded.length if decoded else 0)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self._pieces(self._decoded.frames if self._decoded else ())

    def _pieces(self, frames: Iterable[bytes]) -> Iterator[bytes | memoryview]:
        small = bytearray()
        for tag, vr, start, stop, _, scope in walk(self._data, self._source):
            if len(small) >= _SMALL:
                yield bytes(small)
                small.clear()
            if not vr or vr == "SQ":
                small += self._head(tag, vr, _UNDEFINED) if vr else _MARKS[tag]
            elif tag == PIXEL_DATA and is_fragmented(self._data, start):
                yield bytes(small) + self._pixel_head(bool(scope.path))
                yield from frames
                small = bytearray(self._padding)
            elif not self._is_left_out(tag):
                value = self._value(tag, start, stop, at_top=not scope.path)
                small += self._head(tag, vr, len(value))
                if len(value) < _SMALL:
                    small += little(value, vr, self._source)
                    continue
                yield bytes(small)
                small.clear()
                for at in range(0, len(value), PIECE):
                    yield little(value[at : at + PIECE], vr, self._source)
                    self._passed(start + at)
        yield bytes(small)

    def _head(self, tag: int, vr: str, length: int) -> bytes:
        group, element, code = tag >> 16, tag & 0xFFFF, vr.encode()
        if self._target == IMPLICIT:
            return _IMPLICIT(group, element, length)
        if code in LONG or length > 0xFFFF:
            return _EXPLICIT_LONG(group, element, code if code in LONG else b"UN", length)
        return _EXPLICIT_SHORT(group, element, code, length)

    def _pixel_head(self, nested: bool) -> bytes:
        if self._decoded is None or nested:
            raise Unreadable("structure-broken", "it holds pixel data in fragments")
        return self._head(PIXEL_DATA, "OW", self._decoded.length + len(self._padding))

    @property
    def _padding(self) -> bytes:
        return bytes(self._decoded.length % 2 if self._decoded else 0)

    def _is_left_out(self, tag: int) -> bool:
        return tag & 0xFFFF == 0 or (self._decoded is not None and tag in _OF_FRAGMENTS)

    def _value(self, tag: int, start: int, stop: int, *, at_top: bool) -> memoryview:
        value = self._data[start:stop]
        is_made_rgb = self._decoded and tag == _PHOTOMETRIC and at_top and bytes(value[:8]).strip(b" \0") == b"YBR_RCT"
        return memoryview(b"RGB ") if is_made_rgb else value


def little(value: memoryview, vr: str, transfer_syntax: str) -> memoryview:
    """A value as it is in little endian."""
    size = _WORDS.get(vr, 1)
    if transfer_syntax != BIG_ENDIAN or size == 1:
        return value
    whole = value[: len(value) // size * size]
    return memoryview(np.frombuffer(whole, f">u{size}").astype(f"<u{size}").tobytes() + bytes(value[len(whole) :]))
