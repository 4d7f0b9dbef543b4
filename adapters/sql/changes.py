"""What of the images came, changed and went, in the order in which it was committed, as far as one reader saw it.

What a reader comes to see, or sees no more, happens to it at the stamp of that (`adapters.sql.sights`), whenever its studies were
published. Every page is by keyset; what is told as there is narrowed to what may be seen now, what is told as gone to what was in
the reader's sight before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, case, exists, or_, select, true

from adapters.sql import images
from adapters.sql import tables as t
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.query import EVERYTHING, Condition, Level, Not, Query

_s, _g, _v, _p = t.study.c, t.tombstone.c, t.sight.c, t.patient.c
_w, _o = t.sight.alias("again").c, t.study.alias("other").c
LATER = 2**62
"""No stamp and no row comes after."""
SIGHT, SIGHT_OF_GONE, CAME, WENT = range(4)
"""The kinds of events, in their order at one stamp: a dataset came in or out of sight, with its studies and with those that had
gone by the time of asking; a study was published; one was withdrawn."""


class Event(NamedTuple):
    """Something that happened, by its place in a feed: stamp, kind, and row of that kind; to what, and whether that was lost."""

    stamp: int
    kind: int
    row: int
    identity: str
    lost: bool

    @property
    def place(self) -> "Place":
        """Where it stands in the feed."""
        return Place(*self[:3])


class Place(NamedTuple):
    """Where a reader is in a feed: after this row of this kind at this stamp."""

    stamp: int
    kind: int = 0
    row: int = 0

    def row_of(self, kind: int) -> int:
        """The row of a kind after which it goes on at this very stamp."""
        return self.row if kind == self.kind else 0 if kind > self.kind else LATER


@dataclass(frozen=True, slots=True)
class Followed:
    """Studies, or their patients: what names one in the index and on a tombstone, and what one of them is found by.

    `was_there`: whether it may have been there before the study was published or came in sight, by what these datasets hold.
    """

    identity: ColumnElement[str]
    buried: ColumnElement[str]
    one: Callable[[str], ColumnElement[bool]]
    was_there: Callable[[frozenset[int]], ColumnElement[bool]]


_GREW = _s.published < _s.updated


def _has_others(datasets: frozenset[int]) -> ColumnElement[bool]:
    return exists().where(_o.patient == _s.patient, _o.id != _s.id, _o.dataset.in_(sorted(datasets))).correlate(t.study)


STUDIES = Followed(_s.key, _g.key, lambda key: _s.key == key, lambda _: _GREW)
_PATIENT = select(_p.key).where(_p.id == _s.patient).correlate(t.study).scalar_subquery()
PATIENTS = Followed(
    _PATIENT,
    _g.patient,
    lambda key: _s.patient.in_(select(_p.id).where(_p.key == key)),
    lambda datasets: or_(_GREW, _has_others(datasets)),
)
"""A patient changes when any of its studies does, and is lost with the last of them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, of what: its row among the readers and since when it is one; what it sees now.

    `where` is what its scopes leave of that, and `strayed` asks for what they do not leave, and may have left before; `only` is
    what alone is asked for.
    """

    followed: Followed
    reader: int
    since: int
    visible: VisibleDatasets
    now: datetime
    where: Condition = EVERYTHING
    strayed: bool = False
    only: str | None = None


def came(connection: Connection, reading: Reading, after: Place, before: int, limit: int) -> list[Event]:
    """What was published after a place and before a stamp, of what is in sight since then."""
    since = or_(_v.since == reading.since, _s.updated > _v.since)  # by its first sight, nothing came in a reader's sight
    rows = _visible(reading).where(_saw(reading, t.study, _v.until.is_(None), since))
    page = _page(rows, (_s.updated, _s.id), after, CAME, before, limit)
    return [Event(at, CAME, row, key, reading.strayed) for at, row, key in images.execute(connection, page, reading.now)]


def went(connection: Connection, reading: Reading, after: Place, before: int, limit: int) -> list[Event]:
    """What was withdrawn after a place and before a stamp, where it was in sight then."""
    seen = (_v.since < _g.at, or_(_v.until.is_(None), _v.until > _g.at), _g.published <= _end())
    page = _page(_buried(reading).where(_saw(reading, t.tombstone, *seen)), (_g.at, _g.id), after, WENT, before, limit)
    return [Event(at, WENT, row, key, True) for at, row, key in connection.execute(page)]


def shown(connection: Connection, reading: Reading, after: Place, limit: int) -> list[Event]:
    """The studies of the datasets that came in sight at the place's stamp, and were published before; after the place."""
    seen = (_v.until.is_(None), _v.since == after.stamp, _s.updated < _v.since)
    rows = _visible(reading).where(_saw(reading, t.study, *seen), _s.id > after.row_of(SIGHT))
    found = images.execute(connection, rows.order_by(_s.id).limit(limit), reading.now)
    return [Event(after.stamp, SIGHT, row, key, reading.strayed) for _, row, key in found]


