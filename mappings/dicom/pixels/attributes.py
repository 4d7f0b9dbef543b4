"""Finds what a picture of one frame needs of a data set: the attributes that bind this frame, and where the pixel data lies.

Of the same attribute in several places, the frame's own binds before the shared one, and that before the top (PS3.3 §C.7.6.16).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite, nan
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from mappings.dicom.elements import PIXEL_DATA, PIXELS, Event, ItemPath, is_fragmented, walk, walk_beginning
from mappings.dicom.pixels.segmented import Unexpandable, expanded
from mappings.dicom.pixels.source import Fill, read
from mappings.dicom.transfer_syntax import BIG_ENDIAN
from mappings.failures import NotAcceptable, NotFound

MAX_FRAME = 128 * 1024 * 1024  # bytes of one decoded frame
HEADS = (64 * 1024, 1024 * 1024, 8 * 1024 * 1024, 64 * 1024 * 1024)
"""How many bytes are looked for the attributes, one after the other: nearly all objects have theirs in the first."""

_PER_FRAME, _MODALITY_LUT, _VOI_LUT, _OPTICAL_PATH = 0x52009230, 0x00283000, 0x00283010, 0x00480105
# sequences in which a frame's attributes lie (PS3.3 §C.7.6.16.2) → their rank, 0 for those that have none of their own
_SEQUENCES = MappingProxyType(
    {
        0x52009229: 1,
        _PER_FRAME: 2,
        0x00289110: 0,
        0x00289132: 0,
        0x00289145: 0,
        _OPTICAL_PATH: 0,
        _MODALITY_LUT: 0,
        _VOI_LUT: 0,
    }
)
_LUT_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS = 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011
_ALLOCATED, _STORED, _REPRESENTATION = 0x00280100, 0x00280101, 0x00280103
_SPACING, _ASPECT, _PADDING, _PADDING_LIMIT = 0x00280030, 0x00280034, 0x00280120, 0x00280121
_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, _SHAPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x20500020
_PALETTE = ((0x00281101, 0x00281201, 0x00281221), (0x00281102, 0x00281202, 0x00281222), (0x00281103, 0x00281203, 0x00281223))
_PROFILE = 0x00282000
_OFFSETS, _LENGTHS, _MAX_FRACTION = 0x7FE00001, 0x7FE00002, 0x0062000E
_WANTED = frozenset(
    {
        *(_LUT_DESCRIPTOR, _LUT_DATA),
        *(_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS),
        *(_ALLOCATED, _STORED, _REPRESENTATION),
        *(_SPACING, _ASPECT, _PADDING, _PADDING_LIMIT),
        *(_CENTER, _WIDTH, _INTERCEPT, _SLOPE, _FUNCTION, _SHAPE),
        *(_OFFSETS, _LENGTHS, _MAX_FRACTION, _PROFILE),
        *(tag for tags in _PALETTE for tag in tags),
    }
)
_KEYWORDS = MappingProxyType({0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", PIXEL_DATA: "PixelData"})

Window: TypeAlias = tuple[float, float, str]
"""Center and width in output units of the modality transform, and the function (PS3.3 §C.11.2.1)."""


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table as encoded (PS3.3 §C.11.1.1); without data where the object has none."""

    entries: int
    first: int  # the value that has the first entry
    bits: int  # of an entry
    data: memoryview


@dataclass(frozen=True, slots=True)
class FrameAttributes:
    """What one frame's picture needs, numbers as the object says them: nothing is made plausible here."""

    syntax: str
    order: str  # of bytes, as `struct` and numpy write it
    keyword: str  # of the pixel data element
    vr: str  # the same one's
    start: int  # of its value in the data set
    length: int | None  # the same one's; None where it is in fragments
    offset_tables: tuple[bytes, bytes] | None  # the extended ones, offsets and lengths (PS3.3 §C.7.6.3.1.8)
    size: tuple[int, int]  # rows, columns
    frames: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    representation: int
    spacing: list[float]  # a pixel's height and width: PixelSpacing, else PixelAspectRatio
    rescale: tuple[float, float]  # slope, intercept
    window: Window  # the first; not a number where there is none
    padding: tuple[int, int] | None  # its least and its greatest value (PS3.3 §C.7.5.1.1.2)
    max_fraction: int | None  # of a fractional segmentation
    inverse: bool  # low values are light
    modality_lut: Lut
    voi_lut: Lut
    palette: tuple[Lut, ...]  # red, green, blue
    profile: memoryview  # of its colours (PS3.3 §C.11.15), the first optical path's; empty where there is none

    @property
    def values(self) -> int:
        """How many decoding this frame makes."""
        return self.size[0] * self.size[1] * self.samples

    @property
    def decoded_size(self) -> int:
        """The bytes of these."""
        return self.values * max(self.allocated, 8) // 8

    @property
    def signed(self) -> bool:
        """Whether pixel values are two's complement."""
        return self.representation == 1


