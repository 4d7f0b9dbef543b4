"""The rows of images, and the statement that every question about them is: studies `opened` to the caller, conditions added.

`opened` ties dataset, agreement and node under one predicate (agreement active and in period, node linked, dataset visible to the
caller), so that a stop binds the next statement and no caller sees around it. A `Query`'s conditions are added, never taken away.
A patient's row is shared by datasets, so it names the patient and says nothing else: the rest is read off the studies in sight.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Result,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    select,
    true,
)

from adapters.sql import criteria
from adapters.sql import tables as t
from adapters.sql.criteria import Among, Asking, Below, Column, Elsewhere, Leaf, Searchable, compared, depths, looked_for, narrow
from adapters.sql.dataset import Stated
from adapters.sql.governance import IN_FORCE, is_shared
from adapters.sql.store import stamp
from consent.policy import VisibleDatasets
from mappings.fields import FIELDS, Field, Kind
from mappings.query import Between, Level, Query

TABLES = {Level.PATIENT: t.patient, Level.STUDY: t.study, Level.SERIES: t.series, Level.INSTANCE: t.instance}
_DEPTH = {Level.PATIENT: 0, Level.STUDY: 1, Level.SERIES: 2, Level.INSTANCE: 3}
_PROCEDURES, _REQUESTED, _REGIONS = t.coded.alias("procedures"), t.coded.alias("requested"), t.coded.alias("regions")
ITEMS = {4: _PROCEDURES, 5: _REQUESTED, 6: _REGIONS, 7: t.request}
"""Items of sequences, each at a depth of its own: what is asked of them in one `AllOf` holds on the same item."""
_IS_ITEM = {
    4: _PROCEDURES.c.sequence == "00081032",
    5: _REQUESTED.c.sequence == "00321064",
    6: _REGIONS.c.sequence == "00082218",
    7: true(),
}
_OF_SERIES = frozenset({6, 7})
_NAMED_OTHERWISE: dict[str, ColumnElement[Any]] = {
    "patient_key": t.patient.c.key,
    "pseudonym": t.patient.c.patient_id,
    "study_key": t.study.c.key,
    "series_number": t.series.c.number,
    "series_description": t.series.c.description,
    "instance_number": t.instance.c.number,
}
_AT = bindparam("at", type_=BigInteger)


def _column(field: Field) -> Column:
    named = _NAMED_OTHERWISE.get(field.name)
    return Column(TABLES[field.level].c[field.name] if named is None else named, field.kind, _DEPTH[field.level])


def _nothing(_leaf: Leaf) -> ColumnElement[bool]:
    return false()


_a, _p, _d = t.agreement.c, t.party.c, t.dataset.c
_PROVIDED = t.dataset.join(t.agreement, _d.agreement == _a.id).join(t.party, _a.party == _p.id)
_SERIES, _INSTANCE = t.series.alias("of_study"), t.instance.alias("in_study")
_ELSEWHERE: dict[str, Column | Elsewhere | Among | Asking] = {
    "gender": _nothing,
    "patient_updated": _nothing,
    "patient_provider": Elsewhere(t.patient.c.party, Column(_p.key, Kind.CODE), _p.id),
    "condition": Elsewhere(t.study.c.dataset, Column(Stated(_d.details), Kind.CODE), _d.id, 1),
    "alias": Elsewhere(t.study.c.dataset, Column(_d.alias, Kind.CODE), _d.id, 1),
    "provider": Elsewhere(t.study.c.dataset, Column(_p.key, Kind.CODE), _d.id, 1, _PROVIDED),
    "modalities": Among(Column(_SERIES.c.modality, Kind.CODE), Below(t.study, _SERIES.c.study == t.study.c.id), 1),
    "request_procedure": Column(t.request.c.procedure_id, Kind.CODE, 7),
    "request_step": Column(t.request.c.step_id, Kind.CODE, 7),
    **{
        f"{name}_{part}": Column(ITEMS[depth].c[part], kind, depth)
        for name, depth in (("procedure", 4), ("requested", 5), ("region", 6))
        for part, kind in (("code", Kind.CODE), ("scheme", Kind.CODE), ("meaning", Kind.TEXT))
    },
    "sop_classes": Among(Column(_INSTANCE.c.sop_class, Kind.UID), Below(t.study, _INSTANCE.c.study == t.study.c.id), 1),
}
"""Fields of other tables; of all rows of a study, whichever of them asks (PS3.4 C.3.4); and what only studies in sight say."""
_ITEMS_BELOW = {
    (depth, items): Below(t.series, and_(rows.c.series == t.series.c.id, _IS_ITEM[items]))
    if depth > 1 and items in _OF_SERIES
    else Below(t.study, and_(rows.c.study == t.study.c.id, _IS_ITEM[items]))
    for items, rows in ITEMS.items()
    for depth in (1, 2, 3)
}
IMAGES = Searchable(
    {name: _ELSEWHERE.get(name) or _column(field) for name, field in FIELDS.items()},
    {
        (1, 2): Below(t.study, t.series.c.study == t.study.c.id),
        (1, 3): Below(t.study, t.instance.c.study == t.study.c.id),
        (2, 3): Below(t.series, t.instance.c.series == t.series.c.id),
        **_ITEMS_BELOW,
    },
    _DEPTH,
)
"""Every field of `mappings.fields`, of patients, studies, series and instances; but for what `with_patients` adds."""
_EACH = t.study.alias("of_patient")
SEXES = ("M", "F", "O")
"""Patient's Sex (0010,0040), PS3.3 C.7.1.1; any other word says nothing."""


