"""Datasets on their way to another agreement of their provider: proposed by one side, answered by the other."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.agreement import Side

_c = t.dataset_move.c


@dataclass(frozen=True, slots=True)
class DatasetMove:
    """A move that was proposed: of which dataset, from and to which agreement, by which side and actor, and when."""

    id: int
    alias: str
    left: str
    agreement: str
    side: Side
    actor: str
    at: datetime


_to, _left = t.agreement.alias("moves_to"), t.agreement.alias("moves_from")


def add(connection: Connection, now: datetime, *, dataset: int, left: int, agreement: int, side: Side, actor: str) -> None:
    """Keep a proposal."""
    governance.touch(connection)
    moved = {"dataset": dataset, "left": left, "agreement": agreement, "side": str(side), "actor": actor, "at": stamp(now)}
    insert_one(connection, t.dataset_move, **moved)


def read_asked(connection: Connection) -> tuple[DatasetMove, ...]:
    """The proposals that nobody has answered, in the order they were made."""
    rows = (
        select(_c.id, t.dataset.c.alias, _left.c.key.label("left"), _to.c.key.label("agreement"), _c.side, _c.actor, _c.at)
        .join(t.dataset, _c.dataset == t.dataset.c.id)
        .join(_to, _c.agreement == _to.c.id)
        .join(_left, _c.left == _left.c.id)
        .where(_c.answer.is_(None))
        .order_by(_c.id)
    )
    return tuple(
        DatasetMove(r.id, r.alias, r.left, r.agreement, Side(r.side), r.actor, moment(r.at)) for r in connection.execute(rows)
    )


def answer(connection: Connection, move: DatasetMove, now: datetime, *, verb: str, actor: str) -> None:
    """Keep an answer to a proposal."""
    governance.touch(connection)
    answered = {"answer": verb, "answered_by": actor, "answered": stamp(now)}
    connection.execute(update(t.dataset_move).where(_c.id == move.id).values(**answered))


def bring(connection: Connection, now: datetime, *, dataset: int, left: int, agreement: int) -> None:
    """Bring a dataset under another agreement; both say since then what they cover."""
    governance.update_row(connection, t.dataset, dataset, now, agreement=agreement)
    for each in (left, agreement):
        governance.update_row(connection, t.agreement, each, now)
