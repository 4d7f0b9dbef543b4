"""The files that a command is given: single ones, all in a folder, all in an archive; and what is skipped, with the reason."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from adapters import packed
from adapters.offered import Damaged, Offered
from adapters.packed import GZIP, HEAD, Unlisted, kind

LARGEST = 4_096_000_000
"""Bytes of the largest file that is sent or looked at: what a server takes unless it is configured otherwise."""
LONGEST_NAME = 1024
"""Bytes of the longest name a report can hold."""
EMPTY, BESIDE = "is empty.", "belongs to a file system, not to a study."
DIRECTORY, PDF = "is a directory of files (PS3.10), no object of its own.", "is a PDF, not a DICOM file."
NO_SURPRISE = frozenset({EMPTY, BESIDE, DIRECTORY, PDF})
UNREAD = "can't be unpacked: its archive is damaged there. Copy it again."
NESTED = "is an archive in an archive: unpack it first."
_BESIDE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
Skipped = tuple[str, str]


@contextmanager
def gathering(paths: Sequence[Path]) -> Iterator[tuple[list[Offered], list[Skipped]]]:
    """`gathered`, for as long as the files are read: no archive is left unpacked. What is skipped is said on standard error."""
    with TemporaryDirectory(prefix="accord-") as scratch:
        said: list[Skipped] = []
        files, skipped = gathered(paths, Path(scratch))
        for name, why in skipped:
            skip(said, name, why)
        yield files, said


def skip(skipped: list[Skipped], name: str, why: str) -> None:
    """Skip a file, and say so."""
    print(f"skipped: {name!a} {why}", file=sys.stderr)
    skipped.append((name, why))


def gathered(paths: Sequence[Path], scratch: Path) -> tuple[list[Offered], list[Skipped]]:
    """The files under these paths and in the archives there, sorted by path, each named once; and what is not taken, and why.

    A file of a single folder is named by its path in it, any other by its path as it was given. Archives are unpacked in
    `scratch`.
    """
    files: dict[str, Offered] = {}
    skipped: list[Skipped] = []
    folder = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
    for path, why in sorted(entry for given in paths for entry in _walked(given)):
        for file, wrong in _judged(path, _name(path, folder), why, scratch):
            if wrong:
                skipped.append((file.name, wrong))
            else:
                files[file.name] = file
    return list(files.values()), skipped


def _name(path: Path, folder: Path | None) -> str:
    named = path.relative_to(folder) if folder else path
    return os.fsencode(named.as_posix()).decode("utf-8", "backslashreplace")


def _walked(given: Path) -> Iterator[tuple[Path, str]]:
    """Everything under a path that is no folder, and each folder that can't be listed with the reason."""
    if not given.is_dir():
        yield given, ""
        return
    unlisted: list[OSError] = []
    for folder, folders, names in os.walk(given, onerror=unlisted.append):
        links = [name for name in folders if Path(folder, name).is_symlink()]  # they are not followed: they may lead anywhere
        yield from ((Path(folder, name), "") for name in (*names, *links))
    yield from ((Path(error.filename), "can't be listed.") for error in unlisted)


def _judged(path: Path, name: str, why: str, scratch: Path) -> Iterator[tuple[Offered, str]]:
    """A file, or each that an archive holds; and why it is not taken (empty where it is)."""
    size, why = (0, why) if why else _present(path)
    file = Offered(name, path, size)
    if why:
        yield file, why
        return
    head = _head(file)
    if kind(head) is None:
        yield file, _unfit(file, head)
        return
    if head.startswith(GZIP) and sys.stderr.isatty():
        print(f"unpacking {name!a}", file=sys.stderr)  # which may take minutes
    try:
        for member, wrong in packed.members(file, head, scratch):
            yield member, wrong or _unfit(member, inside := _head(member)) or (NESTED if kind(inside) else "")
    except Unlisted as unlisted:
        yield file, str(unlisted)


def _present(path: Path) -> tuple[int, str]:
    """(size, why it can't be read)."""
    try:
        status = path.lstat()
    except OSError:
        return 0, "is not there."
    if not stat.S_ISREG(status.st_mode):
        return 0, "is not a regular file."
    return status.st_size, "" if os.access(path, os.R_OK) else "can't be read."


def _head(file: Offered) -> bytes:
    try:
        return file.head(HEAD)
    except Damaged:
        return b""  # whoever reads all of it says so


def _unfit(file: Offered, head: bytes) -> str:
    """Why a file is not taken: what no server would, and what is no image where that surprises nobody."""
    name = PurePosixPath(file.name).name
    if file.size > LARGEST:
        return f"is larger than {LARGEST // 1_000_000} MB."
    if len(file.name.encode()) > LONGEST_NAME:
        return f"has a path of more than {LONGEST_NAME} bytes."
    if not file.size:
        return EMPTY
    if name in _BESIDE or name.startswith("._"):
        return BESIDE
    if name.upper() == "DICOMDIR":
        return DIRECTORY
    return PDF if head.startswith(b"%PDF-") else ""
