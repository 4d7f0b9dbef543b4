"""Pages and counts of what matches a question: studies, series, instances, documents, patients.

Answers are finished fragments; nothing is built row by row, and a page asked again is a kept statement.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam, func, select

from adapters.sql import tables as t
from adapters.sql.criteria import Column, counting
from adapters.sql.images import IMAGES, TABLES, statement
from adapters.sql.kept import Questions
from adapters.sql.keyset import LIMIT, Key, beyond, directed, paged, parameters, placed, sortable
from adapters.sql.rarest import few_studies
from adapters.sql.store import moment
from consent.policy import VisibleDatasets
from mappings.query import Level, Page, Position, Query
from mappings.study import Patient

_OFFSET = bindparam("offset", type_=BigInteger)
_OF_FEW = t.study.c.id.in_(bindparam("few", expanding=True))
_PATIENT_OF_FEW = t.patient.c.id.in_(select(t.study.c.patient).where(_OF_FEW))
_ANY = Page()
_FRAGMENTS: dict[Level, tuple[ColumnElement[Any], tuple[Key, ...]]] = {
    Level.STUDY: (t.study.c.fragment, (Key(t.study.c.study_date, True), Key(t.study.c.id, True))),
    Level.SERIES: (t.series.c.fragment, (Key(t.series.c.study), Key(t.series.c.id))),
    Level.INSTANCE: (t.instance.c.summary, (Key(t.instance.c.series), Key(t.instance.c.id))),
}
HOP = 1000
"""Rows that are passed over at once before a far page: PostgreSQL sorts all that it has rather than walk further."""


BEGINNING = 32_768
"""Bytes of an instance's metadata in which is looked for what an answer includes: patient, study and series come first."""
_OWN_FIRST = t.instance.alias("first")
_METADATA = func.substr(_OWN_FIRST.c.metadata, 1, BEGINNING)
_FIRST: dict[Level, ColumnElement[Any]] = {
    level: select(_METADATA).where(own).order_by(_OWN_FIRST.c.id).limit(1).scalar_subquery()
    for level, own in (
        (Level.STUDY, _OWN_FIRST.c.study == t.study.c.id),
        (Level.SERIES, _OWN_FIRST.c.series == t.series.c.id),
        (Level.INSTANCE, _OWN_FIRST.c.id == t.instance.c.id),
    )
}


