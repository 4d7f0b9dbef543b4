"""The one query builder: every statement that looks at data is made here, and each is FROM `open_rows`.

`open_rows` ties study to dataset, agreement and node under one predicate (agreement active and in period, node linked, dataset
visible to the caller), so that a stop binds the next statement and no caller sees around it. A `Query`'s conditions are added,
never taken away. Answers are finished fragments; nothing is built row by row, and a page asked again is a kept statement.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Result,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy import not_ as sql_not

from adapters.sql import tables as t
from adapters.sql.governance import IN_FORCE, is_open
from adapters.sql.store import moment, stamp
from consent.custody import State
from consent.policy import VisibleDatasets
from mappings.fields import FIELDS, Field, Kind
from mappings.query import AllOf, AnyOf, Between, Condition, Level, Like, Not, OneOf, Page, Query

_COLUMNS: dict[str, ColumnElement[Any]] = {
    "patient_key": t.patient.c.key,
    "patient_updated": t.patient.c.updated,
    "gender": t.patient.c.sex,
    "study_key": t.study.c.key,
    "series_number": t.series.c.number,
    "series_description": t.series.c.description,
    "instance_number": t.instance.c.number,
}
_TABLES = {Level.PATIENT: t.patient, Level.STUDY: t.study, Level.SERIES: t.series, Level.INSTANCE: t.instance}
_DEPTH = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.INSTANCE: 3}
ESCAPE = "\\"
_AT, _AFTER, _LIMIT, _OFFSET = (bindparam(name, type_=BigInteger) for name in ("at", "after", "limit", "offset"))
_ANY = Page()
_KEPT = 512
"""Statements kept, by question, datasets and shape of page; what varies from page to page is a parameter."""


def open_rows(columns: Sequence[Any], datasets: frozenset[int], aliases: frozenset[str] | None = None) -> Select[Any]:
    """A statement over the studies of these datasets that are open at its parameter `at`; every other statement starts from it.

    `dataset + 0` is no column that an index has: the planner follows the question's own index (a UID, a patient, the order of the
    page) and looks each study's dataset up among the open ones, instead of sorting every study of every dataset.
    """
    opened = (
        select(t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .join(t.agreement_version, IN_FORCE)
        .join(t.node, t.agreement_version.c.node == t.node.c.id)
        .where(t.dataset.c.id.in_(sorted(datasets)), is_open(_AT))
    )
    named = opened if aliases is None else opened.where(t.dataset.c.alias.in_(sorted(aliases)))
    return select(*columns).select_from(t.study).where((t.study.c.dataset + 0).in_(named))


def _column(field: Field) -> ColumnElement[Any]:
    found = _COLUMNS.get(field.name)
    return _TABLES[field.level].c[field.name] if found is None else found


def _leaf(condition: OneOf | Like | Between) -> ColumnElement[bool]:
    field = FIELDS[condition.field]
    column = _column(field)
    if isinstance(condition, OneOf):
        return column.in_(condition.values)
    if isinstance(condition, Like):
        return _text(column, field.kind, condition.pattern)
    present = column.is_not(None) if field.kind in (Kind.NUMBER, Kind.MOMENT) else column != ""
    bounds = [column >= condition.low] if condition.low is not None else []
    bounds += [column <= condition.high] if condition.high is not None else []
    return and_(present, *bounds)


def _text(column: ColumnElement[Any], kind: Kind, pattern: str) -> ColumnElement[bool]:
    """`*` and `?` as LIKE (PS3.4 C.2.2.2.4); a name matches from its start or that of a component group."""
    like = "".join(f"{ESCAPE}{c}" if c in f"%_{ESCAPE}" else {"*": "%", "?": "_"}.get(c, c) for c in pattern)
    if kind is Kind.NAME:
        return or_(column.like(like, escape=ESCAPE), column.like(f"%={like}", escape=ESCAPE))
    return column.like(like, escape=ESCAPE)


def _deepest(condition: Condition) -> int:
    if isinstance(condition, AllOf | AnyOf):
        return max((_deepest(p) for p in condition.parts), default=0)
    return _deepest(condition.part) if isinstance(condition, Not) else _DEPTH[FIELDS[condition.field].level]


def _shallowest(condition: Condition) -> int:
    if isinstance(condition, AllOf | AnyOf):
        return min((_shallowest(p) for p in condition.parts), default=9)
    return _shallowest(condition.part) if isinstance(condition, Not) else _DEPTH[FIELDS[condition.field].level]


def _denies(condition: Condition) -> bool:
    """Whether a part speaks of what is not there: of no series at all, so not of the same one."""
    return isinstance(condition, Not) or (isinstance(condition, AllOf | AnyOf) and any(_denies(p) for p in condition.parts))


def compiled(condition: Condition, depth: int) -> ColumnElement[bool]:
    """A condition as SQL inside a statement whose rows stand at `depth`; what lies deeper becomes EXISTS."""
    if isinstance(condition, AllOf):
        return _all(condition.parts, depth)
    if isinstance(condition, AnyOf):
        return or_(false(), *(compiled(p, depth) for p in condition.parts))
    if isinstance(condition, Not):
        return sql_not(
            func.coalesce(compiled(condition.part, depth), false())
        )  # what is empty is not equal; NULL would be neither
    deeper = _DEPTH[FIELDS[condition.field].level]
    return _leaf(condition) if deeper <= depth else _below((condition,), depth, deeper)


def _all(parts: Iterable[Condition], depth: int) -> ColumnElement[bool]:
    here: list[ColumnElement[bool]] = [true()]
    below: dict[int, list[Condition]] = {}
    for part in parts:
        if not _denies(part) and _shallowest(part) == _deepest(part) > depth:
            below.setdefault(_deepest(part), []).append(part)
        else:
            here.append(compiled(part, depth))
    return and_(*here, *(_below(group, depth, deeper) for deeper, group in below.items()))


def _below(parts: Sequence[Condition], depth: int, deeper: int) -> ColumnElement[bool]:
    """Some one series (or instance) under this row meets every part."""
    if deeper == _DEPTH[Level.SERIES]:
        return exists().where(t.series.c.study == t.study.c.id, *(compiled(p, deeper) for p in parts)).correlate(t.study)
    joined = t.instance.c.series == t.series.c.id if depth == _DEPTH[Level.SERIES] else t.instance.c.study == t.study.c.id
    outer = t.series if depth == _DEPTH[Level.SERIES] else t.study
    return exists().where(joined, *(compiled(p, deeper) for p in parts)).correlate(outer)


def _statement(query: Query, columns: Sequence[Any], visible: VisibleDatasets) -> Select[Any]:
    rows = open_rows(columns, visible.datasets, query.aliases)
    if query.level in (Level.SERIES, Level.INSTANCE):
        rows = rows.join(t.series, t.series.c.study == t.study.c.id)
    if query.level is Level.INSTANCE:
        rows = rows.join(t.instance, t.instance.c.series == t.series.c.id)
    if query.level is Level.PATIENT or _shallowest(query.where) == 0:
        rows = rows.join(t.patient, t.study.c.patient == t.patient.c.id)
    return rows.where(compiled(query.where, max(_DEPTH[query.level], 1)))


def _asked(connection: Connection, rows: Select[Any], now: datetime, **page: int | None) -> Result[*tuple[Any, ...]]:
    return connection.execute(rows, {"at": stamp(now), **page})


_FRAGMENTS: dict[Level, tuple[ColumnElement[Any], tuple[Any, ...]]] = {
    Level.STUDY: (t.study.c.fragment, (t.study.c.study_date.desc(), t.study.c.id.desc())),
    Level.SERIES: (t.series.c.fragment, (t.series.c.study, t.series.c.id)),
    Level.INSTANCE: (t.instance.c.summary, (t.instance.c.series, t.instance.c.id)),
}


def fragments(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """One page of finished DICOM JSON objects (PS3.18 F.2), newest study date first; lower levels in the order they came."""
    rows = _fragments(replace(query, page=_ANY), replace(visible, valid_until=None))
    found = _asked(connection, rows, now, limit=query.page.limit, offset=query.page.offset)
    return [row[0] for row in found.all()]  # all at once: row by row costs half as much again


@lru_cache(maxsize=_KEPT)
def _fragments(query: Query, visible: VisibleDatasets) -> Select[Any]:
    column, order = _FRAGMENTS[query.level]
    return _statement(query, [column], visible).order_by(*order).limit(_LIMIT).offset(_OFFSET)


def documents(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[tuple[int, bytes]]:
    """One keyset page of (row id, FHIR ImagingStudy bytes), in the order the studies came."""
    rows = _documents(replace(query, page=_ANY), replace(visible, valid_until=None))
    found = _asked(connection, rows, now, limit=query.page.limit, after=query.page.after or 0)
    return [(row[0], row[1]) for row in found.all()]


@lru_cache(maxsize=_KEPT)
def _documents(query: Query, visible: VisibleDatasets) -> Select[Any]:
    rows = _statement(query, [t.study.c.id, t.study.c.document], visible)
    return rows.where(t.study.c.document.is_not(None), t.study.c.id > _AFTER).order_by(t.study.c.id).limit(_LIMIT)


def count(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime, ceiling: int | None = None) -> int:
    """How many rows match (for patients: distinct ones); at most `ceiling` of them are counted."""
    rows = _count(replace(query, page=_ANY), replace(visible, valid_until=None), ceiling)
    return int(_asked(connection, rows, now).scalar_one())


@lru_cache(maxsize=_KEPT)
def _count(query: Query, visible: VisibleDatasets, ceiling: int | None) -> Select[Any]:
    target = t.study.c.patient if query.level is Level.PATIENT else _TABLES[query.level].c.id
    rows = _statement(query, [target], visible)
    if query.level is Level.PATIENT:
        rows = rows.distinct()
    if query.level is Level.STUDY:
        rows = rows.where(t.study.c.document.is_not(None))
    return select(func.count()).select_from((rows.limit(ceiling) if ceiling else rows).subquery())


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A pseudonymous patient of one provider."""

    id: int
    key: str
    provider: str
    patient_id: str
    sex: str | None
    updated: datetime


