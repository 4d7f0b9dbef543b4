"""Files that are looked at or sent: on a disk, in a zip archive, in a tar archive. Each can be read as often as it is needed."""

import io
import mmap
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, cast

IN_MEMORY = 64_000_000
"""Bytes of a file in a zip archive that is held in memory."""
_BUFFER = 1 << 18


class Damaged(Exception):
    """A file in an archive can't be unpacked, or is not there as it was listed."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A file of its own: the name its report calls it by (unique in a batch), where it lies, and its bytes when it was listed."""

    name: str
    path: Path
    size: int

    def open(self) -> BinaryIO:
        """Its bytes, as a stream. Raises Damaged, as each of these does."""
        return self.path.open("rb")

    def content(self) -> memoryview:
        """All of it, mapped where it lies as it is."""
        with _unpacking(), self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b"")

    def head(self, size: int) -> bytes:
        """Its first bytes."""
        with self.open() as source:
            return source.read(size)

    def digest(self) -> str:
        """SHA-256, in hex."""
        with self.open() as source:
            return file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads and reads into, as it should


@dataclass(frozen=True, slots=True)
class TarMember(Offered):
    """A file in a tar archive that is not compressed: its bytes lie there as they are, from `at`."""

    at: int

    def open(self) -> BinaryIO:
        """See Offered."""
        return io.BufferedReader(_Part(self.path, self.at, self.size), _BUFFER)

    def content(self) -> memoryview:
        """See Offered."""
        with _unpacking(), self.path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[self.at : self.at + self.size]


@dataclass(frozen=True, slots=True)
class ZipMember(Offered):
    """A file in a zip archive, the one at `row` of its directory: names may repeat."""

    row: int

    def open(self) -> BinaryIO:
        """See Offered. No more is unpacked than the directory says."""
        with _unpacking():
            archive = _zip(self.path, self.path.stat().st_mtime_ns)
            return cast("BinaryIO", archive.open(archive.infolist()[self.row]))

    def content(self) -> memoryview:
        """See Offered. A large one is unpacked to a disk, since several are looked at together."""
        with self.open() as source, _unpacking():
            if self.size <= IN_MEMORY:
                return memoryview(source.read())
            with TemporaryFile() as target:
                copyfileobj(source, target)
                target.flush()
                return memoryview(mmap.mmap(target.fileno(), 0, access=mmap.ACCESS_READ))

    def head(self, size: int) -> bytes:
        """See Offered."""
        with _unpacking():
            return Offered.head(self, size)

    def digest(self) -> str:
        """See Offered."""
        with _unpacking():
            return Offered.digest(self)


@contextmanager
def _unpacking() -> Iterator[None]:
    try:
        yield
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, IndexError) as bad:
        raise Damaged from bad


@lru_cache(maxsize=2)
def _zip(path: Path, _changed: int) -> zipfile.ZipFile:
    """An open archive, since reading its directory anew for each file would take the square of their number."""
    return zipfile.ZipFile(path)


class _Part(io.RawIOBase):
    """So many bytes of a file from a place on."""

    def __init__(self, path: Path, at: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(at)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # io calls it with a memoryview
        count = self._file.readinto(memoryview(into)[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
