"""What the directory of a repository shows: agreements, organisations, endpoints, provenance; as far as a caller may see them.

Each noun's file has its own `DirectorySource`: a statement narrowed by who asks, the columns a condition may name, and how a row
becomes a noun. Every page (by keyset) and every count is that one statement with the caller's conditions added.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, false, true

from adapters.sql import tables as t
from adapters.sql.criteria import Asking, Column, Leaf, Searchable, counting, execute, narrow
from adapters.sql.keyset import Key, paged, parameters, placed, sortable
from adapters.sql.store import stamp
from mappings.fields import fold
from mappings.query import Condition, Like, OneOf, Page, Position

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
    """One kind of thing on show: `rows` narrowed to a view, keyed by `key`, asked by `fields`, each of them made a `noun`.

    `several` are fields of which a row has more than one: the values in this view that the rows of these keys have.
    """

    rows: Callable[[DirectoryScope], Select[Any]]
    key: ColumnElement[int]
    fields: Callable[[Connection, DirectoryScope], Fields]
    noun: Callable[[Connection, Any, DirectoryScope], Noun]
    several: Mapping[str, Callable[[DirectoryScope, Select[Any]], Select[Any]]] = field(default_factory=dict)


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


def changes(
    connection: Connection,
    source: DirectorySource[Any],
    scope: DirectoryScope,
    where: Condition,
    fields: tuple[str, str],
    after: Position,
    before: int,
    limit: int,
) -> list[tuple[Position, str]]:
    """One keyset page of (when it changed and row id, name), by the fields that say when and who it is, before a moment.

    What has no such moment has always been so (0).
    """
    asked = source.fields(connection, scope)
    at, name = (_column(asked, field) for field in fields)
    at = sortable(at, missing=0)
    rows = narrow(source.rows(scope), where, Searchable(asked)).where(at < before).with_only_columns(name)
    page = paged(rows, (Key(at), Key(source.key)), further=True)
    found = execute(connection, page, {"at": stamp(scope.now), **parameters(limit, after)})
    return [(placed(row, 2), str(row[-1])) for row in found.all()]


def count(
    connection: Connection, source: DirectorySource[Any], where: Condition, scope: DirectoryScope, ceiling: int | None = None
) -> int:
    """How many match; at most `ceiling` are counted."""
    rows = narrow(source.rows(scope), where, Searchable(source.fields(connection, scope))).with_only_columns(source.key)
    return int(execute(connection, counting(rows, ceiling), {"at": stamp(scope.now)}).scalar_one())


def keys(connection: Connection, source: DirectorySource[Any], key: str, where: Condition, scope: DirectoryScope) -> Select[Any]:
    """The keys of what matches, for a link to it. Raises KeyError where there is no such column."""
    fields = source.fields(connection, scope)
    rows = narrow(source.rows(scope), where, Searchable(fields))
    if key in source.several:
        return source.several[key](scope, rows.with_only_columns(source.key))
    return rows.with_only_columns(_column(fields, key))


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


def matching(leaf: Leaf, texts: Iterable[tuple[int, str]]) -> list[int]:
    """The ids of those of these (id, text) that are one of the values, or match a pattern when folded, which SQL can't do."""
    if isinstance(leaf, OneOf):
        return [key for key, text in texts if text in leaf.values]
    pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in leaf.pattern) if isinstance(leaf, Like) else ""
    return [key for key, text in texts if re.fullmatch(pattern, fold(text), re.DOTALL)]
