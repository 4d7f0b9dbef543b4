"""Exclusions: organisations and clients that the repository has blocked; and, among who is out, the persons that are."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.exclusion import Excluded, Exclusions
from consent.person import person_id

_e = t.exclusion.c


class ExclusionRow(NamedTuple):
    """Who is blocked, since when, by whom, and in which circumstance."""

    kind: Excluded
    key: str
    circumstance: str
    actor: str
    at: datetime


def add(connection: Connection, row: ExclusionRow) -> None:
    """Block somebody, who is not blocked now."""
    governance.touch(connection)
    said = {"kind": str(row.kind), "key": row.key, "circumstance": row.circumstance, "actor": row.actor, "at": stamp(row.at)}
    insert_one(connection, t.exclusion, **said)


def lift(connection: Connection, kind: Excluded, key: str, now: datetime) -> bool:
    """Lift a block; False where none stands."""
    governance.touch(connection)
    stands = update(t.exclusion).where(_e.kind == str(kind), _e.key == key, _e.lifted.is_(None))
    return connection.execute(stands.values(lifted=stamp(now))).rowcount == 1


def stands(connection: Connection, kind: Excluded, key: str) -> bool:
    """Whether somebody is blocked by an exclusion now."""
    return connection.execute(select(_e.id).where(_e.kind == str(kind), _e.key == key, _e.lifted.is_(None))).first() is not None


def read_all(connection: Connection) -> list[ExclusionRow]:
    """All that stand, oldest first."""
    rows = select(_e.kind, _e.key, _e.circumstance, _e.actor, _e.at).where(_e.lifted.is_(None)).order_by(_e.id)
    found = connection.execute(rows)
    return [ExclusionRow(Excluded(r.kind), r.key, r.circumstance, r.actor, moment(r.at)) for r in found]


def standing(connection: Connection) -> Exclusions:
    """Everybody who is out now."""
    blocked = connection.execute(select(t.person.c.key).where(t.person.c.blocked)).scalars()
    parties, clients = _keys(connection, _e.lifted.is_(None))
    return Exclusions(parties, clients | frozenset(map(person_id, blocked)))


def standing_at(connection: Connection, at: datetime) -> Exclusions:
    """The organisations and clients that were out at a moment."""
    return Exclusions(*_keys(connection, _e.at <= stamp(at), or_(_e.lifted.is_(None), _e.lifted > stamp(at))))


def _keys(connection: Connection, *where: ColumnElement[bool]) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of the parties and of the clients among these."""
    rows = connection.execute(select(_e.kind, _e.key).where(*where)).all()
    parties, clients = (frozenset(key for kind, key in rows if kind == each) for each in (Excluded.PARTY, Excluded.CLIENT))
    return parties, clients