def fragments(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """One page of finished DICOM JSON objects (PS3.18 F.2), newest study date first; lower levels in the order they came."""
    return [row[0] for row in fragments_of_studies(connection, query, visible, now)]


def fragments_of_studies(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> Sequence[Any]:
    """The same page as (object, and of the study it is of: its key and dataset); then what is to be joined to it.

    That are the objects of the levels above, and last, where something is included, how its first instance's metadata begins.
    """
    few = few_studies(connection, query)
    place: Position = ()
    left = query.page.offset if query.page.offset >= HOP else 0
    while left:
        step = min(left, HOP)
        passed = _told(connection, _anchor, query, visible, now, few, bool(place), offset=step - 1, **parameters(1, place))
        if not passed:
            return ()
        place, left = tuple(passed[0]), left - step
    offset, further = (0, True) if place else (query.page.offset, False)
    return _told(connection, _fragments, query, visible, now, few, further, offset=offset, **parameters(query.page.limit, place))


@Questions
def _anchor(query: Query, visible: VisibleDatasets, few: bool, further: bool) -> Select[Any]:
    """The place of the last row that is passed over in a hop: read off an index, and not with all that the row says."""
    order = _FRAGMENTS[query.level][1]
    rows = _statement(query, [key.column for key in order], visible, few)
    rows = rows.where(beyond(order)) if further else rows
    return rows.order_by(*map(directed, order)).limit(LIMIT).offset(_OFFSET)


@Questions
def _fragments(query: Query, visible: VisibleDatasets, few: bool, further: bool) -> Select[Any]:
    column, order = _FRAGMENTS[query.level]
    beside = [*(_FRAGMENTS[level][0] for level in query.above), *([_FIRST[query.level]] if query.include else [])]
    rows = _statement(query, [column, t.study.c.key, t.study.c.dataset, *beside], visible, few)
    rows = rows.where(beyond(order)) if further else rows
    return rows.order_by(*map(directed, order)).limit(LIMIT).offset(_OFFSET)


def _answered(
    connection: Connection,
    questions: Questions,
    query: Query,
    visible: VisibleDatasets,
    now: datetime,
    *shape: object,
    **parameters: int | str | None,
) -> Sequence[Any]:
    """The rows that answer a question. None where nothing can be an answer."""
    return _told(connection, questions, query, visible, now, few_studies(connection, query), *shape, **parameters)


def _told(
    connection: Connection,
    questions: Questions,
    query: Query,
    visible: VisibleDatasets,
    now: datetime,
    few: tuple[int, ...] | None,
    *shape: object,
    **parameters: int | str | None,
) -> Sequence[Any]:
    """The same, of these studies where there are few."""
    if few is not None and not few:
        return ()
    given = {} if few is None else {"few": few}
    return questions.told(connection, query, visible, now, few is not None, *shape, **parameters, **given)


def _statement(query: Query, columns: Sequence[Any], visible: VisibleDatasets, few: bool, *, whole: bool = False) -> Select[Any]:
    rows = statement(query, columns, visible, whole=whole)
    return rows.where(_PATIENT_OF_FEW if query.level is Level.PATIENT else _OF_FEW) if few else rows


def documents(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[tuple[Position, bytes, int]]:
    """One keyset page of (place, FHIR ImagingStudy bytes, dataset); in the order the studies came, or as is asked."""
    page, keys = query.page, len(query.page.order) + 1
    found = _answered(connection, _documents, query, visible, now, bool(page.after), **parameters(page.limit, page.after))
    return [(placed(row, keys), row[keys], row[keys + 1]) for row in found]


@Questions
def _documents(query: Query, visible: VisibleDatasets, few: bool, further: bool) -> Select[Any]:
    rows = _statement(query, [t.study.c.document, t.study.c.dataset], visible, few).where(t.study.c.document.is_not(None))
    return paged(rows, _keys(query, t.study.c.id), further=further)


def _keys(query: Query, own: ColumnElement[Any], **others: ColumnElement[Any]) -> list[Key]:
    """The order of a question's rows: as it says, then by their own key."""
    columns = {name: asked.column for name, asked in IMAGES.fields.items() if isinstance(asked, Column)} | others
    keys = [Key(sortable(columns[order.field]), order.descending) for order in query.page.order]
    return [*keys, Key(own, keys[-1].descending if keys else False)]


def count(
    connection: Connection,
    query: Query,
    visible: VisibleDatasets,
    now: datetime,
    ceiling: int | None = None,
    *,
    documented: bool = True,
) -> int:
    """How many rows match; at most `ceiling` of them are counted. Studies: of those that have a document, or of all."""
    asked = Query(query.level, query.where, _ANY, query.aliases)
    return sum(int(row[0]) for row in _answered(connection, _count, asked, visible, now, ceiling, documented))


@Questions
def _count(query: Query, visible: VisibleDatasets, few: bool, ceiling: int | None, documented: bool) -> Select[Any]:
    rows = _statement(query, [TABLES[query.level].c.id], visible, few, whole=ceiling is None)
    told = documented and query.level is Level.STUDY
    return counting(rows.where(t.study.c.document.is_not(None)) if told else rows, ceiling)


def patients(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[tuple[Position, Patient]]:
    """One keyset page of (place, patient) for those who have a study that matches; in the order of their keys, or as is asked.

    The order of the rows would tell which patient came first with a study that is out of sight.
    """
    page, keys = query.page, len(query.page.order) + 1
    found = _answered(connection, _patients, query, visible, now, bool(page.after), **parameters(page.limit, page.after))
    return [(placed(row, keys), _patient(*row[keys:])) for row in found]


def _patient(key: str, provider: str, person: str, sex: str | None, at: int) -> Patient:
    return Patient(key, provider, person, sex, moment(at))


@Questions
def _patients(query: Query, visible: VisibleDatasets, few: bool, further: bool) -> Select[Any]:
    key, columns = t.patient.c.key, [t.patient.c.patient_id, "gender", "patient_updated"]
    rows = _statement(query, [key, t.party.c.key, *columns], visible, few).join(t.party, t.patient.c.party == t.party.c.id)
    changed = rows.selected_columns["patient_updated"]
    return paged(rows, _keys(query, key, patient_updated=changed), further=further)
