"""Makes a picture of one frame, as PS3.3 §C.7.6.3 and §C.11 say how it looks: JPEG or PNG, for a person to see what is there.

Only attributes a picture needs are read, and only the one frame is read and decoded. A decoder is never given a frame whose own
header promises another size than the object does, or more than a bound. What can't be decoded is said to be so, never guessed.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from PIL.Image import Transpose

from mappings.dicom.frame_spans import Span
from mappings.dicom.part10 import Unreadable, is_deflated
from mappings.dicom.pixel_media import OCTETS
from mappings.dicom.pixels.attributes import FrameAttributes, frame_attributes, undecodable
from mappings.dicom.pixels.colours import profiled
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.frames import native, stored_values
from mappings.dicom.pixels.source import Fill, Inflated, behind
from mappings.dicom.pixels.values import shown
from mappings.dicom.pixels.viewport import Viewport
from mappings.dicom.transfer_syntax import EXPLICIT

MAX_SIDE = 16_384
MAX_ASPECT = 8
LARGEST = Viewport(MAX_SIDE, MAX_SIDE)


@dataclass(frozen=True, slots=True)
class Found:
    """A frame that is to be drawn: its attributes, and its data set as it can be read."""

    drawing: Drawing
    attributes: FrameAttributes
    dataset: Fill
    span: Span | None


def find(drawing: Drawing, file: Fill) -> Found:
    """The frame, before any of it is read.

    Raises NotFound for one past the end, and NotAcceptable('no-pixels', 'pixels-too-large' or 'pixels-undecodable').
    """
    dataset, syntax = behind(file, drawing.dataset_start), drawing.transfer_syntax
    if is_deflated(syntax):
        dataset, syntax = Inflated(dataset, drawing.size - drawing.dataset_start), EXPLICIT
    try:
        span = Span(drawing.span[0] - drawing.dataset_start, drawing.span[1]) if drawing.span else None
        return Found(drawing, frame_attributes(dataset, syntax, drawing.frame), dataset, span)
    except Unreadable as broken:
        raise undecodable("its structure is broken") from broken


def draw(found: Found) -> bytes:
    """The picture.

    Raises Invalid for a window or region that is none, and NotAcceptable('pixels-too-large' or 'pixels-undecodable').
    """
    drawing, attributes = found.drawing, found.attributes
    try:
        if drawing.media_type == OCTETS:
            return native(attributes, stored_values(attributes, drawing.frame, found.dataset, found.span))
        with np.errstate(all="ignore"):  # fractions may be as large as they like; what overflows is dark or light
            seen = shown(attributes, stored_values(attributes, drawing.frame, found.dataset, found.span), drawing.window)
        picture = _fitted(Image.fromarray(seen), _aspect(attributes), drawing.viewport or LARGEST)
    except Unreadable as broken:
        raise undecodable("its structure is broken") from broken
    picture, profile = profiled(picture, drawing.profile, attributes.profile)
    out, is_png = BytesIO(), drawing.media_type == "image/png"
    how: dict[str, int] = {"compress_level": 3} if is_png else {"quality": drawing.quality}
    picture.save(out, "PNG" if is_png else "JPEG", icc_profile=profile, **how)
    return out.getvalue()


def _aspect(source: FrameAttributes) -> float:
    """How much higher than wide a pixel is (PS3.3 §C.7.6.3.1.7), 1 where nothing plausible is said."""
    height, width = [*source.spacing, 0, 0][:2]
    ratio = height / width if width > 0 else 1
    return ratio if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT else 1


def _fitted(picture: Image.Image, aspect: float, viewport: Viewport) -> Image.Image:
    """The region shown with square pixels, made smaller where it exceeds the viewport, and flipped where that says so."""
    box = viewport.box(*picture.size)
    width, height = (box[2] - box[0]) * max(1 / aspect, 1), (box[3] - box[1]) * max(aspect, 1)
    factor = min(1, min(viewport.width, MAX_SIDE) / width, min(viewport.height, MAX_SIDE) / height)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    if (box, size) != ((0, 0, *picture.size), picture.size):
        picture = picture.resize(size, Image.Resampling.BILINEAR, box)
    for length, flip in ((viewport.region_width, Transpose.FLIP_LEFT_RIGHT), (viewport.region_height, Transpose.FLIP_TOP_BOTTOM)):
        picture = picture.transpose(flip) if (length or 0) < 0 else picture
    return picture
