"""Where an object waits until it is whole, in memory or in an unlinked temporary file once it is large; and how that one is read.

What is read of a mapped file stays in the process's memory until it is let go of, so a large one is read with `Behind`.
"""

import mmap
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from adapters.disk import filling
from mappings.failures import TooLarge

IN_MEMORY = 16_000_000
STEP = 16_000_000
"""Bytes of a file after which the disk is looked at again, and what was read of it is let go of."""


class Spool:
    """A sink for one object's bytes; `done` is called with all of them when it is closed. Raises TooLarge past `limit` bytes.

    `room` is asked as the file grows and raises where the disk has none left: many spools at once must not fill it.
    """

    def __init__(self, folder: Path, limit: int, done: Callable[[memoryview], None], room: Callable[[], None]) -> None:
        self._folder, self._limit, self._done, self._room = folder, limit, done, room
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0

    @property
    def in_memory(self) -> int:
        """Bytes that wait in memory."""
        return len(self._memory)

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

    def discard(self) -> None:
        """The object will not be whole: forget what has come."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()


class Behind:
    """Told how far the reading of some bytes has come, it lets go of the pages behind where they are a mapped file's.

    They are read again from the file where they are wanted again; of bytes in memory nothing is let go of.
    """

    def __init__(self, content: memoryview) -> None:
        self._mapped = content.obj if isinstance(content.obj, mmap.mmap) else None
        self._at = 0

    def __call__(self, position: int) -> None:
        """Reading has come to this byte; it may begin anew at an earlier one."""
        if self._mapped is not None and abs(position - self._at) >= STEP:
            self._mapped.madvise(mmap.MADV_DONTNEED)
            self._at = position
