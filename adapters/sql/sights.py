"""Sights: from when to when each reader of images and descriptions could see a dataset, by stamps of the feed.

A reader is a client with a purpose. Its sights are compared with what it may see whenever that can have changed; what it came to
see or lost is then kept for good, so that a feed can tell of it whenever it is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, String, and_, cast, func, insert, or_, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.conditions import Action
from consent.entries import BatchClosed

_r, _v = t.reader.c, t.sight.c


@dataclass(frozen=True, slots=True)
class ReaderRow:
    """A client with a purpose (empty: none), and the stamp since which it is a reader."""

    id: int
    subject: str
    purpose: str
    since: int


class Seen(NamedTuple):
    """A dataset that may be seen for an action."""

    action: Action
    dataset: int


Ends = Mapping[Seen, datetime | None]
"""What may be seen, and when the clock ends that."""


def find_reader(connection: Connection, subject: str, purpose: str) -> ReaderRow | None:
    """The reader, where it is one by now."""
    row = connection.execute(select(t.reader).where(_r.subject == subject, _r.purpose == purpose)).one_or_none()
    return None if row is None else ReaderRow(*row)


def add_reader(connection: Connection, subject: str, purpose: str, since: int) -> ReaderRow:
    """Make somebody a reader."""
    key = insert_one(connection, t.reader, subject=subject, purpose=purpose, since=since)
    return ReaderRow(key, subject, purpose, since)


def readers(connection: Connection) -> tuple[ReaderRow, ...]:
    """Everybody who is a reader: at most each client with each of its purposes."""
    return tuple(ReaderRow(*row) for row in connection.execute(select(t.reader).order_by(_r.id)))


def in_sight(connection: Connection, reader: ReaderRow) -> Ends:
    """What the reader is known to see, and when the clock ends that."""
    rows = connection.execute(select(_v.action, _v.dataset, _v.ends).where(_v.reader == reader.id, _v.until.is_(None)))
    return {Seen(Action(action), dataset): None if ends is None else moment(ends) for action, dataset, ends in rows}


def close(connection: Connection, reader: ReaderRow, lost: Iterable[Seen], at: int) -> None:
    """Keep that the reader sees these no more."""
    for seen in lost:
        connection.execute(update(t.sight).where(*_open(reader, seen)).values(until=at))


def open_all(connection: Connection, reader: ReaderRow, gained: Iterable[Seen], ends: Ends, at: int) -> None:
    """Keep that the reader sees these from now on."""
    rows = [{"reader": reader.id, "action": s.action, "dataset": s.dataset, "since": at, "ends": _stamp(ends[s])} for s in gained]
    if rows:
        connection.execute(insert(t.sight), rows)


def set_ends(connection: Connection, reader: ReaderRow, ends: Ends) -> None:
    """Keep when the clock ends what the reader sees."""
    for seen, end in ends.items():
        connection.execute(update(t.sight).where(*_open(reader, seen)).values(ends=_stamp(end)))


def _open(reader: ReaderRow, seen: Seen) -> tuple[Any, ...]:
    return (_v.reader == reader.id, _v.action == str(seen.action), _v.dataset == seen.dataset, _v.until.is_(None))


def _stamp(at: datetime | None) -> int | None:
    return None if at is None else stamp(at)


def marks(connection: Connection, reader: ReaderRow, actions: Iterable[Action], after: int) -> list[int]:
    """The stamps from this one on at which datasets came in sight or were lost, in order; but for the reader's first."""
    own = (_v.reader == reader.id, _v.action.in_(list(map(str, actions))))
    since = select(_v.since).where(*own, _v.since >= after, _v.since != reader.since)
    until = select(_v.until).where(*own, _v.until >= after)
    return sorted(connection.execute(since.union(until)).scalars())


# --- descriptions whose sight a dataset's is

_DATASETS = select(t.dataset.c.id.label("row"), t.dataset.c.alias.label("name")).select_from(t.dataset)
_AGREEMENTS = select(t.agreement.c.id.label("row"), t.agreement.c.key.label("name")).join(
    t.dataset, t.dataset.c.agreement == t.agreement.c.id
)
_DEPOSITS = (
    select(t.ledger_body.c.id.label("row"), cast(t.ledger_body.c.id, String).label("name"))
    .join(t.dataset, t.ledger_body.c.dataset == t.dataset.c.id)
    .where(t.ledger_body.c.kind == BatchClosed.KIND)
)
DESCRIBED: dict[str, Select[Any]] = {
    "endpoints": _DATASETS,
    "datasets": _DATASETS,
    "members": _DATASETS,
    "agreements": _AGREEMENTS,
    "entries": _DEPOSITS,
}
"""Source → (row, name) of what comes in sight and goes with a dataset."""


def described(
    connection: Connection,
    reader: ReaderRow,
    source: str,
    actions: Iterable[Action],
    at: int,
    after: int,
    limit: int,
    names: Sequence[str] = (),
) -> list[tuple[int, str, bool]]:
    """(row, name, whether it was lost) of what came in sight for one of these actions or was lost at a stamp, after a row.

    Of these names only, if there are any.
    """
    what = DESCRIBED[source]
    row, name = what.selected_columns
    own = (_v.reader == reader.id, _v.action.in_(list(map(str, actions))), _v.dataset == t.dataset.c.id)
    changed = or_(_v.until == at, and_(_v.since == at, _v.until.is_(None)))
    rows = what.add_columns(func.max(_v.until)).join(t.sight, and_(*own)).where(changed, row > after).group_by(row, name)
    rows = rows.where(name.in_(names)) if names else rows
    return [(key, said, until is not None) for key, said, until in connection.execute(rows.order_by(row).limit(limit))]
