"""What the directory of a repository shows: agreements, organisations, endpoints, provenance; as far as a caller may see them.

Each noun's file has its own `DirectorySource`: a statement narrowed by who asks, the columns a condition may name, and how a row
becomes a noun. Every page (by keyset) and every count is that one statement with the caller's conditions added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, false, true

from adapters.sql import tables as t
from adapters.sql.criteria import Asking, Column, Searchable, counting, execute, narrow
from adapters.sql.keyset import Key, paged, parameters, placed, sortable
from adapters.sql.store import stamp
from mappings.query import Condition, Page, Position

Noun = TypeVar("Noun")
Fields = Mapping[str, Column | Asking]


@dataclass(frozen=True, slots=True)
class DirectoryScope:
    """Whose view this is: the datasets it may discover and query, its own organisation, and for providers and operators more.

    `provider` is set for a provider's client, whose own agreements it sees in any state; `all` for the operator. `repository` and
    `contact` are the repository's own name and address, which no row holds.
    """

    now: datetime
    subject: str
    party: str | None
    provider: str | None
    all: bool
    datasets: frozenset[int]
    queryable: frozenset[int]
    repository: str
    contact: str


@dataclass(frozen=True, slots=True)
class DirectorySource(Generic[Noun]):
    """One kind of thing on show: `rows` narrowed to a view, keyed by `key`, asked by `fields`, each of them made a `noun`."""

    rows: Callable[[DirectoryScope], Select[Any]]
    key: ColumnElement[int]
    fields: Callable[[Connection, DirectoryScope], Fields]
    noun: Callable[[Connection, Any, DirectoryScope], Noun]


def page(
    connection: Connection, source: DirectorySource[Noun], where: Condition, scope: DirectoryScope, page: Page
) -> list[tuple[Position, Noun]]:
    """One keyset page of (place, noun), in the order the rows were made where no other is asked for."""
    fields = source.fields(connection, scope)
    keys = [Key(sortable(_column(fields, order.field)), order.descending) for order in page.order]
    keys.append(Key(source.key, keys[-1].descending if keys else False))
    rows = paged(narrow(source.rows(scope), where, Searchable(fields)), keys, further=bool(page.after))
    found = execute(connection, rows, {"at": stamp(scope.now), **parameters(page.limit, page.after)})
    return [(placed(row, len(keys)), source.noun(connection, row, scope)) for row in found.all()]


def count(
    connection: Connection, source: DirectorySource[Any], where: Condition, scope: DirectoryScope, ceiling: int | None = None
) -> int:
    """How many match; at most `ceiling` are counted."""
    rows = narrow(source.rows(scope), where, Searchable(source.fields(connection, scope))).with_only_columns(source.key)
    return int(execute(connection, counting(rows, ceiling), {"at": stamp(scope.now)}).scalar_one())


def keys(connection: Connection, source: DirectorySource[Any], key: str, where: Condition, scope: DirectoryScope) -> Select[Any]:
    """The keys of what matches, for a link to it. Raises KeyError where there is no such column."""
    fields = source.fields(connection, scope)
    return narrow(source.rows(scope), where, Searchable(fields)).with_only_columns(_column(fields, key))


def _column(fields: Fields, name: str) -> ColumnElement[Any]:
    asked = fields[name]
    if not isinstance(asked, Column):
        raise KeyError(name)
    return asked.column


def own(scope: DirectoryScope) -> ColumnElement[bool]:
    """Whether something is of the caller's own organisation, for a provider; for the operator, anything."""
    if scope.all:
        return true()
    return t.party.c.key == scope.provider if scope.provider else false()
