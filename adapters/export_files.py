"""The files of exports: NDJSON in gzip, a folder for each export, whole or not there at all.

A part under way is a draft; it takes its number once it is finished and lies on the disk.
"""

import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, BinaryIO

from adapters.disk import filling
from mappings.failures import Gone

CHUNK = 1 << 18
_LEVEL, _GZIP = 1, 31
"""zlib's fastest level: 8 times smaller at four times the speed of its default; and a window of 2^15 with gzip's head."""


class Part:
    """A file that is being written: what it holds so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._packing, self._digest = file, zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP), sha256()
        self.count = self.size = self.packed = 0

    def write(self, documents: Sequence[bytes]) -> None:
        """Add resources, each a line."""
        lines = b"\n".join((*documents, b"")) if documents else b""
        self.count, self.size = self.count + len(documents), self.size + len(lines)
        self._digest.update(lines)
        self._put(self._packing.compress(lines))

    def finish(self) -> None:
        """It is whole, and on the disk."""
        self._put(self._packing.flush())
        self._file.flush()
        os.fsync(self._file.fileno())

    @property
    def digest(self) -> bytes:
        """SHA-256 of its NDJSON."""
        return self._digest.digest()

    def _put(self, data: bytes) -> None:
        self.packed += len(data)
        self._file.write(data)


class ExportFiles:
    """The folder of all exports, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def part(self, export: str, number: int) -> Iterator[Part]:
        """Write a part; it is there when the block has ended, unless it raised or nothing was written. Raises Full."""
        target, draft = self._path(export, number), self._path(export, number).with_suffix(".draft")
        with filling():  # a full disk has no room for a name either
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with open(draft, "wb", opener=_private) as file:
                    part = Part(file)
                    yield part
                    part.finish()
                if part.count:
                    draft.rename(target)
                    _settle(target.parent)
            finally:
                draft.unlink(missing_ok=True)

    def open(self, export: str, number: int) -> BinaryIO:
        """A part, in gzip. Raises Gone."""
        try:
            return self._path(export, number).open("rb")
        except FileNotFoundError:
            raise Gone("export-gone", "This file is not kept any more. Ask for the export again.") from None

    def remove(self, export: str) -> None:
        """Let an export's files go."""
        shutil.rmtree(self._root / export, ignore_errors=True)

    def _path(self, export: str, number: int) -> Path:
        return self._root / export / f"{number}.ndjson.gz"


def chunks(source: BinaryIO, *, unpacked: bool) -> Iterator[bytes]:
    """The bytes of a part as it lies, or unpacked."""
    opening = zlib.decompressobj(_GZIP)
    while data := source.read(CHUNK):
        if not unpacked:
            yield data
        while unpacked and data:
            yield opening.decompress(data, CHUNK)
            data = opening.unconsumed_tail
    if unpacked:
        yield opening.flush()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _settle(folder: Path) -> None:
    """Have the folder's own entries on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
