"""Other repositories that this one may ask: by which name, in which dialect, where, and which files prove who asks."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import stamp

_c = t.peer.c


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A repository as the operator registered it; what is in its files stays there, and is read for each question."""

    id: int
    name: str
    kind: str
    url: str
    secret_file: str | None = None
    client_file: str | None = None


def add(connection: Connection, now: datetime, **values: str | None) -> int:
    """Insert a peer with these columns; its id."""
    return governance.insert_row(connection, t.peer, now, **values, added=stamp(now))


def remove(connection: Connection, row: PeerRow) -> None:
    """Forget a peer; the ledger has what it was."""
    governance.touch(connection)
    connection.execute(delete(t.peer).where(_c.id == row.id))


def find(connection: Connection, name: str) -> PeerRow | None:
    """The peer called so."""
    return _one(connection.execute(select(t.peer).where(_c.name == name)).one_or_none())


def find_at(connection: Connection, url: str) -> PeerRow | None:
    """The peer that is asked at this URL."""
    return _one(connection.execute(select(t.peer).where(_c.url == url)).one_or_none())


def count(connection: Connection) -> int:
    """How many there are."""
    return int(connection.execute(select(func.count()).select_from(t.peer)).scalar_one())


def read_all(connection: Connection) -> tuple[PeerRow, ...]:
    """Every peer, in the order they were added."""
    return tuple(_row(row) for row in connection.execute(select(t.peer).order_by(_c.id)))


def _one(row: Any) -> PeerRow | None:
    return None if row is None else _row(row)


def _row(row: Any) -> PeerRow:
    return PeerRow(row.id, row.name, row.kind, row.url, row.secret_file, row.client_file)
