"""What the directory of a repository shows: agreements, organisations and endpoints, by keyset, as far as a caller may see.

A `Shelf` is a statement narrowed by who asks, the columns a condition may name, and how a row becomes a noun; every answer and
every count is that one statement with the caller's conditions added.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import not_ as sql_not

from adapters.sql import tables as t
from adapters.sql.governance import conditions as conditions_of
from adapters.sql.store import moment, stamp
from consent.agreement import AgreementState, NodeState
from consent.subject import Role
from mappings.fhir.consent import Agreement
from mappings.fhir.endpoint import Door
from mappings.fhir.organization import Party
from mappings.fhir.systems import REPOSITORY
from mappings.fields import folded
from mappings.query import AllOf, AnyOf, Between, Condition, Like, Not, OneOf

Noun = TypeVar("Noun")
Leaf = OneOf | Like | Between


@dataclass(frozen=True, slots=True)
class Seen:
    """Whose view this is: the datasets it may discover and query, its own organisation, and for providers and operators more.

    `provider` is set for a provider's client, whose own agreements it sees in any state; `all` for the operator.
    """

    now: datetime
    subject: str
    party: str | None
    provider: str | None
    all: bool
    datasets: frozenset[int]
    queryable: frozenset[int]
    repository: str


Asking = Callable[[Connection, Leaf, Seen], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Shelf(Generic[Noun]):
    """One kind of thing on show: `rows` narrowed to a view, keyed by `key`, asked by `fields`, made into nouns by `made`."""

    rows: Callable[[Seen], Select[Any]]
    key: ColumnElement[int]
    fields: Callable[[Seen], Mapping[str, Asking]]
    made: Callable[[Connection, Any], Noun]


def page(
    connection: Connection, shelf: Shelf[Noun], where: Condition, seen: Seen, limit: int, after: int = 0
) -> list[tuple[int, Noun]]:
    """One keyset page of (row id, noun) in the order the rows were made."""
    rows = _narrowed(connection, shelf, where, seen).where(shelf.key > after).order_by(shelf.key).limit(limit)
    return [(row[0], shelf.made(connection, row)) for row in connection.execute(rows).all()]


def count(connection: Connection, shelf: Shelf[Any], where: Condition, seen: Seen, ceiling: int | None = None) -> int:
    """How many match; at most `ceiling` are counted."""
    rows = _narrowed(connection, shelf, where, seen).with_only_columns(shelf.key)
    return int(
        connection.execute(select(func.count()).select_from((rows.limit(ceiling) if ceiling else rows).subquery())).scalar_one()
    )


def _narrowed(connection: Connection, shelf: Shelf[Any], where: Condition, seen: Seen) -> Select[Any]:
    return shelf.rows(seen).where(_where(connection, where, shelf.fields(seen), seen))


def _where(connection: Connection, condition: Condition, fields: Mapping[str, Asking], seen: Seen) -> ColumnElement[bool]:
    if isinstance(condition, AllOf):
        return and_(true(), *(_where(connection, p, fields, seen) for p in condition.parts))
    if isinstance(condition, AnyOf):
        return or_(false(), *(_where(connection, p, fields, seen) for p in condition.parts))
    if isinstance(condition, Not):
        return sql_not(_where(connection, condition.part, fields, seen))
    return fields[condition.field](connection, condition, seen)


def column(found: ColumnElement[Any]) -> Asking:
    """A field that is a column: equal to one of the values, or between bounds."""

    def asked(_connection: Connection, leaf: Leaf, _seen: Seen) -> ColumnElement[bool]:
        if isinstance(leaf, OneOf):
            return found.in_(leaf.values)
        assert isinstance(leaf, Between)  # noqa: S101 - strings are asked by `_named`
        low = [found >= leaf.low] if leaf.low is not None else []
        return and_(true(), *low, *([found <= leaf.high] if leaf.high is not None else []))

    return asked


# --- agreements

_a, _d, _n, _p = t.agreement.c, t.dataset.c, t.node.c, t.party.c


def _open(seen: Seen) -> ColumnElement[bool]:
    """Whether an agreement lets anything in or out now: the statement's own look, so that a stop binds the next one."""
    at = stamp(seen.now)
    active = _a.state == str(AgreementState.ACTIVE)
    return and_(active, _n.state == str(NodeState.LINKED), _a.starts <= at, or_(_a.ends.is_(None), _a.ends > at))


def _own(seen: Seen) -> ColumnElement[bool]:
    if seen.all:
        return true()
    return _p.key == seen.provider if seen.provider else false()


