"""What the directory of a repository shows: agreements, organisations, endpoints, provenance; as far as a caller may see them.

Each noun's file has its own `Shelf`: a statement narrowed by who asks, the columns a condition may name, and how a row becomes
a noun. Every page (by keyset) and every count is that one statement with the caller's conditions added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy import not_ as sql_not

from adapters.sql import tables as t
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


def own(seen: Seen) -> ColumnElement[bool]:
    """Whether something is of the caller's own organisation, for a provider; for the operator, anything."""
    if seen.all:
        return true()
    return t.party.c.key == seen.provider if seen.provider else false()