def patients(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[PatientRow]:
    """One keyset page of patients who have a study that matches."""
    columns = [t.patient, t.party.c.key.label("provider")]
    rows = _statement(query, columns, visible).join(t.party, t.patient.c.party == t.party.c.id).distinct()
    rows = rows.where(t.patient.c.id > (query.page.after or 0)).order_by(t.patient.c.id).limit(query.page.limit)
    return [PatientRow(r.id, r.key, r.provider, r.patient_id, r.sex, moment(r.updated)) for r in _asked(connection, rows, now)]


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One held instance a caller may reach: what it is, where it rests, and its metadata fragment."""

    custody: int
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    frames: int
    transfer_syntax: str
    size: int
    dataset_start: int
    file_digest: bytes
    node: int
    place: str


_LOCATED = (
    t.custody.c.id,
    t.study.c.study_uid,
    t.series.c.series_uid,
    t.instance.c.sop_uid,
    t.instance.c.sop_class,
    t.instance.c.frames,
    t.custody.c.transfer_syntax,
    t.custody.c.size,
    t.custody.c.dataset_start,
    t.custody.c.file_digest,
    t.custody.c.node,
    t.custody.c.place,
)


def located(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[StoredInstance]:
    """Where the instances that match rest, in series and arrival order."""
    rows = _instances(query, list(_LOCATED), visible).join(t.custody, t.instance.c.custody == t.custody.c.id)
    return [StoredInstance(*r) for r in _asked(connection, rows.where(t.custody.c.state == State.HELD), now).all()]


def metadata(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """The full metadata objects of the instances that match (PS3.18 10.4.1.1.2)."""
    return list(_asked(connection, _instances(query, [t.instance.c.metadata], visible), now).scalars())


def _instances(query: Query, columns: list[Any], visible: VisibleDatasets) -> Select[Any]:
    return _statement(query, columns, visible).order_by(t.instance.c.series, t.instance.c.id).limit(query.page.limit)


def dataset_of(connection: Connection, study_uid: str) -> int | None:
    """The dataset a study belongs to, whoever asks; None for a study that is not in the index."""
    return connection.execute(select(t.study.c.dataset).where(t.study.c.study_uid == study_uid)).scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Tally:
    """What one dataset holds among the studies that match: for EUCAIM and the catalogue, before it is made safe."""

    dataset: int
    studies: int
    subjects: int
    youngest: int | None
    oldest: int | None
    sexes: tuple[str, ...]
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    manufacturers: tuple[str, ...]


def tallies(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime, minimum: int = 1) -> list[Tally]:
    """One tally for each dataset that has a match.

    A word is told where `minimum` subjects share it, an age where as many lie beyond it: one subject joined by OR to a crowd
    would else be read off what the crowd lacks.
    """
    s = t.study.c
    counted = [s.dataset, func.count(), func.count(s.patient.distinct())]
    totals = _statement(query, counted, visible).group_by(s.dataset).order_by(s.dataset)
    aged = _statement(query, [s.dataset, s.age, func.count(s.patient.distinct())], visible).where(s.age.is_not(None))
    ages: dict[int, list[tuple[int, int]]] = {}
    for dataset, age, subjects in sorted(tuple(row) for row in _asked(connection, aged.group_by(s.dataset, s.age), now)):
        ages.setdefault(dataset, []).append((age, subjects))
    above: Callable[[Any], Select[Any]] = lambda column: _statement(query, [s.dataset, column], visible)  # noqa: E731 - one line
    below: Callable[[Any], Select[Any]] = lambda column: above(column).join(t.series, t.series.c.study == s.id)  # noqa: E731
    asked = [(above, s.patient_sex), *((below, c) for c in (t.series.c.modality, t.series.c.body_part, t.series.c.manufacturer))]
    words = [_words(connection, _shared(rows(column), s.dataset, column, minimum), now) for rows, column in asked]
    return [
        Tally(d, n, p, _end(ages.get(d, []), minimum), _end(ages.get(d, [])[::-1], minimum), *(w.get(d, ()) for w in words))
        for d, n, p in _asked(connection, totals, now)
    ]


def _end(ages: Iterable[tuple[int, int]], minimum: int) -> int | None:
    """The first of these (age, subjects) up to which there are `minimum` subjects."""
    total = 0
    for age, subjects in ages:
        total += subjects
        if total >= minimum:
            return age
    return None


def _shared(rows: Select[Any], dataset: Any, value: Any, minimum: int) -> Select[Any]:
    return rows.group_by(dataset, value).having(func.count(t.study.c.patient.distinct()) >= minimum)


def _words(connection: Connection, rows: Select[Any], now: datetime) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for dataset, word in sorted(tuple(row) for row in _asked(connection, rows, now)):
        if word:
            found[dataset] = (*found.get(dataset, ()), word)
    return found