def _agreements(seen: Seen) -> Select[Any]:
    discovered = exists().where(_d.agreement == _a.id, _d.id.in_(sorted(seen.datasets))).correlate(t.agreement)
    terms = t.terms.c.version.label("terms_version"), t.terms.c.sha256.label("terms_sha256")
    return (
        select(_a.id.label("row"), t.agreement, _p.key.label("provider"), *terms)
        .join(t.party, _a.party == _p.id)
        .join(t.node, _a.node == _n.id)
        .join(t.terms, _a.terms == t.terms.c.id)
        .where(or_(_own(seen), and_(_open(seen), discovered)))
    )


def _agreement(connection: Connection, row: Any) -> Agreement:
    aliases = connection.execute(select(_d.alias).where(_d.agreement == row.id).order_by(_d.id)).scalars()
    return Agreement(
        key=row.key,
        provider=row.provider,
        state=AgreementState(row.state),
        starts=moment(row.starts),
        ends=None if row.ends is None else moment(row.ends),
        terms=row.terms_version,
        terms_sha256=row.terms_sha256,
        conditions=conditions_of(row._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
        aliases=tuple(aliases),
        updated=moment(row.updated),
    )


def _agreement_fields(_seen: Seen) -> Mapping[str, Asking]:
    columns: dict[str, ColumnElement[Any]] = {"agreement": _a.key, "status": _a.state, "updated": _a.updated, "provider": _p.key}
    return {name: column(c) for name, c in columns.items()}


AGREEMENTS: Shelf[Agreement] = Shelf(_agreements, _a.id, _agreement_fields, _agreement)
"""Agreements on a dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""


# --- endpoints


def _latest(*columns: ColumnElement[int]) -> ColumnElement[int]:
    first, *others = columns
    for other in others:
        first = case((first >= other, first), else_=other)
    return first


_TOUCHED = _latest(_d.updated, _a.updated, _n.updated)


def _doors(seen: Seen) -> Select[Any]:
    return (
        select(_d.id.label("row"), _d.alias, _d.title, _open(seen).label("is_open"), _TOUCHED.label("touched"))
        .join(t.agreement, _d.agreement == _a.id)
        .join(t.party, _a.party == _p.id)
        .join(t.node, _a.node == _n.id)
        .where(or_(_own(seen), and_(_open(seen), _d.id.in_(sorted(seen.datasets)))))
    )


def _door_fields(seen: Seen) -> Mapping[str, Asking]:
    status = case((_open(seen), "active"), else_="suspended")
    columns: dict[str, ColumnElement[Any]] = {"dataset": _d.alias, "status": status, "updated": _TOUCHED}
    return {name: column(c) for name, c in columns.items()}


DOORS: Shelf[Door] = Shelf(_doors, _d.id, _door_fields, lambda _, r: Door(r.alias, r.title, bool(r.is_open), moment(r.touched)))
"""The endpoint of each dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""


# --- organisations

_ORGANISATIONS = union_all(
    select(
        literal(0, BigInteger).label("id"),
        literal(REPOSITORY).label("key"),
        bindparam("repository", type_=Text).label("name"),
        literal(REPOSITORY).label("role"),
        literal(0, BigInteger).label("updated"),
    ),
    select(_p.id, _p.key, _p.name, _p.role, _p.updated),
).subquery("organisations")
_o = _ORGANISATIONS.c
_PLACE: ColumnElement[int] = _o.id + 1  # the repository is a setting and not a row; it comes first


def _organisations(seen: Seen) -> Select[Any]:
    shown = true() if seen.all else or_(_o.role.in_([REPOSITORY, str(Role.PROVIDER)]), _o.key == (seen.party or REPOSITORY))
    return select(_PLACE.label("row"), _ORGANISATIONS).where(shown).params(repository=seen.repository)


def _named(connection: Connection, leaf: Leaf, seen: Seen) -> ColumnElement[bool]:
    """Names are matched folded, which SQL can't do; organisations are few."""
    pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in leaf.pattern) if isinstance(leaf, Like) else ""
    named = connection.execute(_organisations(seen).with_only_columns(_o.id, _o.name))
    return _o.id.in_([key for key, name in named if re.fullmatch(pattern, folded(name), re.DOTALL)])


def _organisation_fields(_seen: Seen) -> Mapping[str, Asking]:
    return {"party": column(_o.key), "updated": column(_o.updated), "name": _named}


ORGANISATIONS: Shelf[Party] = Shelf(
    _organisations,
    _PLACE,
    _organisation_fields,
    lambda _, r: Party(r.key, r.name, r.role, moment(r.updated) if r.updated else None),
)
"""The repository, its providers and the caller's own organisation; for the operator, every one."""