def hidden(connection: Connection, reading: Reading, after: Place, limit: int) -> list[Event]:
    """The studies of the datasets that went out of sight at the place's stamp, after the place.

    Those that were published when they could not be seen any more are not named, nor those that are in sight again. What went
    cannot be asked any more: it is named whatever scopes leave.
    """
    same = (_w.reader == _v.reader, _w.action == _v.action, _w.dataset == _v.dataset)
    again, ended = exists().where(*same, _w.until.is_(None)).correlate(t.sight), _v.until == after.stamp
    there = select(_s.updated, _s.id, reading.followed.identity).where(
        _is(reading, reading.followed.one), _s.document.is_not(None)
    )
    there = there.where(_saw(reading, t.study, ended, _s.published <= _end(), ~again), _s.id > after.row_of(SIGHT))
    gone = _buried(reading).where(_g.at > after.stamp, _g.id > after.row_of(SIGHT_OF_GONE))
    gone = gone.where(_saw(reading, t.tombstone, ended, _g.published <= _end()))
    pages = {SIGHT: there.order_by(_s.id).limit(limit), SIGHT_OF_GONE: gone.order_by(_g.id).limit(limit)}
    return [Event(after.stamp, kind, row, key, True) for kind, page in pages.items() for _, row, key in connection.execute(page)]


def _saw(reading: Reading, of: Table, *how: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the reader had a row's dataset in sight so.

    As a value and no EXISTS, which PostgreSQL joins, taking it for rare: it sorted all that there is for each page.
    """
    own = (_v.reader == reading.reader, _v.action == str(Action.QUERY), _v.dataset == of.c.dataset)
    return select(_v.id).where(*own, *how).limit(1).correlate(of).scalar_subquery().is_not(None)


def _end() -> ColumnElement[int]:
    """When a dataset was last in sight: by the clock perhaps earlier than it was told."""
    until = case((_v.until.is_(None), LATER), else_=_v.until)
    return case((_v.ends < until, _v.ends), else_=until)


def _visible(reading: Reading) -> Select[Any]:
    """What the reader may see now: the statement that every question about images is."""
    columns = (_s.updated, _s.id, reading.followed.identity)
    where = Not(reading.where) if reading.strayed else reading.where
    rows = images.statement(Query(Level.STUDY, where), columns, reading.visible)
    rows = rows.where(_is(reading, reading.followed.one), _s.document.is_not(None))
    return rows.where(reading.followed.was_there(reading.visible.datasets)) if reading.strayed else rows


def _buried(reading: Reading) -> Select[Any]:
    buried = reading.followed.buried
    return select(_g.at, _g.id, buried).where(_is(reading, lambda key: buried == key))


def _is(reading: Reading, one: Callable[[str], ColumnElement[bool]]) -> ColumnElement[bool]:
    return true() if reading.only is None else one(reading.only)


def _page(
    rows: Select[Any], place: tuple[ColumnElement[int], ColumnElement[int]], after: Place, kind: int, before: int, limit: int
) -> Select[Any]:
    at, row = place
    later = or_(at > after.stamp, row > after.row_of(kind))
    return rows.where(at >= after.stamp, later, at < before).order_by(at, row).limit(limit)


def first(limit: int, *found: Sequence[Event]) -> list[Event]:
    """The first of events from several pages."""
    return sorted((event for events in found for event in events), key=lambda event: event[:3])[:limit]
