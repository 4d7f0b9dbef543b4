"""What a question asks for that is rare: its studies are looked up first, and the question is asked of those alone.

A page walks the studies in its own order until it is full. A question that no study or few answer would walk them all, where one
look at an index tells that nobody has the modality or such a name, or that nothing was made at that time.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, select

from adapters.sql import tables as t
from adapters.sql.criteria import Column, execute, narrow
from adapters.sql.images import IMAGES, ITEMS
from adapters.sql.texts import studies_with
from mappings.query import AllOf, AnyOf, Apart, Between, Condition, OneOf, Query

FEW = 200
FEW_BY_TEXT = 2000
_LOOKS = 8
_STUDY_OF = {1: t.study.c.id, 2: t.series.c.study, **{depth: rows.c.study for depth, rows in ITEMS.items()}}
_LEADING = frozenset({"modality", "body_part", "age", "study_date", "started_from", "started_to", "updated"}) | frozenset(
    {"request_procedure", "request_step", "procedure_code", "requested_code", "region_code"}
)
"""Fields that lead an index; without those of one row or one patient, whose indexes a planner never leaves aside."""

_OF_SERIES = {"modalities": "modality"}
"""What is asked of all series of a study is looked up as if it were asked of one."""


def few_studies(connection: Connection, query: Query) -> tuple[int, ...] | None:
    """The ids of studies among which are all that answer, or whose patients do, where they are at most `FEW`; else None.

    They are no answer, and may be hidden from whoever asks: the question asked of them says what it shows, as ever. By a text
    they may be more: to walk to a page of two thousand takes longer than to name them.
    """
    for rows, most in islice(_looks(connection, list(_necessary(query.where))), _LOOKS):
        found = tuple(execute(connection, rows.limit(most + 1)).scalars().all())
        if len(found) <= most:
            return tuple(dict.fromkeys(found))
    return None


def _looks(connection: Connection, necessary: list[Condition]) -> Iterator[tuple[Select[Any] | CompoundSelect[Any], int]]:
    """What is looked up, and how many of that are few: first by a look at an index, then by trigrams."""
    for condition in map(_of_series, necessary):
        if depth := _depth(condition):
            yield narrow(select(_STUDY_OF[depth]), condition, IMAGES, depth), FEW
    for condition in necessary:
        if (rows := studies_with(connection, condition)) is not None:
            yield rows, FEW_BY_TEXT


def _necessary(condition: Condition) -> Iterator[Condition]:
    """The parts without which the whole does not hold."""
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _necessary(part)
    elif isinstance(condition, Apart):
        yield from _necessary(condition.part)
    else:
        yield condition


def _of_series(condition: Condition) -> Condition:
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(map(_of_series, condition.parts)))
    if isinstance(condition, OneOf) and condition.field in _OF_SERIES:
        return replace(condition, field=_OF_SERIES[condition.field])
    return condition


def _depth(condition: Condition) -> int | None:
    """The one depth of all that is asked, by indexes; None where there is another or none."""
    if isinstance(condition, AnyOf):
        each = {_depth(part) for part in condition.parts}
        return each.pop() if len(each) == 1 else None
    if isinstance(condition, OneOf | Between) and condition.field in _LEADING:
        asked = IMAGES.fields[condition.field]
        return asked.depth if isinstance(asked, Column) else None
    return None
