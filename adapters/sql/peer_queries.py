"""Questions to other repositories that somebody waits for, and the answers as they come; both are forgotten after an hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_of, insert_one, moment, stamp

_q, _a = t.peer_query.c, t.peer_answer.c


@dataclass(frozen=True, slots=True)
class PeerQueryRow:
    """A question of one subject: its text, the kind of each peer by name, and until when answers may come."""

    id: int
    key: str
    subject: str
    question: str
    peers: Mapping[str, str]
    at: datetime
    until: datetime
    cancelled: bool


def add(
    connection: Connection, *, key: str, subject: str, question: str, peers: Mapping[str, str], at: datetime, until: datetime
) -> int:
    """Keep a question; its id."""
    named = {"key": key, "subject": subject, "question": question, "peers": msgspec.json.encode(peers).decode()}
    return insert_one(connection, t.peer_query, **named, at=stamp(at), until=stamp(until), cancelled=False)


def find(connection: Connection, key: str, subject: str) -> PeerQueryRow | None:
    """The question of this subject."""
    row = connection.execute(select(t.peer_query).where(_q.key == key, _q.subject == subject)).one_or_none()
    return None if row is None else _row(row)


def counted(connection: Connection, subject: str, now: datetime) -> tuple[int, int]:
    """How many questions of this subject are kept, and how many of them may still be answered."""
    asked = select(func.count(), func.count().filter(_q.until > stamp(now))).where(_q.subject == subject)
    kept, open_ = connection.execute(asked).one()
    return int(kept), int(open_)


def answer(connection: Connection, query: int, peer: str, told: str) -> None:
    """Keep a peer's answer; none where the question is forgotten already, or the peer has answered."""
    if connection.execute(select(_q.id).where(_q.id == query)).first() is not None:
        connection.execute(
            insert_of(connection)(t.peer_answer).values(query=query, peer=peer, told=told).on_conflict_do_nothing()
        )


def answers(connection: Connection, query: int) -> dict[str, str]:
    """Peer → what was kept of its answer."""
    return {row.peer: row.told for row in connection.execute(select(t.peer_answer).where(_a.query == query))}


def end(connection: Connection, query: int, now: datetime) -> None:
    """No answer comes any more."""
    connection.execute(update(t.peer_query).where(_q.id == query, _q.until > stamp(now)).values(until=stamp(now)))


def cancel(connection: Connection, query: int, now: datetime) -> None:
    """The same, since its subject wants none."""
    connection.execute(update(t.peer_query).where(_q.id == query, _q.until > stamp(now)).values(until=stamp(now), cancelled=True))


def is_open(connection: Connection, query: int) -> bool:
    """Whether it is there and was not cancelled."""
    return connection.execute(select(_q.id).where(_q.id == query, ~_q.cancelled)).first() is not None


def forget(connection: Connection, before: datetime) -> int:
    """Forget what was asked before this moment; how many."""
    old = select(_q.id).where(_q.at < stamp(before))
    connection.execute(delete(t.peer_answer).where(_a.query.in_(old)))
    return int(connection.execute(delete(t.peer_query).where(_q.at < stamp(before))).rowcount)


def _row(row: Any) -> PeerQueryRow:
    peers = msgspec.json.decode(row.peers, type=dict[str, str])
    return PeerQueryRow(row.id, row.key, row.subject, row.question, peers, moment(row.at), moment(row.until), bool(row.cancelled))
