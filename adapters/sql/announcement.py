"""Announcements: the newest of each address counts, whatever was said of it before."""

from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from adapters.sql import tables as t
from adapters.sql.governance import end_of
from adapters.sql.store import insert_one, moment, stamp
from consent.announcement import Announcement

_a = t.announcement.c


def add(connection: Connection, notice: str, announced: Announcement) -> None:
    """Keep what a notice (by its key) announced."""
    moments = {name: getattr(announced, name) for name in ("at", "effective", "until")}
    kept = {name: None if at is None else stamp(at) for name, at in moments.items()}
    insert_one(connection, t.announcement, notice=notice, address=announced.address, **kept)


def read_ahead(connection: Connection, now: datetime) -> tuple[Announcement, ...]:
    """What is announced and not over, in the order of its addresses."""
    newest = select(func.max(_a.id)).group_by(_a.address)
    ahead = or_(_a.effective > stamp(now), _a.until > stamp(now))
    rows = connection.execute(select(t.announcement).where(_a.id.in_(newest), ahead).order_by(_a.address))
    return tuple(Announcement(r.address, moment(r.at), moment(r.effective), end_of(r.until)) for r in rows)
