"""A world as files in this folder, named by its schema's revision, and back again: the form that every release keeps reading.

`NNNN.sqlite.gz` is the database as one file, `NNNN.postgresql.sql.gz` the same world as statements, `NNNN.files.zip` what lay on
its folder nodes and in quarantine, and `NNNN.json` when it was frozen, which more of its files are samples, and its facts.
"""

import gzip
import json
import re
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import psycopg
from sqlalchemy import make_url

from server.usecases.runtime import Runtime
from tests import servers
from tests.builders import DICOM

NOT_SQL = re.compile(r"^(--.*|\\.*)?\n", re.MULTILINE)
"""Comments, and what only psql understands."""


def freeze(runtime: Runtime, target: Path) -> dict[str, str]:
    """Write the database and the files; which of these are samples instead (path in the data directory → sample)."""
    if runtime.store.is_sqlite:
        target.with_suffix(".sqlite.gz").write_bytes(gzip.compress(_sqlite(runtime.settings.data_dir / "accord.db"), mtime=0))
    else:
        statements = _statements(runtime.settings.sqlalchemy_url)
        target.with_suffix(".postgresql.sql.gz").write_bytes(gzip.compress(statements.encode(), mtime=0))
    return _freeze_files(runtime.settings.data_dir, target.with_suffix(".files.zip"))


def _sqlite(source: Path) -> bytes:
    """The database without its log."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(source)
        connection.execute("VACUUM INTO ?", (f"{folder}/whole.db",))
        connection.close()
        return Path(folder, "whole.db").read_bytes()


def _statements(url: str) -> str:
    """Schema, guards and rows."""
    dump = [servers.find("pg_dump"), "--no-owner", "--no-privileges", "--rows-per-insert=100", _libpq(url)]
    return NOT_SQL.sub("", subprocess.run(dump, capture_output=True, check=True, text=True).stdout)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _freeze_files(data: Path, target: Path) -> dict[str, str]:
    samples, named = {sha256(f.read_bytes()).hexdigest(): f for f in sorted(DICOM.rglob("*")) if f.is_file()}, {}
    with ZipFile(target, "w", ZIP_DEFLATED) as kept:
        for path in sorted(p for p in data.glob("*/objects/*/*") if p.is_file()):
            if path.name in samples:
                named[str(path.relative_to(data))] = str(samples[path.name].relative_to(DICOM))
            else:
                kept.writestr(ZipInfo(str(path.relative_to(data))), path.read_bytes(), ZIP_DEFLATED)
    return named


def tell(target: Path, told: Mapping[str, Any]) -> None:
    """Write what the world tells of itself, a line for each fact."""
    facts = ",\n".join(f"{json.dumps(name)}: {_json(fact)}" for name, fact in told["facts"].items())
    head = f'"at": {_json(told["at"])},\n"samples": {_json(told["samples"])}'
    target.with_suffix(".json").write_text(f'{{\n{head},\n"facts": {{\n{facts}\n}}\n}}\n')


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def told(target: Path) -> dict[str, Any]:
    """What the world told of itself."""
    return json.loads(target.with_suffix(".json").read_text())


def thaw(target: Path, url: str, data: Path) -> None:
    """Bring the world back: its database to this empty one, its files into a fresh data directory."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(parsed.database or "").write_bytes(gzip.decompress(target.with_suffix(".sqlite.gz").read_bytes()))
    else:
        with psycopg.connect(_libpq(url)) as connection:
            connection.execute(gzip.decompress(target.with_suffix(".postgresql.sql.gz").read_bytes()))
    with ZipFile(target.with_suffix(".files.zip")) as kept:
        kept.extractall(data)
    for path, name in told(target)["samples"].items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        copyfile(DICOM / name, data / path)
