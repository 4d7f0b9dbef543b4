"""Sessions of people: rows by the digest of a secret that only its holder has; and the refresh tokens of devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, insert, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp

_c, _t = t.session.c, t.refresh_token.c


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that has not ended: `role` is the id of the person's role it acts as, `touched` when it was last used."""

    id: int
    key: str
    person: int
    role: int | None
    purpose: str
    kind: str
    scopes: str
    agent: str
    at: datetime
    touched: datetime
    expires: datetime


def add(
    connection: Connection,
    now: datetime,
    *,
    key: str,
    digest: bytes,
    person: int,
    role: int | None,
    purpose: str,
    kind: str,
    scopes: str,
    agent: str,
    expires: datetime,
) -> int:
    """Insert a session; its id."""
    values = {"person": person, "person_role": role, "purpose": purpose, "kind": kind, "scopes": scopes, "agent": agent}
    times = {"at": stamp(now), "touched": stamp(now), "expires": stamp(expires)}
    return insert_one(connection, t.session, key=key, digest=digest, **values, **times)


def find(connection: Connection, digest: bytes) -> SessionRow | None:
    """The session of this digest, unless it was ended."""
    return _one(connection, _c.digest == digest)


def find_called(connection: Connection, key: str) -> SessionRow | None:
    """The session called so, unless it was ended."""
    return _one(connection, _c.key == key)


def read_all(connection: Connection, now: datetime, person: int) -> tuple[SessionRow, ...]:
    """The sessions of a person that have not ended, the oldest first."""
    rows = _OPEN.where(_c.person == person, _c.expires > stamp(now)).order_by(_c.id)
    return tuple(map(_row, connection.execute(rows)))


_OPEN: Select[Any] = select(t.session).where(_c.ended.is_(None))


def _one(connection: Connection, where: ColumnElement[bool]) -> SessionRow | None:
    row = connection.execute(_OPEN.where(where)).one_or_none()
    return None if row is None else _row(row)


def _row(row: Any) -> SessionRow:
    times = moment(row.at), moment(row.touched), moment(row.expires)
    return SessionRow(row.id, row.key, row.person, row.person_role, row.purpose, row.kind, row.scopes, row.agent, *times)


def touch(connection: Connection, session: int, now: datetime) -> None:
    """Say that it was used now."""
    connection.execute(update(t.session).where(_c.id == session).values(touched=stamp(now)))


def end(connection: Connection, sessions: Sequence[int], now: datetime) -> None:
    """End these sessions."""
    connection.execute(update(t.session).where(_c.id.in_(sessions), _c.ended.is_(None)).values(ended=stamp(now)))


def end_of_person(connection: Connection, person: int, now: datetime) -> int:
    """End every session of a person; how many there were."""
    ended = update(t.session).where(_c.person == person, _c.ended.is_(None)).values(ended=stamp(now))
    return connection.execute(ended).rowcount


def end_of_role(connection: Connection, role: int, now: datetime) -> None:
    """End every session that acts by a role."""
    connection.execute(update(t.session).where(_c.person_role == role, _c.ended.is_(None)).values(ended=stamp(now)))


def forget(connection: Connection, before: datetime) -> None:
    """Delete the sessions that expired before this moment, with their tokens."""
    connection.execute(delete(t.session).where(_c.expires < stamp(before)))


# --- refresh tokens


def add_refresh(connection: Connection, session: int, digest: bytes) -> None:
    """Keep a session's next refresh token."""
    connection.execute(insert(t.refresh_token).values(session=session, digest=digest))


def find_refresh(connection: Connection, digest: bytes) -> tuple[int, int] | None:
    """(token's id, its session's) of a refresh token, used or not."""
    row = connection.execute(select(_t.id, _t.session).where(_t.digest == digest)).one_or_none()
    return None if row is None else (row.id, row.session)


def use_refresh(connection: Connection, token: int, now: datetime) -> bool:
    """Use a refresh token up; False where it was used before."""
    used = update(t.refresh_token).where(_t.id == token, _t.used.is_(None)).values(used=stamp(now))
    return bool(connection.execute(used).rowcount)


def find_by_id(connection: Connection, session: int) -> SessionRow | None:
    """The session with this id, unless it was ended."""
    return _one(connection, _c.id == session)
