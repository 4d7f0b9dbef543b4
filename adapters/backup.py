"""Copying a repository to another disk: its database as of one moment, then its files, which never change once they are there."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from adapters.disk import filling
from mappings.failures import Unavailable

SQLITE, POSTGRESQL = "accord.db", "accord.dump"
_LEFT_OUT = frozenset({"accord.db", "accord.db-wal", "accord.db-shm", "lock", "demo.json", "filled", "backup.json"})
_PASSING = "incoming"
"""The folder of a node in which files lie that are not there yet."""
_EXPORTS = "exports"
"""What callers asked for in bulk: it expires, and is asked for again."""


def copy_database(url: str, folder: Path) -> None:
    """The database as of now, whole or not at all, while others write. Raises Unavailable and Full."""
    if (source := _sqlite(url)) is not None:
        _whole(folder / SQLITE, lambda draft: _copy_sqlite(source, draft))
    else:
        _whole(folder / POSTGRESQL, lambda draft: _run(url, "pg_dump", "--format=custom", "--file", draft))


def put_database(url: str, folder: Path) -> None:
    """A copied database into an empty one. Raises Unavailable and Full."""
    if (target := _sqlite(url)) is not None:
        _copy_sqlite(folder / SQLITE, target)
    else:
        _run(url, "pg_restore", "--exit-on-error", "--no-owner", folder / POSTGRESQL)


def copied_kind(folder: Path) -> str | None:
    """Which database a backup holds; None where it holds none."""
    return next((name for name in (SQLITE, POSTGRESQL) if (folder / name).exists()), None)


def kind_of(url: str) -> str:
    """Which a database of this URL is copied to."""
    return POSTGRESQL if _sqlite(url) is None else SQLITE


def find_files(root: Path) -> Iterator[tuple[Path, int]]:
    """(path below root, bytes) of each file that belongs to a data directory beside its database; none that is on its way."""
    for path, folders, names in os.walk(root):
        here = Path(path)
        folders[:] = sorted(name for name in folders if name != _PASSING and (here != root or name != _EXPORTS))
        for name in sorted(names):
            if here != root or (name not in _LEFT_OUT and not name.startswith(".demo-")):
                file = here / name
                try:
                    size = file.stat().st_size
                except FileNotFoundError:  # it went since the folder was read
                    continue
                yield file.relative_to(root), size


def copy_file(source: Path, target: Path) -> bool:
    """Copy one, for its owner alone, whole or not at all; False where it is there already, or went meanwhile."""
    try:
        found = source.stat()
        if target.exists() and (target.stat().st_size, target.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns):
            return False
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _whole(target, lambda draft: shutil.copy2(source, draft))
    except FileNotFoundError:
        return False
    return True


def _whole(target: Path, make: Callable[[Path], object]) -> None:
    draft = target.with_name(f".{target.name}.draft")
    try:
        with filling():
            make(draft)
            draft.chmod(0o600)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.rename(target)
    finally:
        draft.unlink(missing_ok=True)


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's online backup, in one step: whoever writes meanwhile waits for nothing (WAL)."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as ours,
        closing(sqlite3.connect(target)) as theirs,
    ):
        ours.backup(theirs)
        theirs.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it


def _sqlite(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _run(url: str, program: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's own programs on this database; its password is in no list of processes."""
    found = shutil.which(program)
    if found is None:
        raise Unavailable("program-missing", f"{program} is not installed: it comes with PostgreSQL's client.")
    parsed = make_url(url).set(drivername="postgresql")
    environment = os.environ | ({"PGPASSWORD": str(parsed.password)} if parsed.password else {})
    named = parsed.set(password=None).render_as_string(hide_password=False)
    command = [found, *map(str, arguments), "--dbname", named]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable("database-unavailable", f"{program} failed: {said}")