def frame_attributes(dataset: Fill, transfer_syntax: str, frame: int) -> FrameAttributes:
    """Those of one frame, from 1, of a plain data set, of which no more is read than has them. Raises Unreadable as the walk.

    Raises NotAcceptable without pixel data or with more than is decoded at once, and NotFound past the end.
    """
    head = b""
    for most in HEADS:
        head = b"".join((head, read(dataset, len(head), most - len(head))))
        try:
            return _attributes(walk_beginning(memoryview(head), transfer_syntax), head, transfer_syntax, frame)
        except EOFError:
            if len(head) < most:
                return _attributes(walk(memoryview(head), transfer_syntax), head, transfer_syntax, frame)
    raise NotAcceptable("pixels-too-large", f"What describes this frame is over {HEADS[-1] >> 20} MB, so it is not rendered.")


def _attributes(events: Iterator[Event], head: bytes, syntax: str, frame: int) -> FrameAttributes:
    raw: dict[tuple[int, int], memoryview] = {}
    ranks: dict[tuple[int, int], int] = {}
    for tag, vr, (sequence, rank), start, stop in _wanted(events, frame):
        if tag in PIXELS:
            fragments = is_fragmented(head, start)
            pixels = _Pixels(_KEYWORDS[tag], vr, start, None if fragments else stop - start)
            attributes = _read(_Raw(raw, ">" if syntax == BIG_ENDIAN else "<"), syntax, pixels)
            _check(attributes, frame)
            return attributes
        if rank >= ranks.get((sequence, tag), 0):
            raw[sequence, tag], ranks[sequence, tag] = memoryview(head)[start:stop], rank
    raise NotAcceptable("no-pixels", "This object has no pixel data, so there is no picture of it.")


def undecodable(why: str) -> NotAcceptable:
    """The refusal of a frame of which no picture can be made."""
    return NotAcceptable("pixels-undecodable", f"No picture of this frame can be made: {why}.")


def _wanted(events: Iterator[Event], frame: int) -> Iterator[tuple[int, str, tuple[int, int], int, int]]:
    """(tag, VR, place, start, end) of what is wanted, up to and with the pixel data."""
    for tag, vr, start, stop, _, scope in events:
        if (
            (tag in _WANTED or (tag in PIXELS and not scope.path))
            and vr != "SQ"
            and (place := _place(scope.path, frame)) is not None
        ):
            yield tag, vr, place, start, stop


def _place(path: ItemPath, frame: int) -> tuple[int, int] | None:
    """(LUT sequence or 0, rank: frame's own over shared over top level) of an item; None where it is none of this frame's."""
    sequence = rank = 0
    for tag, item in path:
        if item != (frame - 1 if tag == _PER_FRAME else 0) or tag not in _SEQUENCES:
            return None
        rank = _SEQUENCES[tag] or rank
        sequence = tag if tag in (_MODALITY_LUT, _VOI_LUT) else sequence
    return sequence, rank


