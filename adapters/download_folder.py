"""The folder that a download fills: `FOLDER/study/series/instance.dcm`, and a list of what is in it.

A file has its name once all of it has the digest that the server states; until then it is `….part`. So a download that was
stopped goes on by looking. Names are UIDs, which are legal before they come here, and nothing else that a server says.
"""

import csv
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from hashlib import file_digest, sha256
from pathlib import Path
from typing import BinaryIO

from adapters.disk import filling
from adapters.repository import Listed, Stored
from mappings.failures import Conflict

MANIFEST = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest: where a file lies in the folder, its UIDs, bytes, SHA-256 in hex, and dataset (empty: not told)."""

    path: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    bytes: str
    sha256: str
    dataset: str


class DownloadFolder:
    """A folder for one download at a time."""

    def __init__(self, top: Path) -> None:
        self.top = top

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and keep other downloads out of it. Raises Conflict where one is under way."""
        self.top.mkdir(parents=True, exist_ok=True)
        held = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(held)
            yield
        finally:
            os.close(held)

    def _lock(self, held: int) -> None:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("download-under-way", f"Another download into {self.top} is under way.") from None

    def free(self) -> int:
        """Bytes that have room on its disk, which it may have to be made on."""
        there = next(folder for folder in (self.top, *self.top.absolute().parents) if folder.exists())
        return shutil.disk_usage(there).free

    def path(self, instance: Listed) -> Path:
        """Where a file lies, or will."""
        return self.top / instance.study / instance.series / f"{instance.instance}.dcm"

    def holds(self, instance: Listed, stored: Stored) -> bool:
        """Whether the file is there and is the one that the server has."""
        path = self.path(instance)
        if path.stat().st_size != stored.size:
            return False
        with path.open("rb") as file:
            return file_digest(file, "sha256").digest() == stored.sha256

    def entries(self) -> dict[str, Entry]:
        """The lines of the manifest that is there, by path; those that are not one are none."""
        try:
            with (self.top / MANIFEST).open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(fields(Entry))]
        except (FileNotFoundError, UnicodeDecodeError, csv.Error):
            return {}
        return {row[0]: Entry(*row) for row in rows[1:]}

    def list_files(self, entries: Iterable[Entry]) -> None:
        """Write the manifest: these lines by path, and what it said before of other files that are still there."""
        kept = {path: entry for path, entry in self.entries().items() if (self.top / path).is_file()}
        lines = kept | {entry.path: entry for entry in entries}
        table = io.StringIO(newline="")
        csv.writer(table).writerow(column.name for column in fields(Entry))
        csv.writer(table).writerows(astuple(lines[path]) for path in sorted(lines))
        self.write(MANIFEST, table.getvalue())

    def write(self, name: str, text: str) -> None:
        """A text beside the studies, whole or as it was before."""
        draft = self.top / f"{name}.part"
        with filling(), _begun(draft) as file:
            file.write(text.encode())
        draft.rename(self.top / name)


def _begun(draft: Path) -> BinaryIO:
    """A file that is new: what a stopped download left there goes, and a link, which may lead anywhere, is not followed."""
    draft.unlink(missing_ok=True)
    return draft.open("xb")


class Arriving:
    """A file on its way to its name: written to, closed when all of it has come, dropped unless it had its digest."""

    def __init__(self, path: Path, sha256_of: bytes, arrived: Callable[[int], object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._expected, self._arrived = path, sha256_of, arrived
        self._draft = path.with_name(f"{path.name}.part")
        self._file = _begun(self._draft)
        self._hashed, self._size = sha256(), 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises Full where the disk has no room for them."""
        with filling():
            self._file.write(data)
        self._hashed.update(data)
        self._size += len(data)

    def close(self) -> None:
        """All of it has come: it takes its name and `arrived` hears of its bytes, or it had another digest and is dropped."""
        with filling():
            self._file.close()
        if self._hashed.digest() == self._expected:
            self._draft.rename(self._path)
            self._arrived(self._size)
        else:
            self._draft.unlink()

    def drop(self) -> None:
        """Leave nothing of a file that broke off."""
        self._file.close()
        self._draft.unlink(missing_ok=True)
