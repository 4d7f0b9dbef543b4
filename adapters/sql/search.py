"""Pages and counts of what matches a question: studies, series, instances, documents, patients.

Answers are finished fragments; nothing is built row by row, and a page asked again is a kept statement.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, bindparam

from adapters.sql import tables as t
from adapters.sql.criteria import counting, is_kept
from adapters.sql.images import TABLES, execute, statement
from adapters.sql.store import moment
from consent.policy import VisibleDatasets
from mappings.query import Level, Page, Query
from mappings.study import KEY_DIGITS, Patient

_AFTER, _LIMIT, _OFFSET = (bindparam(name, type_=BigInteger) for name in ("after", "limit", "offset"))
_ANY = Page()
_KEPT = 512
"""Statements kept, by question, datasets and shape of page; what varies from page to page is a parameter."""
_Making = Callable[..., Select[Any]]


def _kept(make: _Making) -> _Making:
    """The maker of statements with its statements kept, but for those of large questions."""
    again = lru_cache(maxsize=_KEPT)(make)

    @wraps(make)
    def statement_of(query: Query, *shape: Any) -> Select[Any]:
        return (again if is_kept(query.where) else make)(query, *shape)

    return statement_of


_FRAGMENTS: dict[Level, tuple[ColumnElement[Any], tuple[Any, ...]]] = {
    Level.STUDY: (t.study.c.fragment, (t.study.c.study_date.desc(), t.study.c.id.desc())),
    Level.SERIES: (t.series.c.fragment, (t.series.c.study, t.series.c.id)),
    Level.INSTANCE: (t.instance.c.summary, (t.instance.c.series, t.instance.c.id)),
}


def fragments(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """One page of finished DICOM JSON objects (PS3.18 F.2), newest study date first; lower levels in the order they came."""
    rows = _fragments(replace(query, page=_ANY), replace(visible, valid_until=None))
    page = execute(connection, rows, now, limit=query.page.limit, offset=query.page.offset)
    return [row[0] for row in page.all()]  # all at once: row by row costs half as much again


@_kept
def _fragments(query: Query, visible: VisibleDatasets) -> Select[Any]:
    column, order = _FRAGMENTS[query.level]
    return statement(query, [column], visible).order_by(*order).limit(_LIMIT).offset(_OFFSET)


def documents(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[tuple[int, bytes]]:
    """One keyset page of (row id, FHIR ImagingStudy bytes), in the order the studies came."""
    rows = _documents(replace(query, page=_ANY), replace(visible, valid_until=None))
    page = execute(connection, rows, now, limit=query.page.limit, after=query.page.after or 0)
    return [(row[0], row[1]) for row in page.all()]


@_kept
def _documents(query: Query, visible: VisibleDatasets) -> Select[Any]:
    rows = statement(query, [t.study.c.id, t.study.c.document], visible)
    return rows.where(t.study.c.document.is_not(None), t.study.c.id > _AFTER).order_by(t.study.c.id).limit(_LIMIT)


def count(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime, ceiling: int | None = None) -> int:
    """How many rows match; at most `ceiling` of them are counted."""
    rows = _count(replace(query, page=_ANY), replace(visible, valid_until=None), ceiling)
    return int(execute(connection, rows, now).scalar_one())


@_kept
def _count(query: Query, visible: VisibleDatasets, ceiling: int | None) -> Select[Any]:
    rows = statement(query, [TABLES[query.level].c.id], visible)
    return counting(rows.where(t.study.c.document.is_not(None)) if query.level is Level.STUDY else rows, ceiling)


def patients(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[tuple[int, Patient]]:
    """One keyset page of (key as a number, patient) for those who have a study that matches, in the order of their keys.

    The order of the rows would tell which patient came first with a study that is out of sight.
    """
    rows = _patients(replace(query, page=_ANY), replace(visible, valid_until=None))
    page = execute(connection, rows, now, limit=query.page.limit, after=f"{query.page.after or 0:0{KEY_DIGITS}x}")
    return [(int(key, 16), Patient(key, provider, person, sex, moment(at))) for key, provider, person, sex, at in page.all()]


@_kept
def _patients(query: Query, visible: VisibleDatasets) -> Select[Any]:
    key, columns = t.patient.c.key, [t.patient.c.patient_id, "gender", "patient_updated"]
    rows = statement(query, [key, t.party.c.key, *columns], visible).join(t.party, t.patient.c.party == t.party.c.id)
    return rows.where(key > bindparam("after")).order_by(key).limit(_LIMIT)
