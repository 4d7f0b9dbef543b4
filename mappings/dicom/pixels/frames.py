"""Decodes one frame to its stored values, or to RGB: one frame only, and never one whose own header promises another size."""

from dataclasses import replace
from io import BufferedReader, BytesIO
from types import MappingProxyType
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, generate_fragments, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from mappings.dicom.frame_spans import NATIVE, Span
from mappings.dicom.part10 import Unreadable
from mappings.dicom.pixels.attributes import MAX_FRAME, FrameAttributes, undecodable
from mappings.dicom.pixels.code_stream import refuse_other
from mappings.dicom.pixels.source import Fill, Reader, read
from mappings.failures import NotAcceptable

_RLE = "1.2.840.10008.1.2.5"
_JPEG_BASELINE, _JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
_JPEGS = frozenset({_JPEG_BASELINE, _JPEG_EXTENDED, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_BUFFER = 64 * 1024
MAX_DECODED = 60 * 1024 * 1024
"""Bytes of a frame that is sent decoded."""
_KEPT_COLOURS = frozenset({"RGB", "YBR_RCT"})
"""Those of which decoding makes RGB, as who reads YBR_RCT expects."""
_FLOAT_BITS = MappingProxyType({"FloatPixelData": 32, "DoubleFloatPixelData": 64})

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def load() -> None:
    """Load every decoder there is, so that none opens a file when it is needed."""
    Image.preinit()
    imagecodecs.jpeg8_decode  # noqa: B018 - naming it loads it


def stored_values(source: FrameAttributes, frame: int, dataset: Fill, span: Span | None = None) -> Array:
    """Stored values as (rows, columns), or colours as RGB (rows, columns, 3). Raises NotAcceptable('pixels-undecodable')."""
    try:
        stored = _native(source, frame, dataset) if source.syntax in NATIVE else _encapsulated(source, frame, dataset, span)
    except (NotAcceptable, Unreadable, MemoryError):
        raise
    except Exception as broken:  # decoders, and the C below them, raise whatever hostile bytes make them
        raise undecodable("its bytes do not decode") from broken
    if stored.shape[:2] != source.size:
        raise undecodable("its size is not what the object says")
    return stored


def native(source: FrameAttributes, stored: Array) -> bytes:
    """Stored values as a native frame in little endian has them (PS3.5 §8.1.1).

    Raises NotAcceptable where decoding made other colours of them than the object says it has.
    """
    if source.samples > 1 and source.photometric not in _KEPT_COLOURS:
        raise undecodable("decoding it changes its colours: ask for it as it is stored")
    if source.decoded_size > MAX_DECODED:
        raise NotAcceptable("pixels-too-large", f"A frame of more than {MAX_DECODED >> 20} MB is sent as it is stored only.")
    if source.allocated == 1:
        return np.packbits(stored.reshape(-1), bitorder="little").tobytes()
    planes = stored.transpose(2, 0, 1) if source.samples > 1 and source.planar == 1 else stored
    return np.ascontiguousarray(planes, f"<{'i' if source.signed else 'u'}{source.allocated // 8}").tobytes()


def _native(source: FrameAttributes, frame: int, dataset: Fill) -> Array:
    bits = _bits(source)
    first = (frame - 1) * bits
    start, stop = first // 8, (first + bits + 7) // 8
    if source.length is None or stop > source.length:
        raise undecodable("its bytes are not all there")
    pixels = read(dataset, source.start + start, stop - start)
    if first % 8:  # frames of single bits follow one another without a gap (PS3.5 section 8.1.1)
        alone = np.unpackbits(np.frombuffer(pixels, np.uint8), bitorder="little")[first % 8 : first % 8 + bits]
        pixels = bytearray(np.packbits(alone, bitorder="little"))
    return get_decoder(UID(source.syntax)).as_array(pixels, index=0, validate=False, **_options(source))[0]


def _bits(source: FrameAttributes) -> int:
    """Of one native frame; two pixels share their chrominance in YBR_FULL_422 (PS3.3 section C.7.6.3.1.2)."""
    samples = source.size[0] * source.size[1] * source.samples
    samples = samples * 2 // 3 if source.photometric == "YBR_FULL_422" else samples
    return samples * (source.allocated or _FLOAT_BITS.get(source.keyword, 0))


def _encapsulated(source: FrameAttributes, frame: int, dataset: Fill, span: Span | None) -> Array:
    if source.length is not None:
        raise undecodable("its transfer syntax is a compressed one, and its bytes are not")
    encoded = _joined(dataset, span) if span else _code_stream(source, frame, dataset)
    refuse_other(source, encoded)
    if source.syntax in _JPEGS:
        return _jpeg(source, encoded)
    if source.syntax == _RLE and source.allocated == 1:
        return _bits_by_run_length(source, encoded)
    # pylibjpeg-rle panics on hostile bytes, past every `except Exception`: RLE is decoded by pydicom itself, more slowly
    options = _options(source) | {"decoding_plugin": "pydicom" if source.syntax == _RLE else ""}
    return get_decoder(UID(source.syntax)).as_array(encapsulate([encoded], has_bot=False), index=0, validate=False, **options)[0]


def _bits_by_run_length(source: FrameAttributes, encoded: bytes) -> Array:
    """Single bits, packed as in a native frame, and run-length encoded as the bytes they are in."""
    packed = replace(source, size=(1, (source.values + 7) // 8), allocated=8, stored=8, samples=1, photometric="MONOCHROME2")
    options = _options(packed) | {"decoding_plugin": "pydicom"}
    decoded, _ = get_decoder(UID(_RLE)).as_array(encapsulate([encoded], has_bot=False), index=0, validate=False, **options)
    return np.unpackbits(decoded.reshape(-1), bitorder="little")[: source.values].reshape(source.size)


def _joined(dataset: Fill, span: Span) -> bytes:
    """The fragments of a frame that lies there."""
    if span.length > MAX_FRAME:
        raise NotAcceptable("pixels-too-large", f"A frame of more than {MAX_FRAME >> 20} MB is not rendered.")
    return b"".join(generate_fragments(bytes(read(dataset, span.start, span.length))))


def _code_stream(source: FrameAttributes, frame: int, dataset: Fill) -> bytes:
    """A frame's fragments, joined: found by an offset table, else by walking over the heads of those before it."""
    pixels = BufferedReader(Reader(dataset, source.start), _BUFFER)
    return get_frame(pixels, frame - 1, number_of_frames=source.frames, extended_offsets=source.offset_tables)


def _options(source: FrameAttributes) -> dict[str, Any]:
    rows, columns = source.size
    return {
        "number_of_frames": 1,
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


def _jpeg(source: FrameAttributes, encoded: bytes) -> Array:
    """JPEG by Pillow where it has 8 bits and loss, else by imagecodecs."""
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
    decoded: Array = imagecodecs.jpeg8_decode(encoded)
    if not source.signed:
        return decoded
    unused = decoded.dtype.itemsize * 8 - source.stored
    return (decoded << unused).view(f"i{decoded.dtype.itemsize}") >> unused
