"""The bare views: the same Granian settings and database, and nothing but the page's rows by key, joined; or files as they lie.

The least that any Flask view could do: no token, no consent; the driver is used as it is (sqlite3, psycopg). Keys and files are
fixed at the start. The guarded view does of what is demanded of a read the least that can be done: it looks a token up, asks
whether governance changed and for the row of a dataset in sight, and notes the access by Accord's own writer.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask, Response, request
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from adapters.sql.access import Access, Accesses
from adapters.sql.store import Store
from consent.access import Seen
from server import settings as configuration
from server.settings import Settings

KEYS = "BARE_KEYS"
_PIECE = 512 * 1024


def application() -> Flask:
    """One process's application."""
    app = Flask("bare")
    chosen = configuration.read()
    pages: dict[str, Any] = json.loads(Path(os.environ[KEYS]).read_text())
    rows = _rows(chosen)

    def studies() -> Response:
        found = rows("fragment", pages["fragment"])
        return Response(b"[" + b",".join(found) + b"]", content_type="application/dicom+json")

    def documents() -> Response:
        found = rows("document", pages["document"])
        entries = b"},{".join(b'"resource":' + document for document in found)
        return Response(b'{"resourceType":"Bundle","entry":[{' + entries + b"}]}", content_type="application/fhir+json")

    def files(name: str) -> Response:
        paths = [Path(each) for each in pages[name]]
        length = str(sum(path.stat().st_size for path in paths))
        return Response(_pieces(paths), content_type="application/octet-stream", headers={"Content-Length": length})

    guarded, notes = _guarded(chosen), Accesses(Store(chosen.sqlalchemy_url))
    tokens = {"Bearer guarded": "researcher"}

    def document(key: str) -> Response:
        subject = tokens[request.headers["Authorization"]]
        found = guarded(key)
        said = {"subject": subject, "action": "query", "purpose": "AIRESEARCH", "target": f"ImagingStudy/{key}"}
        shown = Seen("ImagingStudy", (key,), 1)
        notes.note(Access(datetime.now(UTC), **said, status=200, count=1, request="guarded", seen=(shown,)))
        return Response(found, content_type="application/fhir+json", headers={"ETag": 'W/"1"'})

    app.add_url_rule("/guarded/<key>", view_func=document)
    app.add_url_rule("/files/<name>", view_func=files)
    app.add_url_rule("/studies", view_func=studies)
    app.add_url_rule("/documents", view_func=documents)
    return app


def _pieces(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece


def _rows(chosen: Settings) -> Callable[[str, Sequence[int]], list[bytes]]:
    """Selects one column of the studies with these ids, on a connection for each thread."""
    kept = threading.local()
    sqlite = not chosen.database_url

    def rows(column: str, keys: Sequence[int]) -> list[bytes]:
        if not hasattr(kept, "connection"):
            kept.connection = _connection(chosen)
        marks = ",".join(["?" if sqlite else "%s"] * len(keys))
        statement = f"SELECT {column} FROM study WHERE id IN ({marks})"  # noqa: S608 - one of two columns
        return [row[0] for row in kept.connection.execute(statement, keys)]

    return rows


def _guarded(chosen: Settings) -> Callable[[str], bytes]:
    """Selects the document of a study of some dataset in sight, after governance's counter, on a connection for each thread."""
    kept = threading.local()
    mark = "%s" if chosen.database_url else "?"
    counter = "SELECT counter FROM governance"
    seen = "SELECT id FROM dataset"
    row = f"SELECT document FROM study WHERE key = {mark} AND dataset IN ({seen})"  # noqa: S608 - no value in it

    def document(key: str) -> bytes:
        if not hasattr(kept, "connection"):
            kept.connection = _connection(chosen)
        kept.connection.execute(counter).fetchone()
        found: bytes = kept.connection.execute(row, [key]).fetchone()[0]
        return found

    return document


def _connection(chosen: Settings) -> Any:
    if not chosen.database_url:
        return sqlite3.connect(chosen.data_dir / "accord.db")
    return psycopg.connect(chosen.database_url.replace("+psycopg", ""), autocommit=True)


def main() -> None:
    """Serve it as `accord web` serves: the same processes, threads and backlog."""
    chosen = configuration.read()
    threads = chosen.streams + chosen.uploads + chosen.searches + chosen.forms + 4
    Granian(
        "benchmarks.bare:application",
        address=chosen.bind,
        port=chosen.port,
        interface=Interfaces.WSGI,
        workers=chosen.web_workers,
        blocking_threads=threads,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        websockets=False,
        log_enabled=False,
        factory=True,
    ).serve()


if __name__ == "__main__":
    main()
