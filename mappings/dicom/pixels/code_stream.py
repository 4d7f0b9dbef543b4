"""Holds what a code stream says of itself against what its object says, before anything is allocated for it."""

import struct
from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from mappings.dicom.pixels.attributes import FrameAttributes, undecodable

_SOI, _FILL = b"\xff\xd8", 0xFF
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})  # ITU-T T.81 table B.1; JPEG-LS: T.87
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xDB)})  # restarts, start and end of image, and a scan: no frame header follows
_SIZ, _BOXES = b"\xff\x4f\xff\x51", 4096  # behind SOC (ISO/IEC 15444-1 section A.5.1); boxes of JP2 may come before
_RLE_HEADER = struct.Struct("<16I")  # PS3.5 section G.5: how many segments, and where each begins


class Promise(NamedTuple):
    """What decoding would make: rows, columns, samples of a pixel, and the greatest precision of one, in bits."""

    rows: int
    columns: int
    samples: int
    bits: int


_Reader: TypeAlias = Callable[[FrameAttributes, bytes], Promise | None]


def refuse_other(source: FrameAttributes, encoded: bytes) -> None:
    """Raises NotAcceptable('pixels-undecodable') for a code stream that is none, or not of what the object says."""
    if (reader := _READERS.get(source.syntax)) is None:
        raise undecodable("no decoder for its transfer syntax is installed")
    try:
        promised = reader(source, encoded)
    except (struct.error, IndexError):
        promised = None
    if promised is None:
        raise undecodable("its bytes do not decode")
    if promised[:3] != (*source.size, source.samples) or promised.bits > source.allocated:
        raise undecodable("its size is not what the object says")


def _jpeg(_source: FrameAttributes, encoded: bytes) -> Promise | None:
    """The frame header of JPEG (T.81 section B.2.2) or JPEG-LS (T.87 section C.2.2), behind whole segments only."""
    at = 2
    while encoded[:2] == _SOI and encoded[at] == _FILL and (marker := encoded[at + 1]) not in _NO_SEGMENT:
        if marker in _START_OF_FRAME:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", encoded, at + 4)
            return Promise(rows, columns, samples, bits)
        at += 1 if marker == _FILL else 2 + max(*struct.unpack_from(">H", encoded, at + 2), 2)
    return None


def _jpeg_2000(_source: FrameAttributes, encoded: bytes) -> Promise | None:
    """The SIZ marker segment (ISO/IEC 15444-1 section A.5.1), of HTJ2K too."""
    at = encoded.find(_SIZ, 0, _BOXES)
    if at < 0:
        return None
    x, y, x0, y0, samples = struct.unpack_from(">4I16xH", encoded, at + 8)
    precisions = struct.unpack_from(">" + samples * "Bxx", encoded, at + 42)
    return Promise(y - y0, x - x0, samples, max((precision & 0x7F) + 1 for precision in precisions))


def _rle(source: FrameAttributes, encoded: bytes) -> Promise | None:
    """The header of RLE, which tells no size: that there is a segment for each byte of a pixel, one behind the other."""
    segments, *offsets = _RLE_HEADER.unpack_from(encoded)
    begins = [*offsets[:segments], len(encoded)]
    if begins[0] != _RLE_HEADER.size or begins != sorted(set(begins)) or source.allocated not in {1, 8, 16, 32, 64}:
        return None
    rows, columns = source.size
    if source.allocated == 1:  # packed into bytes, of which one segment is enough
        return Promise(rows, columns, segments, 1)
    return Promise(rows, columns, segments * 8 // source.allocated, segments * 8 // source.samples)


_READERS: MappingProxyType[str, _Reader] = MappingProxyType(
    {"1.2.840.10008.1.2.5": _rle}
    | {f"1.2.840.10008.1.2.4.{n}": _jpeg for n in (50, 51, 57, 70, 80, 81)}
    | {f"1.2.840.10008.1.2.4.{n}": _jpeg_2000 for n in (90, 91, 201, 202, 203)}
)
