"""Makes a picture of one frame, as PS3.3 §C.7.6.3 and §C.11 say how it looks: JPEG or PNG, for a person to see what is there.

Only attributes a picture needs are read, and only the one frame is decoded. A decoder is never given a frame whose own header
promises another size than the object does, or more than a bound. What can't be decoded is said to be so, never guessed.
"""

from io import BytesIO

import numpy as np
from PIL import Image

from mappings.dicom.part10 import DEFLATED, Unreadable, plain
from mappings.dicom.pixels.attributes import FrameAttributes, Window, frame_attributes, undecodable
from mappings.dicom.pixels.frames import EXPLICIT, stored_values
from mappings.dicom.pixels.values import shown

MAX_SIDE = 16_384
MAX_ASPECT = 8


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
    syntax = EXPLICIT if transfer_syntax == DEFLATED else transfer_syntax
    try:
        source = frame_attributes(plain(dataset, transfer_syntax), syntax, frame)
    except Unreadable as broken:
        raise undecodable("its structure is broken") from broken
    with np.errstate(all="ignore"):  # fractions may be as large as they like; what overflows is dark or light
        seen = shown(source, stored_values(source, frame), window)
    picture = _scaled(Image.fromarray(seen), _aspect(source), max_side)
    out = BytesIO()
    picture.save(out, "PNG", compress_level=3) if media_type == "image/png" else picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _aspect(source: FrameAttributes) -> float:
    """How much higher than wide a pixel is (PS3.3 §C.7.6.3.1.7), 1 where nothing plausible is said."""
    height, width = [*source.spacing, 0, 0][:2]
    ratio = height / width if width > 0 else 1
    return ratio if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT else 1


def _scaled(picture: Image.Image, aspect: float, max_side: int | None) -> Image.Image:
    """The picture with square pixels, made smaller where its longer side exceeds `max_side`."""
    width, height = picture.width * max(1 / aspect, 1), picture.height * max(aspect, 1)
    factor = min(1, min(max_side or MAX_SIDE, MAX_SIDE) / max(width, height))
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)
