"""Where an uploaded object waits until it is whole: in memory, or in an unlinked temporary file once it is large."""

import mmap
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from adapters.disk import filling
from mappings.failures import TooLarge

IN_MEMORY = 16_000_000
STEP = 16_000_000
"""Bytes of a file after which the disk is looked at again."""


class Spool:
    """A sink for one object's bytes; `done` is called with all of them when it is closed. Raises TooLarge past `limit` bytes.

    `room` is asked as the file grows and raises where the disk has none left: many spools at once must not fill it.
    """

    def __init__(self, folder: Path, limit: int, done: Callable[[memoryview], None], room: Callable[[], None]) -> None:
        self._folder, self._limit, self._done, self._room = folder, limit, done, room
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0

    def write(self, data: memoryview | bytes, /) -> None:
        """Take the next bytes. Raises Full where the disk has no room for them."""
        before, self._size = self._size, self._size + len(data)
        if self._size > self._limit:
            raise TooLarge("object-too-large", f"An object is larger than {self._limit // 1_000_000} MB, the most taken here.")
        if self._size > IN_MEMORY and (self._file is None or before // STEP != self._size // STEP):
            self._room()
        with filling():
            self._put(data)

    def _put(self, data: memoryview | bytes) -> None:
        if self._file is None and self._size > IN_MEMORY:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed below, or with the process
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._file.write(data)

    def close(self) -> None:
        """The object is whole: hand it on."""
        if self._file is None:
            self._done(memoryview(self._memory).toreadonly())
            return
        with self._file:
            with filling():
                self._file.flush()
            self._done(memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)))
