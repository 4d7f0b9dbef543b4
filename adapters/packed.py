"""What zip and tar archives hold, listed without unpacking it. Whoever made one may be a stranger, so all of it is bounded.

A compressed tar archive can't be read from the middle: it is unpacked once into a private folder, as the tar it is.
"""

import gzip
import io
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from adapters.offered import Offered, TarMember, ZipMember

HEAD = 264
"""Bytes of a file by which `kind` knows it."""
GZIP = b"\x1f\x8b"
MOST_MEMBERS = 250_000
MOST_UNPACKED = 1_000_000_000_000
MOST_TIMES = 200
"""How often its own size an archive may be unpacked; images of one value compress a thousand times, but not a whole export."""
FREELY = 1_000_000_000
"""Bytes up to which nobody asks how often."""
_DIRECTORY = 64_000_000  # bytes of a zip archive's directory, which is read whole: about MOST_MEMBERS with long names
_HEADER = 1 << 16  # bytes of a tar archive's extended header: tarfile reads as many as it claims to have
_HEADERS = 3 * _HEADER  # bytes of all headers before one file: tarfile calls itself for each, and keeps what a sparse one lists
_BLOCK, _CHUNK = 512, 1 << 20
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")

LINK, ENCRYPTED, NO_FILE = "is a link: it is not followed.", "is encrypted: unpack it first.", "is not a regular file."
OUTSIDE = "has a path that leads out of its archive."
UNKNOWN = "is compressed in a way that can't be read: unpack it first."
TWICE = "has the name of a file before it in its archive."
DAMAGED = "is a damaged archive: not all in it can be read. Copy it again."
TOO_MANY = f"holds more than {MOST_MEMBERS:,} files: unpack it first."
TOO_LARGE = f"would unpack to more than {MOST_TIMES} times its size, or {MOST_UNPACKED // 10**12} TB: unpack it first."
NO_TAR = "is compressed, and no tar archive: unpack it first."
NO_ROOM = "can't be unpacked, for lack of room: unpack it first, or name a larger disk in TMPDIR."
_Member = tuple[Offered, str]


class Unlisted(Exception):
    """What of an archive can't be listed, or must not be: the sentence that says why."""


def kind(head: bytes) -> Callable[[Offered, Path], Iterator[_Member]] | None:
    """How to list what a file with these first bytes holds; None for what is no archive, as any DICOM file."""
    if head[128:132] == b"DICM":
        return None
    starts = {b"PK\3\4": _zipped, b"PK\5\6": _zipped, GZIP: _compressed}
    found = next((lists for start, lists in starts.items() if head.startswith(start)), None)
    return _tarred if head[257:262] == b"ustar" else found


def members(file: Offered, head: bytes, scratch: Path) -> Iterator[_Member]:
    """Each file in an archive, called archive/path, and why it can't be read (empty where it can).

    What is unpacked lies in `scratch`, and has to as long as it is read. Raises Unlisted where the list ends before the archive.
    """
    if lists := kind(head):
        names = set[str]()
        for member, why in lists(file, scratch):
            yield member, why or (TWICE if member.name in names else "")
            names.add(member.name)


