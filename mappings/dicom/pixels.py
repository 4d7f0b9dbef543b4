"""Makes a picture of one frame, as PS3.3 §C.7.6.3 and §C.11 say how it looks: JPEG or PNG, for a person to see what is there.

Only attributes a picture needs are read, and only the one frame is decoded. A decoder is never given a frame whose own header
promises another size than the object does, or more than a bound. What can't be decoded is said to be so, never guessed.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from math import isfinite, nan
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from mappings.dicom.elements import BIG_ENDIAN, ITEM, PIXEL_DATA, PIXELS, SEQUENCE_END, walk
from mappings.dicom.part10 import DEFLATED, Unreadable, plain
from mappings.failures import Invalid, NotAcceptable, NotFound

MAX_FRAME = 256 * 1024 * 1024  # bytes of one decoded frame
MAX_SIDE = 16_384
MAX_ASPECT = 8

_EXPLICIT = "1.2.840.10008.1.2.1"
_NATIVE = frozenset({"1.2.840.10008.1.2", _EXPLICIT, BIG_ENDIAN})
_RLE = "1.2.840.10008.1.2.5"
_JPEG_BASELINE, _JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_JPEGS = frozenset({_JPEG_BASELINE, _JPEG_EXTENDED, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})  # ITU-T T.81 table B.1; JPEG-LS: T.87
_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})

_PER_FRAME, _MODALITY_LUT, _VOI_LUT = 0x52009230, 0x00283000, 0x00283010
# sequences in which a frame's attributes lie (PS3.3 §C.7.6.16.2) → their rank, 0 for those that have none of their own
_SEQUENCES = MappingProxyType(
    {
        0x52009229: 1,
        _PER_FRAME: 2,
        0x00289110: 0,
        0x00289132: 0,
        0x00289145: 0,
        _MODALITY_LUT: 0,
        _VOI_LUT: 0,
    }
)
_LUT_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _SIGNED = 0x00280100, 0x00280101, 0x00280103
_SPACING, _ASPECT, _PADDING, _PADDING_LIMIT = 0x00280030, 0x00280034, 0x00280120, 0x00280121
_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, _SHAPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x20500020
_PALETTE = ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203))
_OFFSETS, _LENGTHS, _MAX_FRACTION = 0x7FE00001, 0x7FE00002, 0x0062000E
_WANTED = frozenset(
    {
        _LUT_DESCRIPTOR,
        _LUT_DATA,
        _SAMPLES,
        _PHOTOMETRIC,
        _PLANAR,
        _FRAMES,
        _ROWS,
        _COLUMNS,
        _ALLOCATED,
        _STORED,
        _SIGNED,
        _SPACING,
        _ASPECT,
        _PADDING,
        _PADDING_LIMIT,
        _CENTER,
        _WIDTH,
        _INTERCEPT,
        _SLOPE,
        _FUNCTION,
        _SHAPE,
        _OFFSETS,
        _LENGTHS,
        _MAX_FRACTION,
        *(tag for pair in _PALETTE for tag in pair),
    }
)
_KEYWORDS = MappingProxyType({0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", PIXEL_DATA: "PixelData"})
_FLOAT_BITS = MappingProxyType({"FloatPixelData": 32, "DoubleFloatPixelData": 64})

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
    with np.errstate(all="ignore"):  # fractions may be as large as they like; what overflows is dark or light
        shown = _shown(source, _stored(source, frame), window)
    picture = _scaled(Image.fromarray(shown), _aspect(source), max_side)
    out = BytesIO()
    picture.save(out, "PNG", compress_level=3) if media_type == "image/png" else picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Source:
    """What one frame's picture needs: attributes by (LUT sequence or 0, tag), and the pixel data element."""

    syntax: str
    found: dict[tuple[int, int], memoryview]
    keyword: str
    vr: str
    pixels: memoryview

    def raw(self, tag: int, sequence: int = 0) -> memoryview:
        """A value as encoded; empty where there is none."""
        return self.found.get((sequence, tag), memoryview(b""))

    def shorts(self, tag: int, sequence: int = 0, *, signed: bool = False) -> list[int]:
        """The first values of an US or SS."""
        count = min(len(self.raw(tag, sequence)) // 2, 3)
        order = ">" if self.syntax == BIG_ENDIAN else "<"
        return list(struct.unpack_from(f"{order}{count}{'h' if signed else 'H'}", self.raw(tag, sequence)))

    def number(self, tag: int, default: int = 0) -> int:
        """An US."""
        return (self.shorts(tag) or [default])[0]

    def text(self, tag: int) -> str:
        """The first value of a string."""
        return bytes(self.raw(tag)[:64]).decode("latin-1").partition("\\")[0].strip(" \0").upper()

    def decimals(self, tag: int) -> list[float]:
        """The values of a DS or IS; none of them when one is no finite number."""
        try:
            values = [float(v) for v in bytes(self.raw(tag)[:256]).decode("latin-1").strip(" \0").split("\\")]
        except ValueError:
            return []
        return values if all(map(isfinite, values)) else []

    def first(self, tag: int, default: float) -> float:
        """The first value of a DS or IS."""
        return (self.decimals(tag) or [default])[0]

    def signed(self) -> bool:
        """Whether pixel values are two's complement."""
        return self.number(_SIGNED) == 1


def _read(dataset: memoryview, syntax: str, frame: int) -> _Source:
    """Raises NotAcceptable without pixel data, or with more than is decoded at once, and NotFound past the end."""
    found: dict[tuple[int, int], memoryview] = {}
    ranks: dict[tuple[int, int], int] = {}
    for tag, vr, place, value in _elements(dataset, syntax, frame):
        if tag in PIXELS:
            source = _Source(syntax, found, _KEYWORDS[tag], vr, value)
            _check(source, frame)
            return source
        key, rank = (place[0], tag), place[1]
        if rank >= ranks.get(key, 0):  # of the same attribute in several places, the frame's own binds
            found[key], ranks[key] = value, rank
    raise NotAcceptable("no-pixels", "This object has no pixel data, so there is no picture of it.")


def _elements(dataset: memoryview, syntax: str, frame: int) -> Iterator[tuple[int, str, tuple[int, int], memoryview]]:
    """(tag, VR, place, value) of what is wanted, up to and with the pixel data."""
    path: list[list[int]] = []
    for tag, vr, start, stop, _, _ in walk(dataset, syntax):
        if vr == "SQ":
            path.append([tag, -1])
        elif tag == SEQUENCE_END:
            path.pop()
        elif tag == ITEM:
            path[-1][1] += 1
        elif (tag in _WANTED or (tag in PIXELS and not path)) and (place := _place(path, frame)) is not None:
            yield tag, vr, place, dataset[start:stop]


def _place(path: Iterable[list[int]], frame: int) -> tuple[int, int] | None:
    """(LUT sequence or 0, rank: frame's own over shared over top level) of an item; None where it is none of this frame's."""
    sequence = rank = 0
    for tag, item in path:
        if item != (frame - 1 if tag == _PER_FRAME else 0) or tag not in _SEQUENCES:
            return None
        rank = _SEQUENCES[tag] or rank
        sequence = tag if tag in (_MODALITY_LUT, _VOI_LUT) else sequence
    return sequence, rank


def _check(source: _Source, frame: int) -> None:
    frames = int(max(source.first(_FRAMES, 1), 1))
    if not 1 <= frame <= frames:
        raise NotFound("frame-not-found", f"The object has {frames} frame{'s' if frames > 1 else ''}.", "frame")
    pixels = source.number(_ROWS) * source.number(_COLUMNS)
    samples = (1, 3) if source.keyword == "PixelData" else (1,)
    if not pixels or not source.text(_PHOTOMETRIC) or source.number(_SAMPLES, 1) not in samples:
        raise _undecodable("it lacks its size or says nothing of its colours")
    if source.keyword == "PixelData" and not 1 <= source.number(_STORED) <= source.number(_ALLOCATED) <= 64:
        raise _undecodable("its numbers of bits contradict each other")
    if pixels * source.number(_SAMPLES, 1) * max(source.number(_ALLOCATED), 8) // 8 > MAX_FRAME:
        raise NotAcceptable("pixels-too-large", f"A frame of more than {MAX_FRAME >> 20} MB is not rendered.")


def _undecodable(why: str) -> NotAcceptable:
    return NotAcceptable("pixels-undecodable", f"No picture of this frame can be made: {why}.")


def _stored(source: _Source, frame: int) -> Array:
    """Stored values as (rows, columns), or colours as RGB (rows, columns, 3). Raises NotAcceptable('pixels-undecodable')."""
    try:
        stored = _native(source, frame) if source.syntax in _NATIVE else _encapsulated(source, frame)
    except NotAcceptable:
        raise
    except Exception as broken:  # decoders, and the C below them, raise whatever hostile bytes make them
        raise _undecodable("its bytes do not decode") from broken
    if stored.shape[:2] != (source.number(_ROWS), source.number(_COLUMNS)):
        raise _undecodable("its size is not what the object says")
    return stored


def _native(source: _Source, frame: int) -> Array:
    options = _options(source) | {"number_of_frames": int(source.first(_FRAMES, 1))}
    return get_decoder(UID(source.syntax)).as_array(source.pixels, index=frame - 1, validate=False, **options)[0]


def _encapsulated(source: _Source, frame: int) -> Array:
    tables = bytes(source.raw(_OFFSETS)), bytes(source.raw(_LENGTHS))
    frames = int(source.first(_FRAMES, 1))
    offsets = tables if all(tables) else None
    encoded = get_frame(bytes(source.pixels), frame - 1, number_of_frames=frames, extended_offsets=offsets)
    if (promised := _promised(encoded)) not in (None, (source.number(_ROWS), source.number(_COLUMNS))):
        raise _undecodable("its size is not what the object says")
    if promised and source.syntax in _JPEGS:
        return _jpeg(source, encoded)
    # pylibjpeg-rle panics on hostile bytes, past every `except Exception`: RLE is decoded by pydicom itself, more slowly
    options = _options(source) | {"number_of_frames": 1, "decoding_plugin": "pydicom" if source.syntax == _RLE else ""}
    return get_decoder(UID(source.syntax)).as_array(encapsulate([encoded], has_bot=False), index=0, validate=False, **options)[0]


def _options(source: _Source) -> dict[str, Any]:
    return {
        "rows": source.number(_ROWS),
        "columns": source.number(_COLUMNS),
        "samples_per_pixel": source.number(_SAMPLES, 1),
        "photometric_interpretation": source.text(_PHOTOMETRIC),
        "planar_configuration": source.number(_PLANAR),
        "bits_allocated": source.number(_ALLOCATED) or _FLOAT_BITS.get(source.keyword, 0),
        "bits_stored": source.number(_STORED),
        "pixel_representation": source.number(_SIGNED),
        "pixel_keyword": source.keyword,
        "pixel_vr": source.vr,
    }


def _promised(encoded: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 code stream says of itself, before anything is allocated for it."""
    if encoded[:2] == b"\xff\xd8":
        at = 2
        while at + 9 <= len(encoded) and encoded[at + 1] not in _START_OF_FRAME:
            at += 2 + max(int.from_bytes(encoded[at + 2 : at + 4], "big"), 2)
        return struct.unpack_from(">HH", encoded, at + 5)
    at = encoded.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0:
        return None
    x, y, x0, y0 = struct.unpack_from(">4I", encoded, at + 8)
    return y - y0, x - x0


def _jpeg(source: _Source, encoded: bytes) -> Array:
    """JPEG by Pillow where it has 8 bits and loss, else by imagecodecs where that is installed."""
    if source.syntax not in {_JPEG_BASELINE, _JPEG_EXTENDED} or source.number(_STORED) > 8:
        return _twelve_bits_or_lossless(source, encoded)
    image = Image.open(BytesIO(encoded), formats=("JPEG",))
    if image.mode != "RGB":
        return np.asarray(image)
    marked = {"jfif", "adobe_transform"} & image.info.keys()
    if source.text(_PHOTOMETRIC) == "RGB" and not marked and [layer[0] for layer in getattr(image, "layer", ())] != [82, 71, 66]:
        image.draft("YCbCr", image.size)  # unmarked, libjpeg takes it for YCbCr; the object knows better: no transform
        return np.asarray(image)
    return np.asarray(image.convert("RGB"))


def _twelve_bits_or_lossless(source: _Source, encoded: bytes) -> Array:
    try:
        decode = import_module("imagecodecs").jpeg8_decode
    except ImportError as missing:
        raise _undecodable("no decoder for its transfer syntax is installed (imagecodecs is one)") from missing
    decoded: Array = decode(encoded)
    if not source.signed():
        return decoded
    unused = decoded.dtype.itemsize * 8 - source.number(_STORED)
    return (decoded << unused).view(f"i{decoded.dtype.itemsize}") >> unused


def _shown(source: _Source, stored: Array, window: Window | None) -> Array:
    """Stored values as a person sees them: grey (rows, columns) or RGB, 8 bits."""
    if stored.ndim == 3:
        return (stored >> max(source.number(_STORED) - 8, 0)).astype(np.uint8)
    if source.text(_PHOTOMETRIC) == "PALETTE COLOR":
        return np.dstack([_eight(_looked_up(source, stored, descriptor, data)) for descriptor, data in _PALETTE])
    light = _light(source, stored, window)
    inverse = source.text(_SHAPE) == "INVERSE" if source.raw(_SHAPE) else source.text(_PHOTOMETRIC) == "MONOCHROME1"
    return _eight(1 - light if inverse else light)


def _light(source: _Source, stored: Array, window: Window | None) -> Array:
    """Stored values through modality and VOI transform (PS3.3 §C.11.1, §C.11.2), so that 0 is dark and 1 is light."""
    values = _modality(source, stored)
    if window is not None:
        if not _usable(*window):
            raise Invalid("window", "A window is center, width from 1 and linear, linear-exact or sigmoid.", "window")
        return _windowed(values, *window)
    # half a step off, as LINEAR is, has no meaning between fractions: writers of parametric maps mean the exact one
    function = "LINEAR_EXACT" if source.keyword != "PixelData" else source.text(_FUNCTION) or "LINEAR"
    own = source.first(_CENTER, nan), source.first(_WIDTH, nan), function
    if _usable(*own):
        return _windowed(values, *own)
    if source.raw(_LUT_DATA, _VOI_LUT):
        return _looked_up(source, values, _LUT_DESCRIPTOR, _LUT_DATA, _VOI_LUT)
    low, high = _range(source, stored, values)
    return (values - low) / ((high - low) or 1)


def _modality(source: _Source, stored: Array) -> Array:
    if source.raw(_LUT_DATA, _MODALITY_LUT):
        entries = _table(source, _LUT_DESCRIPTOR, _LUT_DATA, _MODALITY_LUT)
        return _entry(source, stored, entries, _LUT_DESCRIPTOR, _MODALITY_LUT).astype(np.float32)
    values: Array = np.nan_to_num(stored.astype(np.float64 if stored.itemsize > 2 else np.float32), nan=0, posinf=0, neginf=0)
    values *= source.first(_SLOPE, 1) or 1
    values += source.first(_INTERCEPT, 0)
    return values


def _usable(center: float, width: float, function: str) -> bool:
    least = 1 if _function(function) == "LINEAR" else 0
    return isfinite(center) and isfinite(width) and width >= least and width > 0 and _function(function) in _FUNCTIONS


def _function(said: str) -> str:
    return said.upper().replace("-", "_")


def _windowed(values: Array, center: float, width: float, function: str) -> Array:
    """PS3.3 §C.11.2.1.2 and §C.11.2.1.3, not yet clipped."""
    if _function(function) == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -50, 50)))
    if _function(function) == "LINEAR":
        center, width = center - 0.5, max(width - 1, 1e-6)
    return (values - center) / width + 0.5


def _range(source: _Source, stored: Array, values: Array) -> tuple[float, float]:
    """The values that are dark and light where no window says it: of a mask its own range, else the frame's without padding."""
    if source.number(_STORED) == 1 or source.raw(_MAX_FRACTION):
        return 0, source.number(_MAX_FRACTION, 1) or 1
    seen = values[_seen(source, stored)]
    return (float(seen.min()), float(seen.max())) if seen.size else (0, 1)


def _seen(source: _Source, stored: Array) -> Array:
    """Where values are no padding (PS3.3 §C.7.5.1.1.2)."""
    seen = np.isfinite(stored)
    padding = source.shorts(_PADDING, signed=source.signed())
    if padding and source.keyword == "PixelData":
        low, high = sorted((padding[0], (source.shorts(_PADDING_LIMIT, signed=source.signed()) or padding)[0]))
        seen &= (stored < low) | (stored > high)
    return seen


def _looked_up(source: _Source, values: Array, descriptor: int, data: int, sequence: int = 0) -> Array:
    """Values through a LUT, from 0 to 1. Entries of 16 bits that hold 8 only, as some writers make them, count as 8."""
    entries = _table(source, descriptor, data, sequence)
    bits = (source.shorts(descriptor, sequence) or [0, 0, 16])[-1]
    most = 255 if bits > 8 and entries.max() < 256 and not sequence else 2 ** min(max(bits, 1), 16) - 1
    return _entry(source, values, entries, descriptor, sequence) / most


def _table(source: _Source, descriptor: int, data: int, sequence: int) -> Array:
    """A LUT's entries (PS3.3 §C.11.1.1): bytes where as many bytes as entries are there, else words."""
    count = (source.shorts(descriptor, sequence) or [0])[0] or 65_536
    value = source.raw(data, sequence)
    words = len(value) >= 2 * count
    if not words and len(value) < count:
        raise _undecodable("its lookup table is cut short")
    return np.frombuffer(value, f"{'>' if source.syntax == BIG_ENDIAN else '<'}u{1 + words}", count)


def _entry(source: _Source, values: Array, entries: Array, descriptor: int, sequence: int) -> Array:
    _, first = [*source.shorts(descriptor, sequence, signed=source.signed()), 0, 0][:2]
    found: Array = entries[np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)]
    return found


def _eight(light: Array) -> Array:
    shown: Array = (np.clip(np.nan_to_num(light), 0, 1) * 255 + 0.5).astype(np.uint8)
    return shown


def _aspect(source: _Source) -> float:
    """How much higher than wide a pixel is (PS3.3 §C.7.6.3.1.7), 1 where nothing plausible is said."""
    height, width = ((source.decimals(_SPACING) or source.decimals(_ASPECT)) + [0, 0])[:2]
    ratio = height / width if width > 0 else 1
    return ratio if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT else 1


def _scaled(picture: Image.Image, aspect: float, max_side: int | None) -> Image.Image:
    """The picture with square pixels, made smaller where its longer side exceeds `max_side`."""
    width, height = picture.width * max(1 / aspect, 1), picture.height * max(aspect, 1)
    factor = min(1, min(max_side or MAX_SIDE, MAX_SIDE) / max(width, height))
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)
