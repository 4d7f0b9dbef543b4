"""Notices and their deliveries: the outbox, whose secrets no listing reads."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, or_, select, true, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.notice import DeliveryState, NoticeDelivery, NoticeKind

_n, _d = t.notice.c, t.delivery.c


class Addressee(NamedTuple):
    """Whom a notice goes to: a party by its key (None: the operators), perhaps one person of it, perhaps by e-mail."""

    party: str | None
    person: str | None = None
    address: str | None = None


class Outgoing(NamedTuple):
    """What is to be mailed."""

    id: int
    address: str
    title: str
    text: str
    secret: str | None


def add(
    connection: Connection,
    key: str,
    kind: NoticeKind,
    title: str,
    text: str,
    about: str,
    now: datetime,
    addressees: Iterable[Addressee],
    *,
    effective: datetime | None = None,
    secret: str | None = None,
) -> list[int]:
    """Keep a notice and its deliveries; the ids of those that wait for mail."""
    at = stamp(now)
    said = {"key": key, "kind": str(kind), "title": title, "text": text, "about": about, "at": at}
    notice = insert_one(connection, t.notice, **said, effective=None if effective is None else stamp(effective))
    waiting = []
    for to in addressees:
        state = DeliveryState.WAITING if to.address else DeliveryState.HERE
        values = {"notice": notice, **to._asdict(), "secret": secret, "state": str(state), "at": at}
        row = insert_one(connection, t.delivery, **values)
        waiting += [row] if to.address else []
    return waiting


def is_told(connection: Connection, kind: NoticeKind, about: str) -> bool:
    """Whether there was a notice of this kind about this."""
    return connection.execute(select(_n.id).where(_n.kind == str(kind), _n.about == about).limit(1)).first() is not None


def find_outgoing(connection: Connection, delivery: int) -> Outgoing | None:
    """A delivery that waits for mail."""
    rows = select(_d.id, _d.address, _n.title, _n.text, _d.secret).join(t.notice, _d.notice == _n.id)
    row = connection.execute(rows.where(_d.id == delivery, _d.state == str(DeliveryState.WAITING))).one_or_none()
    return None if row is None else Outgoing(*row)


def end(connection: Connection, delivery: int, state: DeliveryState, now: datetime) -> None:
    """Say what became of a delivery; a secret that was sent, or can't be, is forgotten."""
    connection.execute(update(t.delivery).where(_d.id == delivery).values(state=str(state), at=stamp(now), secret=None))


_TOLD = (_d.id, _n.key, _n.kind, _n.title, _n.text, _d.party, _d.person, _n.effective, _n.at, _d.state, _d.acknowledged)


def read_all(connection: Connection, party: str | None, person: str, limit: int, *, every: bool = False) -> list[NoticeDelivery]:
    """The newest deliveries to a party (None: the operators) or to this person of it; `every`: to anybody. Never a secret."""
    own = and_(_d.party.is_(None) if party is None else _d.party == party, or_(_d.person.is_(None), _d.person == person))
    rows = select(*_TOLD).join(t.notice, _d.notice == _n.id).where(true() if every else own)
    return [_row(row) for row in connection.execute(rows.order_by(_d.id.desc()).limit(limit))]


def find(connection: Connection, delivery: int) -> NoticeDelivery | None:
    """One delivery."""
    row = connection.execute(select(*_TOLD).join(t.notice, _d.notice == _n.id).where(_d.id == delivery)).one_or_none()
    return None if row is None else _row(row)


def acknowledge(connection: Connection, delivery: int, actor: str, now: datetime) -> bool:
    """Say that a delivery was read; False where that was said before."""
    unread = update(t.delivery).where(_d.id == delivery, _d.acknowledged.is_(None))
    return connection.execute(unread.values(acknowledged=stamp(now), acknowledged_by=actor)).rowcount == 1


def _row(r: Any) -> NoticeDelivery:
    key, notice, kind, title, text, party, person, effective, at, state, read = r
    when = None if effective is None else moment(effective), moment(at)
    acknowledged = None if read is None else moment(read)
    return NoticeDelivery(key, notice, NoticeKind(kind), title, text, party, person, *when, DeliveryState(state), acknowledged)


def ending_agreements(connection: Connection, now: datetime, before: datetime) -> list[tuple[str, str, int, datetime]]:
    """(key, provider, version, end) of the active agreements whose period ends before a moment and has not ended."""
    a, v = t.agreement.c, t.agreement_version.c
    rows = (
        select(a.key, t.party.c.key, v.version, v.ends)
        .join(t.agreement_version, and_(v.agreement == a.id, v.version == a.version))
        .join(t.party, a.party == t.party.c.id)
        .where(a.state == "active", v.ends > stamp(now), v.ends <= stamp(before))
        .order_by(a.id)
    )
    return [(key, provider, version, moment(ends)) for key, provider, version, ends in connection.execute(rows)]
