"""Invitations: kept as the digest of what their link holds, good until they expire or are used, and once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from adapters.sql import tables as t
from adapters.sql.store import moment, stamp

_c = t.invitation.c


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation that may be used now, and whom it is for."""

    id: int
    person: int
    actor: str
    expires: datetime


def add(connection: Connection, now: datetime, *, person: int, digest: bytes, actor: str, expires: datetime) -> None:
    """Keep an invitation; those of before for this person are good no more."""
    end_all(connection, person, now)
    values = {"person": person, "digest": digest, "actor": actor, "at": stamp(now), "expires": stamp(expires)}
    connection.execute(insert(t.invitation).values(**values))


def find(connection: Connection, digest: bytes, now: datetime) -> InvitationRow | None:
    """The invitation of this digest, while it may be used."""
    found = select(t.invitation).where(_c.digest == digest, _c.used.is_(None), _c.expires > stamp(now))
    row = connection.execute(found).one_or_none()
    return None if row is None else InvitationRow(row.id, row.person, row.actor, moment(row.expires))


def use(connection: Connection, invitation: int, now: datetime) -> bool:
    """Use it up; False where somebody did before."""
    used = update(t.invitation).where(_c.id == invitation, _c.used.is_(None), _c.expires > stamp(now)).values(used=stamp(now))
    return bool(connection.execute(used).rowcount)


def end_all(connection: Connection, person: int, now: datetime) -> None:
    """End every invitation of a person that is not used."""
    connection.execute(update(t.invitation).where(_c.person == person, _c.used.is_(None)).values(used=stamp(now)))
