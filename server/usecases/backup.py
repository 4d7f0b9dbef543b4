"""Backing a repository up while it runs, and putting it back: the database first and the files after it.

Files never change, so a database that is a little older than its files lacks nothing of what it tells. What came after the
backup is in nobody's care once it is put back: its senders send it again.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from adapters import backup as copying
from adapters.sql import migrate, workers
from adapters.sql.store import Store
from mappings.failures import Conflict, Invalid, NotFound
from server.settings import Settings
from server.usecases.node import list_nodes
from server.usecases.runtime import Runtime

RECORD = "backup.json"
"""The file in the data directory that says when it was backed up last, and where to."""
Moved = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """One that was made: when it was begun, where it lies, how many files it has and how many of them were new, and all bytes."""

    at: datetime
    to: str
    files: int
    new: int
    bytes: int


def size(root: Path) -> int:
    """Bytes of the files that a backup of this data directory, or its putting back, is to copy."""
    return sum(size for _, size in copying.find_files(root))


def back_up(runtime: Runtime, folder: Path, moved: Moved) -> Backup:
    """Copy the repository into a folder, in which an earlier backup of it may be: what is there is not copied again.

    Raises Invalid where the folder lies in what is to be copied, or holds something else, Full and Unavailable.
    """
    data, at = runtime.settings.data_dir.absolute(), runtime.clock()
    _check_target(folder, data, copying.kind_of(runtime.settings.sqlalchemy_url))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copying.copy_database(runtime.settings.sqlalchemy_url, folder)
    files, new, total = _copy_files(data, folder / "data", moved)
    made = Backup(at, str(folder), files, new, total)
    (data / RECORD).write_text(json.dumps(asdict(made) | {"at": at.isoformat()}))
    return made


def _check_target(folder: Path, data: Path, kind: str) -> None:
    if folder.is_relative_to(data) or data.is_relative_to(folder):
        raise Invalid("backup-inside", f"{folder} and {data} lie in each other. A backup lies elsewhere, best on another disk.")
    if folder.exists() and any(folder.iterdir()) and copying.copied_kind(folder) != kind:
        raise Invalid("backup-elsewhere", f"{folder} holds something that is no backup of this repository. Name an empty folder.")


def _copy_files(source: Path, target: Path, moved: Moved) -> tuple[int, int, int]:
    files = new = total = 0
    for path, length in copying.find_files(source):
        new += copying.copy_file(source / path, target / path)
        files, total = files + 1, total + length
        moved(length)
    return files, new, total


def left_out(runtime: Runtime) -> list[str]:
    """What the data directory does not hold, so that a backup of it does not either: in sentences for the operator."""
    data = runtime.settings.data_dir.absolute()
    apart = (row for row in list_nodes(runtime) if row.kind != "folder" or _lies_elsewhere(data, row.url))
    return [f"Not in it: what rests on node {row.name} ({row.url}). Back that up by its own means." for row in apart]


def _lies_elsewhere(data: Path, folder: str) -> bool:
    """Whether a folder node is none of what is copied: beside the data directory, or there by a link, which is not followed."""
    return not (data / folder).resolve().is_relative_to(data.resolve())


def put_back(settings: Settings, folder: Path, moved: Moved) -> None:
    """Put a backup back where nothing is: into an empty data directory and an empty database.

    Raises NotFound where the folder holds no backup, Invalid where it is one of another kind of database, Conflict where
    something is there already, Full and Unavailable.
    """
    data, kind = settings.data_dir.absolute(), copying.copied_kind(folder)
    if kind is None:
        raise NotFound("no-backup", f"{folder} holds no backup: neither {copying.SQLITE} nor {copying.POSTGRESQL} is there.")
    if kind != copying.kind_of(settings.sqlalchemy_url):
        raise Invalid("backup-of-another-kind", f"{folder} holds {kind}, which is not of the database that is configured.")
    if data.exists() and any(data.iterdir()):
        raise Conflict("data-there", f"{data} is not empty. A backup is put back where nothing is; move what is there away.")
    if kind == copying.POSTGRESQL and not _is_empty(settings.sqlalchemy_url):
        raise Conflict("database-there", "The database is not empty. A backup is put back where nothing is; make an empty one.")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy_files(folder / "data", data, moved)
    copying.put_database(settings.sqlalchemy_url, folder)
    _forget_workers(settings.sqlalchemy_url)


def _forget_workers(url: str) -> None:
    """Those who were at work when the backup was made are not at work here."""
    store = Store(url)
    try:
        with store.write() as connection:
            workers.forget_all(connection)
    finally:
        store.close()


def _is_empty(url: str) -> bool:
    store = Store(url)
    try:
        return migrate.current(store) is None
    finally:
        store.close()


def last(settings: Settings) -> tuple[datetime, str] | None:
    """When this repository was backed up last, and where to; None: never, as far as is recorded."""
    try:
        said = json.loads((settings.data_dir.absolute() / RECORD).read_text())
        return datetime.fromisoformat(said["at"]), str(said["to"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
