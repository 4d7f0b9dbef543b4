"""Failed proofs of late, counted in the database: processes share no memory, and what is guessed is guessed at all of them."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, select

from adapters.sql import tables as t
from adapters.sql.store import insert_of, moment, stamp

_c = t.attempt.c
MOST = 100_000
"""Rows that are kept; beyond, those go that would be forgotten first."""


def counted(connection: Connection, keys: Iterable[str], now: datetime) -> dict[str, tuple[int, datetime]]:
    """Of these keys that are counted now: how many failures, and until when they count."""
    rows = connection.execute(select(t.attempt).where(_c.key.in_(list(keys)), _c.until > stamp(now)))
    return {row.key: (row.failures, moment(row.until)) for row in rows}


def count(connection: Connection, key: str, now: datetime, until: datetime) -> int:
    """Count one failure more, in a new period `until` then where none is; how many there are."""
    forget(connection, now)
    made = insert_of(connection)(t.attempt).values(key=key, failures=1, until=stamp(until))
    over = _c.until <= stamp(now)
    again = {"failures": case((over, 1), else_=_c.failures + 1), "until": case((over, stamp(until)), else_=_c.until)}
    counted_now = made.on_conflict_do_update(index_elements=[_c.key], set_=again).returning(_c.failures)
    return int(connection.execute(counted_now).scalar_one())


def clear(connection: Connection, keys: Iterable[str]) -> None:
    """Forget these."""
    connection.execute(delete(t.attempt).where(_c.key.in_(list(keys))))


def forget(connection: Connection, now: datetime) -> None:
    """Delete what counts no more, and beyond MOST what would be deleted first."""
    connection.execute(delete(t.attempt).where(_c.until <= stamp(now)))
    beyond = connection.execute(select(func.count()).select_from(t.attempt)).scalar_one() - MOST + 1
    if beyond > 0:
        first = select(_c.key).order_by(_c.until, _c.key).limit(beyond)
        connection.execute(delete(t.attempt).where(_c.key.in_(first)))