@dataclass(frozen=True, slots=True)
class _Raw:
    """Values as encoded, by (LUT sequence or 0, tag)."""

    values: dict[tuple[int, int], memoryview]
    order: str

    def value(self, tag: int, sequence: int = 0) -> memoryview:
        """Empty where there is none."""
        return self.values.get((sequence, tag), memoryview(b""))

    def shorts(self, tag: int, sequence: int = 0, *, signed: bool = False) -> list[int]:
        """The first values of an US or SS, three at most."""
        count = min(len(self.value(tag, sequence)) // 2, 3)
        return list(struct.unpack_from(f"{self.order}{count}{'h' if signed else 'H'}", self.value(tag, sequence)))

    def number(self, tag: int, default: int = 0) -> int:
        """An US."""
        return (self.shorts(tag) or [default])[0]

    def text(self, tag: int) -> str:
        """The first value of a string."""
        return bytes(self.value(tag)[:64]).decode("latin-1").partition("\\")[0].strip(" \0").upper()

    def decimals(self, tag: int) -> list[float]:
        """The values of a DS or IS; none of them when one is no finite number."""
        try:
            values = [float(v) for v in bytes(self.value(tag)[:256]).decode("latin-1").strip(" \0").split("\\")]
        except ValueError:
            return []
        return values if all(map(isfinite, values)) else []

    def first(self, tag: int, default: float) -> float:
        """The first value of a DS or IS."""
        return (self.decimals(tag) or [default])[0]

    def tables(self) -> tuple[bytes, bytes] | None:
        """The extended offset tables, where both are there."""
        tables = bytes(self.value(_OFFSETS)), bytes(self.value(_LENGTHS))
        return tables if all(tables) else None

    def padding(self, *, signed: bool) -> tuple[int, int] | None:
        """What is no part of the image, from least to greatest."""
        one = self.shorts(_PADDING, signed=signed)[:1]
        low_high = sorted([*one, *(self.shorts(_PADDING_LIMIT, signed=signed)[:1] or one)])
        return (low_high[0], low_high[1]) if one else None

    def lut(self, descriptor: int, data: int, sequence: int = 0, *, signed: bool) -> Lut:
        """A table of this sequence, or of the top for 0."""
        shape = self.shorts(descriptor, sequence) or [0, 0, 16]
        first = [*self.shorts(descriptor, sequence, signed=signed), 0, 0][1]
        return Lut(shape[0] or 65_536, first, shape[-1], self.value(data, sequence))

    def palette(self, descriptor: int, data: int, segments: int, *, signed: bool) -> Lut:
        """A colour's table, which some write in segments (PS3.3 §C.7.9.2). Raises NotAcceptable where these say no table."""
        table, segmented = self.lut(descriptor, data, signed=signed), self.value(segments)
        if table.data or not segmented:
            return table
        try:
            return replace(table, data=expanded(segmented, self.order, table.bits, table.entries))
        except Unexpandable as said:
            raise undecodable("its palette's segments do not say as many entries as it has") from said


class _Pixels(NamedTuple):
    """The pixel data element: where its value begins in the data set, and its length; None where it is in fragments."""

    keyword: str
    vr: str
    start: int
    length: int | None


def _read(raw: _Raw, syntax: str, pixels: _Pixels) -> FrameAttributes:
    photometric, signed = raw.text(_PHOTOMETRIC), raw.number(_REPRESENTATION) == 1
    return FrameAttributes(
        syntax=syntax,
        order=raw.order,
        keyword=pixels.keyword,
        vr=pixels.vr,
        start=pixels.start,
        length=pixels.length,
        offset_tables=raw.tables(),
        size=(raw.number(_ROWS), raw.number(_COLUMNS)),
        frames=int(raw.first(_FRAMES, 1)),
        samples=raw.number(_SAMPLES, 1),
        photometric=photometric,
        planar=raw.number(_PLANAR),
        allocated=raw.number(_ALLOCATED),
        stored=raw.number(_STORED),
        representation=raw.number(_REPRESENTATION),
        spacing=raw.decimals(_SPACING) or raw.decimals(_ASPECT),
        rescale=(raw.first(_SLOPE, 1) or 1, raw.first(_INTERCEPT, 0)),
        window=(raw.first(_CENTER, nan), raw.first(_WIDTH, nan), raw.text(_FUNCTION) or "LINEAR"),
        padding=raw.padding(signed=signed),
        max_fraction=raw.number(_MAX_FRACTION, 1) if raw.value(_MAX_FRACTION) else None,
        inverse=raw.text(_SHAPE) == "INVERSE" if raw.value(_SHAPE) else photometric == "MONOCHROME1",
        modality_lut=raw.lut(_LUT_DESCRIPTOR, _LUT_DATA, _MODALITY_LUT, signed=signed),
        voi_lut=raw.lut(_LUT_DESCRIPTOR, _LUT_DATA, _VOI_LUT, signed=signed),
        palette=tuple(raw.palette(*tags, signed=signed) for tags in _PALETTE),
        profile=raw.value(_PROFILE),
    )


def _check(attributes: FrameAttributes, frame: int) -> None:
    frames = max(attributes.frames, 1)
    if not 1 <= frame <= frames:
        raise NotFound("frame-not-found", f"The object has {frames} frame{'s' if frames > 1 else ''}.", "frame")
    pixels, samples = attributes.size[0] * attributes.size[1], (1, 3) if attributes.keyword == "PixelData" else (1,)
    if not pixels or not attributes.photometric or attributes.samples not in samples:
        raise undecodable("it lacks its size or says nothing of its colours")
    if attributes.keyword == "PixelData" and not 1 <= attributes.stored <= attributes.allocated <= 64:
        raise undecodable("its numbers of bits contradict each other")
    if attributes.decoded_size > MAX_FRAME:
        raise NotAcceptable("pixels-too-large", f"A frame of more than {MAX_FRAME >> 20} MB is not rendered.")
