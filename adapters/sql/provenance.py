"""Ledger entries as provenance: a deposit's as its dataset, governance to its provider; uses are in the record of access.

The operator sees governance of all. An entry whose body was erased says nothing any more and is not here. A study is a
reference, and found by, where its reader may look it up; a deposit names no other.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, true

from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf, Within
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, own
from adapters.sql.store import moment
from consent.entries import GOVERN, BatchClosed, TargetType
from consent.provenance import RecordedEntry, narrowed, read_entry
from mappings.fields import Kind
from mappings.query import Between, OneOf

_b, _l, _d = t.ledger_body.c, t.ledger_leaf.c, t.dataset.c
_DEPOSIT = _b.kind == BatchClosed.KIND
_GOVERNANCE = _b.kind.like(f"{GOVERN}%")


def _entries(scope: DirectoryScope) -> Select[Any]:
    shown = or_(
        and_(_DEPOSIT, _b.dataset.in_(sorted(scope.datasets))),
        and_(_GOVERNANCE, own(scope)),
    )
    study = t.study.c.study_uid + " " + t.patient.c.key
    named = _in_sight(scope, func.aggregate_strings(study, " "), t.entry_target.c.entry == _b.id).scalar_subquery()
    return (
        select(
            _b.id.label("row"),
            _b.kind,
            _b.at,
            _b.actor,
            _b.body,
            _l.leaf,
            _l.position,
            t.party.c.key,
            t.dataset.c.alias,
            t.batch.c.opened,
            t.batch.c.closed,
            named.label("named"),
        )
        .join(t.ledger_leaf, _b.id == _l.id)
        .outerjoin(t.party, _b.party == t.party.c.id)
        .outerjoin(t.dataset, _b.dataset == t.dataset.c.id)
        .outerjoin(t.batch, and_(_DEPOSIT, _b.batch == t.batch.c.id))
        .where(shown)
    )


def _entry(_connection: Connection, row: Any, _scope: DirectoryScope) -> RecordedEntry:
    entry = read_entry(
        json.loads(row.body),
        kind=row.kind,
        id=row.row,
        at=moment(row.at),
        actor=row.actor,
        position=row.position,
        leaf=row.leaf,
        provider=row.key,
        alias=row.alias,
        began=None if row.closed is None else moment(row.opened),
        ended=None if row.closed is None else moment(row.closed),
    )
    named = (row.named or "").split()
    return narrowed(entry, dict(zip(named[::2], named[1::2], strict=True)))


def _about(target: TargetType, leaf: Leaf) -> ColumnElement[bool]:
    """Whether an entry is about one of these keys: an indexed look-up."""
    about = t.entry_target.c
    return _b.id.in_(select(about.entry).where(about.key.in_(_values(leaf)), about.type == str(target)))


def _in_sight(scope: DirectoryScope, column: ColumnElement[Any], *where: ColumnElement[bool]) -> Select[Any]:
    """Of an entry's studies those that are held where the caller may query: only these are named, and found by.

    Of a deposit, those of which something that it brought is held: the study may be there while that waits in quarantine.
    """
    study, about, receipt, instance = t.study.c, t.entry_target.c, t.receipt.c, t.instance.c
    of_batch = (receipt.batch == _b.batch, receipt.study_uid == study.study_uid)
    brought = exists().where(*of_batch, instance.sop_uid == receipt.sop_uid).correlate(t.ledger_body, t.study)
    own = (study.dataset == _b.dataset, study.dataset.in_(sorted(scope.queryable)), about.type == str(TargetType.STUDY))
    held = select(column).join(t.study, about.key == study.study_uid).join(t.patient, study.patient == t.patient.c.id)
    return held.where(*own, or_(~_DEPOSIT, brought), *where).correlate(t.ledger_body)


def _about_study(scope: DirectoryScope, key: ColumnElement[str], leaf: Leaf) -> ColumnElement[bool]:
    named = true() if isinstance(leaf, Between) else key.in_(_values(leaf))  # any, for `:missing`
    return _b.id.in_(_in_sight(scope, t.entry_target.c.entry, named))


def _about_patient(scope: DirectoryScope, leaf: Leaf) -> ColumnElement[bool]:
    """Whose studies a deposit brought."""
    return and_(_DEPOSIT, _about_study(scope, t.patient.c.key, leaf))


def _under(leaf: Leaf) -> ColumnElement[bool]:
    """Whether it was deposited under one of these agreements: a dataset has one."""
    agreements = select(t.agreement.c.id).where(t.agreement.c.key.in_(_values(leaf)))
    return and_(_DEPOSIT, t.dataset.c.agreement.in_(agreements))


def _by_provider(leaf: Leaf) -> ColumnElement[bool]:
    return and_(_DEPOSIT, t.party.c.key.in_(_values(leaf)))


def _values(leaf: Leaf) -> tuple[str | int, ...] | Select[Any]:
    if isinstance(leaf, Within):
        return leaf.keys
    assert isinstance(leaf, OneOf)  # noqa: S101 - a reference is read into nothing else
    return leaf.values


_ABOUT = (TargetType.AGREEMENT, TargetType.DATASET, TargetType.PARTY)


def _fields(_connection: Connection, scope: DirectoryScope) -> Fields:
    return {
        "entry": Column(_b.id, Kind.NUMBER),
        "at": Column(_b.at, Kind.MOMENT),
        "actor": Column(_b.actor, Kind.CODE),
        "author": _by_provider,
        "under": _under,
        "target_study": partial(_about_study, scope, t.study.c.key),
        "target_patient": partial(_about_patient, scope),
        **{f"target_{target}": partial(_about, target) for target in _ABOUT},
    }


# what entries are about, as keys


def _targets(target: TargetType, _scope: DirectoryScope, entries: Select[Any]) -> Select[Any]:
    about = t.entry_target.c
    return select(about.key).where(about.entry.in_(entries), about.type == str(target))


def _held_of(key: ColumnElement[str], scope: DirectoryScope, entries: Select[Any]) -> Select[Any]:
    """The studies that these entries name, or whose studies they are, where the reader may look those up."""
    within = t.entry_target.c.entry == _b.id, _b.id.in_(entries.correlate(None))
    return _in_sight(scope, key, *within).correlate(None)


def _brought_of(scope: DirectoryScope, entries: Select[Any]) -> Select[Any]:
    """The patients whose studies these deposits brought."""
    return _held_of(t.patient.c.key, scope, entries.where(_DEPOSIT))


def _agreed_of(_scope: DirectoryScope, entries: Select[Any]) -> Select[Any]:
    """The agreements that these deposits were under."""
    datasets = entries.where(_DEPOSIT).with_only_columns(_b.dataset)
    return select(t.agreement.c.key).where(t.agreement.c.id.in_(select(_d.agreement).where(_d.id.in_(datasets.correlate(None)))))


_SEVERAL: dict[str, Callable[[DirectoryScope, Select[Any]], Select[Any]]] = {
    "target_study": partial(_held_of, t.study.c.key),
    "target_patient": _brought_of,
    "under": _agreed_of,
    **{f"target_{target}": partial(_targets, target) for target in _ABOUT},
}

ENTRIES: DirectorySource[RecordedEntry] = DirectorySource(_entries, _b.id, _fields, _entry, _SEVERAL)
"""Every entry the caller may read, as far as it may."""
