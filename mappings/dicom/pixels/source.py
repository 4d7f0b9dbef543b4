"""A file that is read in pieces: what a picture needs of its data set, and no more, whatever its size."""

import io
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from mappings.dicom.part10 import inflate

PIECE = 4 * 1024 * 1024
"""The most that is asked for at once."""

Fill: TypeAlias = Callable[[int, memoryview], int]
"""Fills a buffer with bytes from an offset on, and says how many there were: fewer only where they end."""


def read(fill: Fill, start: int, length: int) -> bytearray:
    """These bytes, fewer only where they end."""
    buffer = bytearray(length)
    with memoryview(buffer) as view:
        filled = wanted = 0
        while filled == wanted < length:
            wanted = min(filled + PIECE, length)
            filled += fill(start + filled, view[filled:wanted])
    del buffer[filled:]
    return buffer


def behind(fill: Fill, offset: int) -> Fill:
    """What begins at this offset."""
    return lambda start, buffer: fill(offset + start, buffer)


class Inflated:
    """A `Fill` of what is deflated in `size` bytes. It goes forward only: bytes before the last start are gone.

    Raises Unreadable as `inflate`.
    """

    def __init__(self, fill: Fill, size: int) -> None:
        deflated = (bytes(piece) for at in count(0, PIECE) if (piece := read(fill, at, PIECE)))
        self._pieces = inflate(deflated, size)
        self._kept, self._start = bytearray(), 0

    def __call__(self, start: int, buffer: memoryview) -> int:
        """See `Fill`."""
        self._forget(start)
        while len(self._kept) < len(buffer) and (piece := next(self._pieces, b"")):
            self._kept += piece
            self._forget(start)
        ready = self._kept[: len(buffer)]
        buffer[: len(ready)] = ready
        return len(ready)

    def _forget(self, start: int) -> None:
        gone = min(start - self._start, len(self._kept))
        del self._kept[:gone]
        self._start += gone


class Reader(io.RawIOBase):
    """The bytes from `start` on as a file that can be sought in."""

    def __init__(self, fill: Fill, start: int) -> None:
        self._fill, self._start, self._at = fill, start, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Raises nothing: past the end there are no bytes."""
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io calls it with a memoryview
        """At most a piece."""
        filled = self._fill(self._start + self._at, memoryview(buffer)[:PIECE])
        self._at += filled
        return filled
