"""Workers' heartbeats: that somebody does what is done after the answer."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select, true

from adapters.sql import tables as t
from adapters.sql.store import insert_of, moment, stamp

_w = t.worker.c
FORGOTTEN = timedelta(days=1)


def beat(connection: Connection, holder: str, now: datetime) -> None:
    """Say that this worker is at work; those that have not said so for a day are forgotten."""
    said = insert_of(connection)(t.worker).values(holder=holder, at=stamp(now))
    connection.execute(said.on_conflict_do_update(index_elements=[_w.holder], set_={"at": stamp(now)}))
    connection.execute(delete(t.worker).where(_w.at < stamp(now - FORGOTTEN), _w.holder != holder))


def forget_all(connection: Connection) -> None:
    """Know of no worker."""
    connection.execute(delete(t.worker))


def last_beat(connection: Connection, host: str = "") -> datetime | None:
    """When a worker, of this host where one is named, last said that it is at work."""
    there = _w.holder.startswith(f"{host}:", autoescape=True) if host else true()
    at = connection.execute(select(func.max(_w.at)).where(there)).scalar_one()
    return None if at is None else moment(at)