def _zipped(file: Offered, _scratch: Path) -> Iterator[_Member]:
    if _directory(file) > _DIRECTORY:
        raise Unlisted(TOO_MANY)
    try:
        with zipfile.ZipFile(file.path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as bad:
        raise Unlisted(DAMAGED) from bad
    if len(entries) > MOST_MEMBERS:
        raise Unlisted(TOO_MANY)
    _check_unpacked(sum(entry.file_size for entry in entries), file.size)
    for row, entry in enumerate(entries):
        if not entry.filename.endswith("/"):  # is_dir takes no empty name
            yield ZipMember(_named(file, entry.filename), file.path, entry.file_size, row), _entry(entry)


def _directory(file: Offered) -> int:
    """Bytes of a zip archive's directory, by the record at its end (APPNOTE 4.3.16, and 4.3.14 where that has no room)."""
    with file.open() as source:
        source.seek(max(0, file.size - _HEADER - 22 - 76))
        end = source.read()
    at = end.rfind(b"PK\5\6")
    if at < 0:
        raise Unlisted(DAMAGED)
    size = int.from_bytes(end[at + 12 : at + 16], "little")
    large = end.rfind(b"PK\6\6", 0, at)
    return int.from_bytes(end[large + 40 : large + 48], "little") if size == 0xFFFFFFFF and large >= 0 else size


def _entry(entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & 1:
        return ENCRYPTED
    if stat.S_ISLNK(entry.external_attr >> 16):
        return LINK
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return UNKNOWN
    return _path(entry.filename)


def _tarred(file: Offered, _scratch: Path) -> Iterator[_Member]:
    """No member's bytes are read. A tar archive ends with blocks of zeros (POSIX.1 pax): without them something is missing."""
    with file.path.open("rb", buffering=0) as source:
        try:
            with tarfile.open(fileobj=(capped := _Capped(source)), mode="r:") as archive:
                for _ in range(MOST_MEMBERS + 1):
                    capped.left = _HEADERS
                    entry = archive.next()
                    if entry is None:
                        break
                    archive.members.clear()  # type: ignore[attr-defined]  # it keeps all it has read
                    if not entry.isdir():
                        member = TarMember(_named(file, entry.name), file.path, entry.size, entry.offset_data)
                        yield member, _tar_entry(entry, file)
                else:
                    raise Unlisted(TOO_MANY)
                ended = archive.offset
        except (tarfile.TarError, OSError, ValueError, OverflowError) as bad:
            raise Unlisted(DAMAGED) from bad
        source.seek(ended)
        if source.read(_BLOCK) != bytes(_BLOCK):
            raise Unlisted(DAMAGED)


def _tar_entry(entry: tarfile.TarInfo, file: Offered) -> str:
    if entry.issym() or entry.islnk():
        return LINK
    if not entry.isreg() or entry.issparse():
        return NO_FILE
    return _path(entry.name) if 0 <= entry.size <= file.size - entry.offset_data else DAMAGED


def _compressed(file: Offered, scratch: Path) -> Iterator[_Member]:
    handle, unpacked = tempfile.mkstemp(".tar", dir=scratch)
    with gzip.open(file.path) as source, os.fdopen(handle, "wb") as target:
        size = _unpack(source, target, file.size)
    yield from _tarred(replace(file, path=Path(unpacked), size=size), scratch)


def _unpack(source: gzip.GzipFile, target: BinaryIO, packed: int) -> int:
    size = 0
    while piece := _piece(source):
        if not size and kind(piece[:HEAD]) is not _tarred:
            raise Unlisted(NO_TAR)
        size += len(piece)
        _check_unpacked(size, packed)
        try:
            target.write(piece)
        except OSError as full:
            raise Unlisted(NO_ROOM) from full
    return size


def _piece(source: gzip.GzipFile) -> bytes:
    try:
        return source.read(_CHUNK)
    except (OSError, EOFError, zlib.error) as bad:
        raise Unlisted(DAMAGED) from bad


def _check_unpacked(size: int, packed: int) -> None:
    if size > MOST_UNPACKED or size > max(FREELY, packed * MOST_TIMES):
        raise Unlisted(TOO_LARGE)


def _path(name: str) -> str:
    return OUTSIDE if _ABSOLUTE.match(name) or ".." in re.split(r"[/\\]", name) else ""


def _named(file: Offered, name: str) -> str:
    """A member's name in a report; what is in no encoding, or no character of a name, is written out."""
    inside = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return f"{file.name}/{inside.lstrip('/')}"


class _Capped(io.RawIOBase):
    """A file that gives at most so many bytes at a time, and `left` bytes together, which is set anew for each member."""

    def __init__(self, file: io.FileIO) -> None:
        self._file, self.left = file, _HEADERS

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_HEADER if size < 0 else min(size, _HEADER)) or b""
        self.left -= len(data)
        if self.left < 0:
            raise OSError("the headers of one file are too large")
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        return self._file.seek(to, whence)

    def tell(self) -> int:
        return self._file.tell()