def open_datasets(datasets: frozenset[int]) -> Select[Any]:
    """The ids of those of these datasets that are open at the parameter `at`."""
    return (
        select(t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .join(t.agreement_version, IN_FORCE)
        .join(t.node, t.agreement_version.c.node == t.node.c.id)
        .where(t.dataset.c.id.in_(sorted(datasets)), is_shared(_AT))
    )


def opened(visible: VisibleDatasets, aliases: frozenset[str] | None = None) -> Select[Any]:
    """The same of what is visible, of these names only; every statement about images starts from it."""
    rows = open_datasets(visible.datasets)
    return rows if aliases is None else rows.where(t.dataset.c.alias.in_(sorted(aliases)))


def _listed(datasets: Select[Any]) -> Select[Any]:
    """The same, listed once, for a statement that asks for them again with each patient.

    Joined anew in 100 000 subqueries they took PostgreSQL three times as long; a count of studies by their series, which asks
    once, takes half as long again over a list.
    """
    return select(datasets.cte().prefix_with("MATERIALIZED", dialect="postgresql").c.id)


def _within(study: FromClause, datasets: Select[Any]) -> ColumnElement[bool]:
    """Whether a study is of these datasets.

    `dataset + 0` is no column that an index has: the planner follows the question's own index (a UID, a patient, the order of the
    page) and looks each study's dataset up among the open ones, instead of sorting every study of every dataset.
    """
    return (study.c.dataset + 0).in_(datasets)


def of_patient(datasets: Select[Any]) -> dict[str, ColumnElement[Any]]:
    """What no patient's row says, since datasets share it: read off the patient's studies of these datasets.

    Its gender is the one sex that they name, none where they contradict each other; it changed when the last of them did.
    """
    own, sex = (_EACH.c.patient == t.patient.c.id, _within(_EACH, datasets)), _EACH.c.patient_sex
    values = {
        "gender": select(case((func.min(sex) == func.max(sex), func.min(sex)))).where(*own, sex.in_(SEXES)),
        "patient_updated": select(func.max(_EACH.c.updated)).where(*own),
    }
    return {name: value.correlate(t.patient).scalar_subquery() for name, value in values.items()}


def _told(value: ColumnElement[Any], leaf: Leaf) -> ColumnElement[bool]:
    """What is read off a patient's studies, as a condition: read when its row is met, and not of all patients beforehand."""
    return looked_for(select(literal_column("1")).where(compared(Column(value, Kind.CODE), leaf)))


def _changed(own: ColumnElement[bool], leaf: Leaf) -> ColumnElement[bool]:
    """When a patient changed, as a condition on its `own` studies: some in between, none after. A planner can join that."""
    low, high = (leaf.low, leaf.high) if isinstance(leaf, Between) else (None, None)

    def some(then: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(own, then).correlate(t.patient)

    updated = t.study.c.updated
    within = and_(true() if low is None else updated >= low, true() if high is None else updated <= high)
    return some(within) if high is None else and_(some(within), ~some(updated > high))


def with_patients(datasets: Select[Any]) -> Searchable:
    """The same, with what is asked of a patient: below it are its studies of these datasets."""
    own = and_(t.study.c.patient == t.patient.c.id, _within(t.study, datasets))
    asked: dict[str, Column | Elsewhere | Among | Asking] = {
        "gender": partial(_told, of_patient(datasets)["gender"]),
        "patient_updated": partial(_changed, own),
    }
    below = {
        (0, 1): Below(t.patient, own),
        (0, 2): Below(t.patient, and_(own, t.series.c.study == t.study.c.id)),
        (0, 3): Below(t.patient, and_(own, t.instance.c.study == t.study.c.id)),
        **{(0, n): Below(t.patient, and_(own, rows.c.study == t.study.c.id, _IS_ITEM[n])) for n, rows in ITEMS.items()},
    }
    return Searchable({**IMAGES.fields, **asked}, {**IMAGES.below, **below}, _DEPTH)


def statement(query: Query, columns: Sequence[Any], visible: VisibleDatasets, *, whole: bool = False) -> Select[Any]:
    """The rows of the question's level that match, of what is visible and open at the parameter `at`; without its page.

    A patient is there who has a published study there; its columns may name what is read `of_patient`. `whole` where all of
    them are wanted, and not a page.
    """
    datasets, of_patients = opened(visible, query.aliases), query.level is Level.PATIENT or 0 in depths(query.where, IMAGES)
    if of_patients:
        datasets = _listed(datasets)
    if query.level is Level.PATIENT:
        own = of_patient(datasets)
        rows = select(*(own[c].label(c) if isinstance(c, str) else c for c in columns)).select_from(t.patient)
        return narrow(rows.where(own["patient_updated"] > 0), query.where, replace(with_patients(datasets), whole=whole))
    rows, fields = select(*columns).select_from(t.study).where(_within(t.study, datasets)), IMAGES
    if query.level in (Level.SERIES, Level.INSTANCE):
        rows = rows.join(t.series, t.series.c.study == t.study.c.id)
    if query.level is Level.INSTANCE:
        rows = rows.join(t.instance, t.instance.c.series == t.series.c.id)
    if of_patients:
        rows, fields = rows.join(t.patient, t.study.c.patient == t.patient.c.id), with_patients(datasets)
    return narrow(rows, query.where, replace(fields, whole=whole), _DEPTH[query.level])


_TO_PATIENT = (t.patient, t.study.c.patient == t.patient.c.id)
_TO_DATASET = (t.dataset, t.study.c.dataset == _d.id)
_KEYS: dict[str, tuple[ColumnElement[Any], Sequence[tuple[FromClause, ColumnElement[bool]]]]] = {
    "study_key": (t.study.c.key, ()),
    "patient_key": (t.patient.c.key, (_TO_PATIENT,)),
    "patient_provider": (_p.key, (_TO_PATIENT, (t.party, t.patient.c.party == _p.id))),
    "alias": (_d.alias, (_TO_DATASET,)),
    "provider": (_p.key, (_TO_DATASET, (t.agreement, _d.agreement == _a.id), (t.party, _a.party == _p.id))),
}
"""A key that a link may lead to: its column, and the way there from a study."""


def keys(query: Query, key: str, visible: VisibleDatasets) -> Select[Any]:
    """The keys of the rows that match, for a link to them; Raises KeyError where rows have no such key."""
    column, way = _KEYS[key]
    rows = statement(query, [column], visible, whole=True)
    has_patients = query.level is Level.PATIENT or 0 in depths(query.where, IMAGES)
    for table, joined in way:
        rows = rows if table is t.patient and has_patients else rows.join(table, joined)
    return rows


def execute(
    connection: Connection, rows: Select[Any] | CompoundSelect[Any], now: datetime, **page: object
) -> Result[*tuple[Any, ...]]:
    """What a statement answers now; `page` are its other parameters."""
    return criteria.execute(connection, rows, {"at": stamp(now), **page})
