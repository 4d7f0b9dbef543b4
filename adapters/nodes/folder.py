"""A folder as node: content-addressed files on a local disk. It is the default node, and the quarantine."""

import contextlib
import io
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from adapters.disk import NO_ROOM
from adapters.nodes.port import Changes, Health, NodeFile, other_size
from adapters.spool import STEP, Behind
from mappings.failures import Failure, Full, NotFound, Unavailable

_DIGEST = re.compile(r"[0-9a-f]{64}")
MARKER = ".accord-node"
"""The file that says whose folder this is: on a disk that is not mounted it is missing."""
_OURS = frozenset({"objects", "incoming", "lost+found"})
"""What may lie in a folder before it is a node's: what is made before its marker, and what a new disk has."""
_LEFTOVER_SECONDS = 3600
"""A temporary file this old belongs to no living store."""


class FolderNode:
    """`Node` on the folder `root`, which holds `objects/aa/<SHA-256>` and, while files arrive, `incoming/`.

    The hash level spreads the files over the disk's inode groups; temporary files lie on the same file system, so the rename is
    atomic. Only the owner can read anything (0700, 0600).

    A file beside them holds `marker`. Where it is missing, or another, nothing is read, stored or made: the folder may be the
    mount point of a disk that is not there, or another disk. Without a `marker` the folder is made, and believed.
    """

    def __init__(self, name: str, root: Path, marker: str | None = None) -> None:
        self.name = name
        self._root, self._marker = root, marker
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        self._marked = root / MARKER
        self._durable: set[Path] = set()
        if marker is None:
            with self._translating():
                self._make()

    def adopt(self, sample: Sequence[tuple[str, int]]) -> bool:
        """See `Node.adopt`: by its marker, which is put there where one is missing and may be."""
        with self._translating():
            found = self._found_marker()
            ours = found == self._marker
            if ours or (found is None and (any(self._holds(*each) for each in sample) if sample else self._is_free())):
                self._make()
                if not ours:
                    self._write(self._marked, memoryview(f"{self._marker}\n".encode()))
                    _sync(self._root)
                return True
        return False

    def store(self, file: NodeFile, content: memoryview) -> str:
        """See `Node.store`. The data is on disk before the name is, and the name before this returns."""
        final = self._path(self.place_of(file))
        with self._door():
            self._make_durable(final.parent)
            if not final.exists():
                self._write(final, content)
            _sync(final.parent)  # also when it exists: the thread that renamed it may not have come this far
        return final.name

    def place_of(self, file: NodeFile) -> str:
        """See `Node.place_of`: the file's SHA-256 in hexadecimal."""
        return file.digest.hex()

    def open(self, place: str, size: int | None, start: int = 0, length: int | None = None) -> BinaryIO:
        """See `Node.open`. Here the stream can also seek within its range."""
        with self._door():
            try:
                descriptor = os.open(self._path(place), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                raise self._not_there() from error
            found = os.fstat(descriptor).st_size
            if size not in (None, found):
                os.close(descriptor)
                raise other_size(self.name)
        end = found if length is None else min(found, start + length)
        return cast("BinaryIO", _Range(descriptor, start, end))

    def frame(self, place: str, number: int, length: int) -> bytes | None:  # noqa: ARG002 - a range is read where it lies
        """See `Node.frame`."""
        return None

    def size(self, place: str) -> int:
        """See `Node.size`."""
        with self._door():
            try:
                return self._path(place).stat().st_size
            except FileNotFoundError as error:
                raise self._not_there() from error

    def delete(self, place: str) -> None:
        """See `Node.delete`."""
        path = self._path(place)
        with self._door():
            path.unlink(missing_ok=True)
            if path.parent.exists():
                _sync(path.parent)

    def places(self) -> Iterator[str]:
        """See `Node.places`."""
        with self._door():
            for first in _names(self._objects):
                yield from _names(self._objects / first)

    def changes(self, since: int | None) -> Changes | None:  # noqa: ARG002 - a folder does not tell
        """See `Node.changes`."""
        return None

    def check(self) -> Health:
        """See `Node.check`. Its room is what an ordinary user may still fill."""
        try:
            with self._translating():
                self._check_marker()
        except Failure as failure:
            return Health(ok=False, sentence=failure.sentence, version="folder")
        try:
            kept = (self._incoming, self._objects)
            writable, room = all(os.access(at, os.W_OK | os.X_OK) for at in kept), os.statvfs(self._objects)
        except OSError:
            writable = False
        if not writable:
            sentence = f"The folder of node {self.name} is missing or can't be written to."
            return Health(ok=False, sentence=sentence, version="folder")
        sentence = f"The folder of node {self.name} can be written to."
        return Health(ok=True, sentence=sentence, version="folder", free=room.f_bavail * room.f_frsize)

    def probe(self) -> list[str]:
        """See `Node.probe`: only the owner reaches the files and nothing changes bytes, so there is nothing to refuse."""
        return []

    def _is_free(self) -> bool:
        """Whether nothing of anybody's lies there, who would be locked out: it becomes its owner's alone."""
        return not self._root.exists() or {path.name for path in self._root.iterdir()} <= _OURS

    def _make(self) -> None:
        for folder in (self._objects, self._incoming):
            self._make_durable(folder)
        self._root.chmod(0o700)
        self._remove_leftovers()

    def _found_marker(self) -> str | None:
        try:
            return self._marked.read_bytes().decode(errors="replace").strip()
        except FileNotFoundError:
            return None

    def _check_marker(self) -> None:
        if self._marker is not None and (found := self._found_marker()) != self._marker:
            why = f"has no {MARKER}" if found is None else f"has another {MARKER}"
            message = f"The folder of node {self.name} {why}: is its disk mounted, in its place? Nothing is read or stored there."
            raise Unavailable("node-not-mounted", message)

    def _holds(self, place: str, size: int) -> bool:
        try:
            return self._path(place).stat().st_size == size
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _path(self, place: str) -> Path:
        if not _DIGEST.fullmatch(place):  # a place is a name of ours: anything else could leave the folder
            raise self._not_there()
        return self._objects.joinpath(place[:2], place)

    def _not_there(self) -> NotFound:
        return NotFound("node-lacks", f"Node {self.name} does not hold this object.")

    def _write(self, final: Path, content: memoryview) -> None:
        temporary = self._incoming / uuid.uuid4().hex
        try:
            with os.fdopen(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=0
            ) as file:
                _write_all(file.fileno(), content)
                os.fsync(file.fileno())
            temporary.rename(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _make_durable(self, folder: Path) -> None:
        """Make the folder and see that its own name survives a power cut, once a process and folder."""
        if folder in self._durable:
            return
        if not folder.parent.exists():
            self._make_durable(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)
        self._durable.add(folder)

    def _remove_leftovers(self) -> None:
        for path in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):  # its owner has just renamed it
                if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                    path.unlink()

    @contextlib.contextmanager
    def _door(self) -> Iterator[None]:
        """Let nobody in but where the marker is."""
        with self._translating():
            self._check_marker()
            yield

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        """Translate what the operating system says; paths stay here."""
        try:
            yield
        except OSError as error:
            raise self._translated(error) from error

    def _translated(self, error: OSError) -> Failure:
        if error.errno in NO_ROOM:
            return Full("node-full", f"Node {self.name} has no room left.")
        return Unavailable("node-failed", f"The folder of node {self.name} can't be used: {error.strerror}.")


class _Range(io.RawIOBase):
    """Bytes `start` to `end` of a file, by pread: no shared position, so it stays right whatever else reads the file."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor, self._start, self._end, self._at = descriptor, start, end, start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = max(self._start, origin + offset)
        return self._at - self._start

    def read(self, size: int = -1, /) -> bytes:
        """All of these bytes that there are, as a buffered reader gives them, and read into where they are handed over."""
        left = max(0, self._end - self._at)
        wanted = left if size < 0 else min(size, left)
        content = self._read(wanted) if wanted else b""
        while len(content) < wanted:
            content += self._read(wanted - len(content))
        return content

    def _read(self, size: int) -> bytes:
        try:
            content = os.pread(self._descriptor, size, self._at)
        except OSError as error:
            raise Unavailable("node-broke-off", "The disk of the node failed while it was being read.") from error
        if not content:
            raise Unavailable("node-broke-off", "The file was cut short while it was being read.")
        self._at += len(content)
        return content

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: memoryview) -> None:
    at, passed = 0, Behind(content)
    while at < len(content):
        at += os.write(descriptor, content[at : at + STEP])
        passed(at)


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
