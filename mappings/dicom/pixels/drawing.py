"""What is asked of a picture. Whoever asks needs no decoder for it."""

from dataclasses import dataclass

from mappings.dicom.pixels.attributes import Window
from mappings.dicom.pixels.viewport import Viewport


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn of which file: a frame, from 1, as image/jpeg or image/png that fits into `viewport`, never enlarged.

    As application/octet-stream it is decoded and no more: its stored values, as an uncompressed frame has them.
    `window` is (center, width, function) in output units of the modality transform, for grey images (PS3.18 §8.3.5.1.3).
    `profile` is the ICC profile of a colour picture (PS3.18 §8.3.5.1.5): no, yes for the object's own, or srgb. The file has
    `size` bytes, its data set begins at `dataset_start`; the frame is so many bytes from an offset, where that is known.
    """

    transfer_syntax: str
    size: int
    dataset_start: int = 0
    span: tuple[int, int] | None = None
    frame: int = 1
    media_type: str = "image/jpeg"
    viewport: Viewport | None = None
    window: Window | None = None
    quality: int = 90
    profile: str = "no"
