"""Reads the viewport of a rendered picture (PS3.18 §8.3.5.1.3): the room it has to fit into, and the region that is shown."""

import re
from dataclasses import dataclass

from mappings.failures import Invalid

_DECIMAL = r"(?:{}[0-9]{{1,9}}(?:\.[0-9]{{0,9}})?)?"
_START, _LENGTH = _DECIMAL.format(r"\+?"), _DECIMAL.format("[+-]?")
_VIEWPORT = re.compile(
    rf"([1-9][0-9]{{0,8}}),([1-9][0-9]{{0,8}})(?:,({_START})(?:,({_START})(?:,({_LENGTH})(?:,({_LENGTH}))?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Viewport:
    """The width and height to fit into, in pixels, and the region shown: its corner, width and height in the image's pixels.

    A region without width or height reaches to the image's end; one whose width or height is negative is shown flipped.
    """

    width: int
    height: int
    x: float = 0
    y: float = 0
    region_width: float | None = None
    region_height: float | None = None

    @property
    def crops(self) -> bool:
        """Whether a region is named, be it the whole image."""
        return bool(self.x or self.y) or self.region_width is not None or self.region_height is not None

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The region of an image of this size: left, top, right, bottom. Raises Invalid where it is none of it."""
        right, bottom = _end(self.x, self.region_width, width), _end(self.y, self.region_height, height)
        if right > width or bottom > height or right - self.x < 1 or bottom - self.y < 1:
            raise Invalid(
                "viewport-outside", f"The region is not within the image, which has {width} × {height} pixels.", "viewport"
            )
        return self.x, self.y, right, bottom


def _end(start: float, length: float | None, whole: int) -> float:
    return whole if length is None else start + abs(length)


def read_viewport(text: str) -> Viewport:
    """The viewport that a query names: two whole numbers, and at most four decimals that may be left out. Raises Invalid."""
    read = _VIEWPORT.fullmatch(text)
    if read is None:
        sentence = "viewport is WIDTH,HEIGHT in pixels, then X,Y,WIDTH,HEIGHT of a region (PS3.18 8.3.5.1.3)."
        raise Invalid("viewport-unreadable", sentence, "viewport")
    x, y, width, height = (float(number) if number else None for number in read.groups()[2:])
    return Viewport(int(read[1]), int(read[2]), x or 0, y or 0, width, height)
