"""The rows of images, and the statement that every question about them is: FROM `open_rows`, with its conditions added.

`open_rows` ties study to dataset, agreement and node under one predicate (agreement active and in period, node linked, dataset
visible to the caller), so that a stop binds the next statement and no caller sees around it. A `Query`'s conditions are added,
never taken away.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Result, Select, bindparam, select

from adapters.sql import criteria
from adapters.sql import tables as t
from adapters.sql.criteria import Below, Column, Searchable, depths, narrow
from adapters.sql.governance import IN_FORCE, is_open
from adapters.sql.store import stamp
from consent.policy import VisibleDatasets
from mappings.fields import FIELDS, Field
from mappings.query import Level, Query

TABLES = {Level.PATIENT: t.patient, Level.STUDY: t.study, Level.SERIES: t.series, Level.INSTANCE: t.instance}
_DEPTH = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.INSTANCE: 3}
_NAMED_OTHERWISE: dict[str, ColumnElement[Any]] = {
    "patient_key": t.patient.c.key,
    "patient_updated": t.patient.c.updated,
    "gender": t.patient.c.sex,
    "study_key": t.study.c.key,
    "series_number": t.series.c.number,
    "series_description": t.series.c.description,
    "instance_number": t.instance.c.number,
}
_AT = bindparam("at", type_=BigInteger)


def _column(field: Field) -> Column:
    named = _NAMED_OTHERWISE.get(field.name)
    return Column(TABLES[field.level].c[field.name] if named is None else named, field.kind, _DEPTH[field.level])


IMAGES = Searchable(
    {field.name: _column(field) for field in FIELDS.values()},
    {
        (1, 2): Below(t.study, t.series.c.study == t.study.c.id),
        (1, 3): Below(t.study, t.instance.c.study == t.study.c.id),
        (2, 3): Below(t.series, t.instance.c.series == t.series.c.id),
    },
)
"""Every field of `mappings.fields`: patients (joined to their studies), studies, series and instances."""


def open_datasets(datasets: frozenset[int]) -> Select[Any]:
    """The ids of those of these datasets that are open at the parameter `at`."""
    return (
        select(t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .join(t.agreement_version, IN_FORCE)
        .join(t.node, t.agreement_version.c.node == t.node.c.id)
        .where(t.dataset.c.id.in_(sorted(datasets)), is_open(_AT))
    )


def open_rows(columns: Sequence[Any], datasets: frozenset[int], aliases: frozenset[str] | None = None) -> Select[Any]:
    """A statement over the studies of these datasets that are open at its parameter `at`; every other statement starts from it.

    `dataset + 0` is no column that an index has: the planner follows the question's own index (a UID, a patient, the order of the
    page) and looks each study's dataset up among the open ones, instead of sorting every study of every dataset.
    """
    opened = open_datasets(datasets)
    named = opened if aliases is None else opened.where(t.dataset.c.alias.in_(sorted(aliases)))
    return select(*columns).select_from(t.study).where((t.study.c.dataset + 0).in_(named))


def statement(query: Query, columns: Sequence[Any], visible: VisibleDatasets) -> Select[Any]:
    """The rows of the question's level that match, of what is visible and open at the parameter `at`; without its page."""
    rows = open_rows(columns, visible.datasets, query.aliases)
    if query.level in (Level.SERIES, Level.INSTANCE):
        rows = rows.join(t.series, t.series.c.study == t.study.c.id)
    if query.level is Level.INSTANCE:
        rows = rows.join(t.instance, t.instance.c.series == t.series.c.id)
    if query.level is Level.PATIENT or 0 in depths(query.where, IMAGES):
        rows = rows.join(t.patient, t.study.c.patient == t.patient.c.id)
    return narrow(rows, query.where, IMAGES, max(_DEPTH[query.level], 1))


def execute(connection: Connection, rows: Select[Any], now: datetime, **page: int | None) -> Result[*tuple[Any, ...]]:
    """What a statement answers now; `page` are its other parameters."""
    return criteria.execute(connection, rows, {"at": stamp(now), **page})
