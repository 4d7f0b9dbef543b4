"""What the directory of a repository shows: agreements, organisations, endpoints, provenance; as far as a caller may see them.

Each noun's file has its own `DirectorySource`: a statement narrowed by who asks, the columns a condition may name, and how a row
becomes a noun. Every page (by keyset) and every count is that one statement with the caller's conditions added.
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
class DirectoryScope:
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


Asking = Callable[[Connection, Leaf, DirectoryScope], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class DirectorySource(Generic[Noun]):
    """One kind of thing on show: `rows` narrowed to a view, keyed by `key`, asked by `fields`, made into nouns by `made`."""

    rows: Callable[[DirectoryScope], Select[Any]]
    key: ColumnElement[int]
    fields: Callable[[DirectoryScope], Mapping[str, Asking]]
    made: Callable[[Connection, Any], Noun]


def page(
    connection: Connection, source: DirectorySource[Noun], where: Condition, scope: DirectoryScope, limit: int, after: int = 0
) -> list[tuple[int, Noun]]:
    """One keyset page of (row id, noun) in the order the rows were made."""
    rows = _narrowed(connection, source, where, scope).where(source.key > after).order_by(source.key).limit(limit)
    return [(row[0], source.made(connection, row)) for row in connection.execute(rows).all()]


def count(
    connection: Connection, source: DirectorySource[Any], where: Condition, scope: DirectoryScope, ceiling: int | None = None
) -> int:
    """How many match; at most `ceiling` are counted."""
    rows = _narrowed(connection, source, where, scope).with_only_columns(source.key)
    return int(
        connection.execute(select(func.count()).select_from((rows.limit(ceiling) if ceiling else rows).subquery())).scalar_one()
    )


def _narrowed(connection: Connection, source: DirectorySource[Any], where: Condition, scope: DirectoryScope) -> Select[Any]:
    return source.rows(scope).where(_where(connection, where, source.fields(scope), scope))


def _where(
    connection: Connection, condition: Condition, fields: Mapping[str, Asking], scope: DirectoryScope
) -> ColumnElement[bool]:
    if isinstance(condition, AllOf):
        return and_(true(), *(_where(connection, p, fields, scope) for p in condition.parts))
    if isinstance(condition, AnyOf):
        return or_(false(), *(_where(connection, p, fields, scope) for p in condition.parts))
    if isinstance(condition, Not):
        return sql_not(_where(connection, condition.part, fields, scope))
    return fields[condition.field](connection, condition, scope)


def column(found: ColumnElement[Any]) -> Asking:
    """A field that is a column: equal to one of the values, or between bounds."""

    def asked(_connection: Connection, leaf: Leaf, _scope: DirectoryScope) -> ColumnElement[bool]:
        if isinstance(leaf, OneOf):
            return found.in_(leaf.values)
        assert isinstance(leaf, Between)  # noqa: S101 - strings are asked by `_named`
        low = [found >= leaf.low] if leaf.low is not None else []
        return and_(true(), *low, *([found <= leaf.high] if leaf.high is not None else []))

    return asked


def own(scope: DirectoryScope) -> ColumnElement[bool]:
    """Whether something is of the caller's own organisation, for a provider; for the operator, anything."""
    if scope.all:
        return true()
    return t.party.c.key == scope.provider if scope.provider else false()
