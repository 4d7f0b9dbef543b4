"""Pages of an export: the questions of `adapters.sql.search` in the one order that costs the same at any depth, up to a moment.

What was published by that moment is a condition that no index is to answer (`updated + 0`, a smallest value): it holds of almost
every row, and a planner that began with it would sort them all again for each page.
"""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, bindparam, func, select

from adapters.sql import tables as t
from adapters.sql.images import execute, statement
from adapters.sql.keyset import Key, paged, parameters, placed
from adapters.sql.store import moment, stamp
from consent.policy import VisibleDatasets
from mappings.query import Page, Position, Query
from mappings.study import Patient

_UNTIL = bindparam("until", type_=BigInteger)
_KEPT = 8
"""Statements kept: those of the steps under way."""


def documents(
    connection: Connection, query: Query, visible: VisibleDatasets, until: datetime, now: datetime
) -> list[tuple[Position, bytes]]:
    """One keyset page of (place, FHIR ImagingStudy bytes) of one dataset, of what was published by then and not since."""
    page, rows = query.page, _documents(replace(query, page=Page()), visible, bool(query.page.after))
    found = execute(connection, rows, now, until=stamp(until), **parameters(page.limit, page.after))
    return [(placed(row, 1), row[1]) for row in found.all()]


@lru_cache(maxsize=_KEPT)
def _documents(query: Query, visible: VisibleDatasets, further: bool) -> Select[Any]:
    study, (dataset,) = t.study.c, visible.datasets
    rows = statement(query, [study.document], visible).where(study.dataset == dataset, study.document.is_not(None))
    return paged(rows.where(study.updated + 0 <= _UNTIL), [Key(study.id)], further=further)


def patients(
    connection: Connection, query: Query, visible: VisibleDatasets, until: datetime, now: datetime
) -> list[tuple[Position, Patient]]:
    """One keyset page of (place, patient) for those who had a study that was published by then."""
    page, rows = query.page, _patients(replace(query, page=Page()), visible, bool(query.page.after))
    found = execute(connection, rows, now, until=stamp(until), **parameters(page.limit, page.after))
    return [((key,), Patient(own, provider, person, sex, moment(at))) for key, own, provider, person, sex, at in found.all()]


@lru_cache(maxsize=_KEPT)
def _patients(query: Query, visible: VisibleDatasets, further: bool) -> Select[Any]:
    key, columns, first = t.patient.c.key, [t.patient.c.patient_id, "gender", "patient_updated"], t.study.alias("first")
    rows = statement(query, [key, t.party.c.key, *columns], visible).join(t.party, t.patient.c.party == t.party.c.id)
    own = (first.c.patient == t.patient.c.id, first.c.dataset.in_(sorted(visible.datasets)))
    since = select(func.min(first.c.updated)).where(*own).correlate(t.patient).scalar_subquery()
    return paged(rows.where(since <= _UNTIL), [Key(key)], further=further)
