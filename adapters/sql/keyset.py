"""Keyset pages: rows in an order, after the place of one of them, at the same cost at any depth.

An order ends with the row's own key, so that no two rows share a place; its columns are never NULL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, Select, and_, bindparam, func, literal_column, or_, tuple_

from mappings.query import Position

LIMIT = bindparam("limit", type_=BigInteger)


@dataclass(frozen=True, slots=True)
class Key:
    """One column of an order."""

    column: ColumnElement[Any]
    descending: bool = False


def paged(rows: Select[Any], keys: Sequence[Key], *, further: bool) -> Select[Any]:
    """The rows in this order, their place before their other columns: at most `limit`, and `further` only after a place."""
    ordered = rows.with_only_columns(*(key.column for key in keys), *rows.selected_columns)
    ordered = ordered.order_by(*map(directed, keys)).limit(LIMIT)
    return ordered.where(beyond(keys)) if further else ordered


def directed(key: Key) -> ColumnElement[Any]:
    """A column as it is ordered by."""
    return key.column.desc() if key.descending else key.column


def parameters(limit: int, after: Position) -> dict[str, int | str]:
    """The parameters of a page."""
    return {"limit": limit, **{f"after{number}": value for number, value in enumerate(after)}}


def placed(row: Sequence[Any], keys: int) -> Position:
    """The place of a row that `paged` gave, in an order of so many keys."""
    return tuple(row[:keys])


_NONE = -(2**62)


def sortable(column: ColumnElement[Any], missing: int = _NONE) -> ColumnElement[Any]:
    """What is sorted by: a number that may be NULL with something in its place, written out as an index of it has it."""
    told = not isinstance(column.type, Integer) or (isinstance(column, Column) and not column.nullable)
    return column if told else func.coalesce(column, literal_column(str(missing)))


def beyond(keys: Sequence[Key]) -> ColumnElement[bool]:
    """That a row comes after the place which the parameters of a page say."""
    places = [bindparam(f"after{number}", type_=key.column.type) for number, key in enumerate(keys)]
    if len({key.descending for key in keys}) == 1:
        row, place = tuple_(*(key.column for key in keys)), tuple_(*places)
        return row < place if keys[0].descending else row > place
    return _beyond_each(list(zip(keys, places, strict=True)))


def _beyond_each(keys: Sequence[tuple[Key, ColumnElement[Any]]]) -> ColumnElement[bool]:
    """The order of several columns, one of them descending; the first stands alone as well, for its index."""
    (key, place), *others = keys
    further = key.column < place if key.descending else key.column > place
    if not others:
        return further
    within = key.column <= place if key.descending else key.column >= place
    return and_(within, or_(further, and_(key.column == place, _beyond_each(others))))
