"""Makes a picture of one frame, as PS3.3 §C.7.6.3 and §C.11 say how it looks: JPEG or PNG, for a person to see what is there.

Only attributes a picture needs are read, and only the one frame is decoded. A decoder is never given a frame whose own header
promises another size than the object does, or more than a bound. What can't be decoded is said to be so, never guessed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import get_decoder

from mappings.dicom.elements import BIG_ENDIAN, ITEM, PIXEL_DATA, PIXELS, SEQUENCE_END, walk
from mappings.dicom.part10 import DEFLATED, Unreadable, plain
from mappings.failures import Invalid, NotAcceptable, NotFound

MAX_FRAME = 256 * 1024 * 1024  # bytes of one decoded frame
MAX_SIDE = 16_384
MAX_ASPECT = 8

_EXPLICIT = "1.2.840.10008.1.2.1"
_NATIVE = frozenset({"1.2.840.10008.1.2", _EXPLICIT, BIG_ENDIAN})
_JPEG_8, _JPEG_12 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_MODALITY_LUT, _VOI_LUT = 0x00283000, 0x00283010
_MACROS = frozenset({0x00289110, 0x00289132, 0x00289145})  # pixel measures, frame VOI LUT, pixel value transformation (PS3.3 §C.7.6.16.2)
_LUT_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _SIGNED = 0x00280100, 0x00280101, 0x00280103
_SPACING, _ASPECT, _PADDING, _PADDING_LIMIT = 0x00280030, 0x00280034, 0x00280120, 0x00280121
_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, _SHAPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x20500020
_PALETTE = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
_OFFSETS, _LENGTHS, _MAX_FRACTION = 0x7FE00001, 0x7FE00002, 0x0062000E
_WANTED = frozenset({
    _LUT_DESCRIPTOR, _LUT_DATA, _SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED, _SPACING,
    _ASPECT, _PADDING, _PADDING_LIMIT, _CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, _SHAPE, _OFFSETS, _LENGTHS, _MAX_FRACTION,
    *(tag for pair in _PALETTE for tag in pair),
})
_KEYWORDS = MappingProxyType({0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", PIXEL_DATA: "PixelData"})
_BITS = MappingProxyType({"FloatPixelData": 32, "DoubleFloatPixelData": 64})
_ASSUMED = MappingProxyType({_SAMPLES: 1})

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Window: TypeAlias = tuple[float, float, str]


def render(
    dataset: memoryview,
    transfer_syntax: str,
    frame: int,
    *,
    media_type: str,
    max_side: int | None = None,
    window: Window | None = None,
    quality: int = 90,
) -> bytes:
    """One frame, from 1, of a data set as encoded, as image/jpeg or image/png of at most `max_side` pixels, never enlarged.

    `window` is (center, width, function) in output units of the modality transform, for grey images (PS3.18 §8.3.5.1.3).
    Raises NotFound for a frame past the end, Invalid for a window that is none, and NotAcceptable('no-pixels',
    'pixels-too-large' or 'pixels-undecodable').
    """
    try:
        source = _read(plain(dataset, transfer_syntax), _EXPLICIT if transfer_syntax == DEFLATED else transfer_syntax, frame)
    except Unreadable as broken:
        raise _undecodable("its structure is broken") from broken
    shown = _shown(source, source.stored(frame), window)
    picture = _scaled(Image.fromarray(shown), source.aspect(), max_side)
    out = BytesIO()
    picture.save(out, "PNG", compress_level=3) if media_type == "image/png" else picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Source:
    """The attributes of one frame's picture, by (LUT sequence or 0, tag), and the pixel data element."""

    syntax: str
    found: dict[tuple[int, int], memoryview]
    keyword: str
    vr: str
    pixels: memoryview

    def number(self, tag: int) -> int:
        """An US value; 0 where there is none."""
        value = self.found.get((0, tag), b"")
        return self._short(value) if len(value) >= 2 else 0

    def _short(self, value: bytes | memoryview) -> int:
        return int.from_bytes(value[:2], "big" if self.syntax == BIG_ENDIAN else "little")

    def text(self, tag: int) -> str:
        """The first value of a string, upper case."""
        return bytes(self.found.get((0, tag), b"")[:64]).decode("latin-1").partition("\\")[0].strip(" \0").upper()

    def decimals(self, tag: int) -> list[float]:
        """The values of a DS or IS; none when one is no finite number."""
        try:
            values = [float(v) for v in bytes(self.found.get((0, tag), b"")[:256]).decode("latin-1").strip(" \0").split("\\")]
        except ValueError:
            return []
        return values if np.isfinite(values).all() else []

    def frames(self) -> int:
        """Number of Frames; 1 where it is missing or none."""
        return max(int((self.decimals(_FRAMES) or [1])[0]), 1)

    def aspect(self) -> float:
        """How much higher than wide a pixel is (PS3.3 §C.7.6.3.1.7), 1 where nothing plausible is said."""
        height, width = (self.decimals(_SPACING) or self.decimals(_ASPECT) or [1, 1])[:2] if self._pair() else (1.0, 1.0)
        ratio = height / width if height > 0 and width > 0 else 1.0
        return ratio if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT else 1.0

    def stored(self, frame: int) -> Array:
        """Stored values as (rows, columns), or RGB as (rows, columns, 3)."""
        try:
            decoded = self._native(frame) if self.syntax in _NATIVE else self._encapsulated(frame)
        except NotAcceptable:
            raise
        except Exception as broken:  # decoders, and the C below them, raise whatever hostile bytes make them
            raise _undecodable("its bytes do not decode") from broken
        if decoded.shape[:2] != (self.number(_ROWS), self.number(_COLUMNS)):
            raise _undecodable("its size is not what the object says")
        return decoded
