"""Decodes one frame to its stored values, or to RGB: one frame only, and never one whose own header promises another size."""

import struct
from importlib import import_module
from io import BytesIO
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from mappings.dicom.elements import BIG_ENDIAN, IMPLICIT
from mappings.dicom.pixels.attributes import FrameAttributes, undecodable
from mappings.failures import NotAcceptable

EXPLICIT = "1.2.840.10008.1.2.1"
_NATIVE = frozenset({IMPLICIT, EXPLICIT, BIG_ENDIAN})
_RLE = "1.2.840.10008.1.2.5"
_JPEG_BASELINE, _JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_JPEGS = frozenset({_JPEG_BASELINE, _JPEG_EXTENDED, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})  # ITU-T T.81 table B.1; JPEG-LS: T.87
_FLOAT_BITS = MappingProxyType({"FloatPixelData": 32, "DoubleFloatPixelData": 64})

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def stored_values(source: FrameAttributes, frame: int) -> Array:
    """Stored values as (rows, columns), or colours as RGB (rows, columns, 3). Raises NotAcceptable('pixels-undecodable')."""
    try:
        stored = _native(source, frame) if source.syntax in _NATIVE else _encapsulated(source, frame)
    except NotAcceptable:
        raise
    except Exception as broken:  # decoders, and the C below them, raise whatever hostile bytes make them
        raise undecodable("its bytes do not decode") from broken
    if stored.shape[:2] != source.size:
        raise undecodable("its size is not what the object says")
    return stored


def _native(source: FrameAttributes, frame: int) -> Array:
    options = _options(source) | {"number_of_frames": source.frames}
    return get_decoder(UID(source.syntax)).as_array(source.pixels, index=frame - 1, validate=False, **options)[0]


def _encapsulated(source: FrameAttributes, frame: int) -> Array:
    tables = source.offset_tables
    encoded = get_frame(bytes(source.pixels), frame - 1, number_of_frames=source.frames, extended_offsets=tables)
    if (promised := _promised(encoded)) not in (None, source.size):
        raise undecodable("its size is not what the object says")
    if promised and source.syntax in _JPEGS:
        return _jpeg(source, encoded)
    # pylibjpeg-rle panics on hostile bytes, past every `except Exception`: RLE is decoded by pydicom itself, more slowly
    options = _options(source) | {"number_of_frames": 1, "decoding_plugin": "pydicom" if source.syntax == _RLE else ""}
    return get_decoder(UID(source.syntax)).as_array(encapsulate([encoded], has_bot=False), index=0, validate=False, **options)[0]


def _options(source: FrameAttributes) -> dict[str, Any]:
    rows, columns = source.size
    return {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": source.samples,
        "photometric_interpretation": source.photometric,
        "planar_configuration": source.planar,
        "bits_allocated": source.allocated or _FLOAT_BITS.get(source.keyword, 0),
        "bits_stored": source.stored,
        "pixel_representation": source.representation,
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


def _jpeg(source: FrameAttributes, encoded: bytes) -> Array:
    """JPEG by Pillow where it has 8 bits and loss, else by imagecodecs where that is installed."""
    if source.syntax not in {_JPEG_BASELINE, _JPEG_EXTENDED} or source.stored > 8:
        return _twelve_bits_or_lossless(source, encoded)
    image = Image.open(BytesIO(encoded), formats=("JPEG",))
    if image.mode != "RGB":
        return np.asarray(image)
    marked = {"jfif", "adobe_transform"} & image.info.keys()
    if source.photometric == "RGB" and not marked and [layer[0] for layer in getattr(image, "layer", ())] != [82, 71, 66]:
        image.draft("YCbCr", image.size)  # unmarked, libjpeg takes it for YCbCr; the object knows better: no transform
        return np.asarray(image)
    return np.asarray(image.convert("RGB"))


def _twelve_bits_or_lossless(source: FrameAttributes, encoded: bytes) -> Array:
    try:
        decode = import_module("imagecodecs").jpeg8_decode
    except ImportError as missing:
        raise undecodable("no decoder for its transfer syntax is installed (imagecodecs is one)") from missing
    decoded: Array = decode(encoded)
    if not source.signed:
        return decoded
    unused = decoded.dtype.itemsize * 8 - source.stored
    return (decoded << unused).view(f"i{decoded.dtype.itemsize}") >> unused
