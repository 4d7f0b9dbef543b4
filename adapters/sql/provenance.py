"""Ledger entries as provenance: a deposit's as its dataset, a use's to its actor and provider, governance to its provider.

The operator sees uses and governance of all. An entry whose body was erased says nothing any more and is not here.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select

from adapters.sql import tables as t
from adapters.sql.directory import Asking, Leaf, Seen, Shelf, column, own
from adapters.sql.store import moment
from consent.entries import GOVERN, BatchClosed, TargetType, UseClosed, UseOpened
from consent.provenance import RecordedEntry, read_entry
from mappings.fhir.systems import keys_of
from mappings.query import OneOf

_b, _l = t.ledger_body.c, t.ledger_leaf.c
_DEPOSIT = _b.kind == BatchClosed.KIND
_USE = _b.kind.in_([UseOpened.KIND, UseClosed.KIND])
_GOVERNANCE = _b.kind.like(f"{GOVERN}%")


def _entries(seen: Seen) -> Select[Any]:
    shown = or_(
        and_(_DEPOSIT, _b.dataset.in_(sorted(seen.datasets))),
        and_(_USE, or_(_b.actor == seen.subject, own(seen))),
        and_(_GOVERNANCE, own(seen)),
    )
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
            _b.dataset,
        )
        .join(t.ledger_leaf, _b.id == _l.id)
        .outerjoin(t.party, _b.party == t.party.c.id)
        .outerjoin(t.dataset, _b.dataset == t.dataset.c.id)
        .where(shown)
    )


def _entry(_connection: Connection, row: Any) -> tuple[RecordedEntry, int | None]:
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
    )
    return entry, row.dataset


def _about(target: TargetType, *keys: str) -> ColumnElement[bool]:
    """Whether an entry is about one of these: an indexed look-up."""
    about = t.entry_target.c
    return _b.id.in_(select(about.entry).where(about.key.in_(keys), about.type == str(target)))


def _target(_connection: Connection, leaf: Leaf, seen: Seen) -> ColumnElement[bool]:
    """Entries whose target is one of the references `Type/id`: as `mappings.fhir.provenance` names targets."""
    assert isinstance(leaf, OneOf)  # noqa: S101 - a reference is read into nothing else
    asked = [str(value).split("/") for value in leaf.values]
    return or_(false(), *(_TARGETS[kind](keys_of(identity), seen) for kind, identity in asked))


def _of_study(keys: tuple[str, ...], seen: Seen) -> ColumnElement[bool]:
    """A use of it; a deposit of it where the caller may query the dataset, for only then the deposit names it."""
    study, about = t.study.c, t.entry_target.c
    named = (
        select(about.entry)
        .join(t.study, about.key == study.study_uid)
        .where(study.key.in_(keys), about.type == str(TargetType.STUDY), study.dataset == _b.dataset)
        .correlate(t.ledger_body)
    )
    return and_(or_(_USE, and_(_DEPOSIT, _b.dataset.in_(sorted(seen.queryable)))), _b.id.in_(named))


_TARGETS: dict[str, Callable[[tuple[str, ...], Seen], ColumnElement[bool]]] = {
    "ImagingStudy": _of_study,
    "Endpoint": lambda keys, _: _about(TargetType.DATASET, *keys),
    "Consent": lambda keys, _: _about(TargetType.AGREEMENT, *keys),
    "Organization": lambda keys, _: _about(TargetType.PARTY, *keys),
}


def _fields(_seen: Seen) -> Mapping[str, Asking]:
    return {"entry": column(_b.id), "at": column(_b.at), "target": _target}


ENTRIES: Shelf[tuple[RecordedEntry, int | None]] = Shelf(_entries, _b.id, _fields, _entry)
"""(entry, id of its dataset) for every entry the caller may read."""
