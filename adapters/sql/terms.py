"""The published versions of the terms of use; the database refuses to change one."""

from datetime import datetime

from sqlalchemy import Connection, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import stamp
from consent.terms import Terms

_c = t.terms.c


def add(connection: Connection, now: datetime, terms: Terms) -> int:
    """Insert a version; its id."""
    values = {"version": terms.version, "sha256": terms.sha256, "text": terms.text}
    return governance.insert_row(connection, t.terms, now, **values, at=stamp(now))


def find_id(connection: Connection, version: str) -> int | None:
    """The id of this version."""
    return governance.find_id(connection, _c.version, version)


def read_all(connection: Connection) -> tuple[Terms, ...]:
    """Every version, in the order they were published."""
    rows = connection.execute(select(_c.version, _c.sha256, _c.text).order_by(_c.id))
    return tuple(Terms(version, sha256, bytes(text)) for version, sha256, text in rows)
