"""Ledger entries as provenance: a deposit's as its dataset, a use's to its actor and provider, governance to its provider.

The operator sees uses and governance of all. An entry whose body was erased says nothing any more and is not here.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Select, and_, false, func, literal, or_, select, true
from sqlalchemy import not_ as sql_not

from adapters.sql import tables as t
from adapters.sql.directory import Asking, Leaf, Seen, Shelf, column
from adapters.sql.store import moment
from consent.entries import Kind
from mappings.fhir.provenance import NOUNS, Recorded
from mappings.fhir.systems import keys_of
from mappings.query import OneOf

_b, _l = t.ledger_body.c, t.ledger_leaf.c
_DEPOSIT = _b.kind == str(Kind.BATCH_CLOSED)
_USE = _b.kind.in_([str(Kind.USE_OPENED), str(Kind.USE_CLOSED)])
_GOVERNANCE = _b.kind.like(f"{Kind.GOVERN}.%")


def _entries(seen: Seen) -> Select[Any]:
    own = true() if seen.all else t.party.c.key == seen.provider if seen.provider else false()
    shown = or_(
        and_(_DEPOSIT, _b.dataset.in_(sorted(seen.datasets))),
        and_(_USE, or_(_b.actor == seen.subject, own)),
        and_(_GOVERNANCE, own),
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


def _recorded(_connection: Connection, row: Any) -> tuple[Recorded, int | None]:
    body = json.loads(row.body)
    entry = Recorded(row.row, row.kind, moment(row.at), row.actor, body, row.position, row.leaf, row.key, row.alias)
    return entry, row.dataset


def _says(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether the canonical body holds this piece of JSON; quoted strings have one spelling there (RFC 8785)."""
    found = func.instr if connection.dialect.name == "sqlite" else func.pg_catalog.position
    return found(_b.body, literal(text.encode(), LargeBinary)) > 0


def _target(connection: Connection, leaf: Leaf, seen: Seen) -> ColumnElement[bool]:
    """Entries whose target is one of the references `Type/id`: as `mappings.fhir.provenance` names targets."""
    assert isinstance(leaf, OneOf)  # noqa: S101 - a reference is read into nothing else
    asked = [str(value).split("/") for value in leaf.values]
    return or_(false(), *(_TARGETS[kind](connection, key, seen) for kind, identity in asked for key in keys_of(identity)))


def _governed(connection: Connection, noun: str, key: str) -> ColumnElement[bool]:
    return and_(_b.kind.like(f"{Kind.GOVERN}.{noun}.%"), _says(connection, f'"{noun}":{json.dumps(key, ensure_ascii=False)}'))


def _of_dataset(connection: Connection, alias: str, _seen: Seen) -> ColumnElement[bool]:
    named = or_(*(_b.kind.like(f"{Kind.GOVERN}.{noun}.%") for noun in NOUNS))
    about = and_(t.dataset.c.alias == alias, or_(_DEPOSIT, and_(_GOVERNANCE, sql_not(named))))
    return or_(about, _governed(connection, "dataset", alias))


def _of_study(connection: Connection, key: str, seen: Seen) -> ColumnElement[bool]:
    """A use of it; a deposit of it where the caller may query the dataset, for only then the deposit names it."""
    study = connection.execute(select(t.study.c.study_uid, t.study.c.dataset).where(t.study.c.key == key)).one_or_none()
    if study is None:
        return false()
    deposited = and_(_DEPOSIT, _b.dataset.in_(sorted(seen.queryable)))
    return and_(_b.dataset == study.dataset, or_(_USE, deposited), _says(connection, f'"{study.study_uid}"'))


_TARGETS: dict[str, Callable[[Connection, str, Seen], ColumnElement[bool]]] = {
    "ImagingStudy": _of_study,
    "Endpoint": _of_dataset,
    "Consent": lambda connection, key, _: _governed(connection, "agreement", key),
    "Organization": lambda connection, key, _: _governed(connection, "party", key),
}


def _fields(_seen: Seen) -> Mapping[str, Asking]:
    return {"entry": column(_b.id), "at": column(_b.at), "target": _target}


ENTRIES: Shelf[tuple[Recorded, int | None]] = Shelf(_entries, _b.id, _fields, _recorded)
"""(entry, id of its dataset) for every entry the caller may read."""
