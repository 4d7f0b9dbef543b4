"""What a question asks for that is rare: its studies are looked up first, and the question is asked of those alone.

A page walks the studies in its own order until it is full. A question that no study or few answer would walk them all, where one
look at an index tells that nobody has the modality, or that nothing was made at that time.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from sqlalchemy import Connection, select

from adapters.sql import tables as t
from adapters.sql.criteria import Column, execute, narrow
from adapters.sql.images import IMAGES, ITEMS
from mappings.query import AllOf, AnyOf, Apart, Between, Condition, OneOf, Query

FEW = 200
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

    They are no answer, and may be hidden from whoever asks: the question asked of them says what it shows, as ever.
    """
    for depth, condition in islice(_necessary(query.where), _LOOKS):
        rows = narrow(select(_STUDY_OF[depth]), condition, IMAGES, depth).limit(FEW + 1)
        found = tuple(execute(connection, rows).scalars().all())
        if len(found) <= FEW:
            return found
    return None


def _necessary(condition: Condition) -> Iterator[tuple[int, Condition]]:
    """The parts without which the whole does not hold, of those that an index answers, and their depth."""
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _necessary(part)
    elif isinstance(condition, Apart):
        yield from _necessary(condition.part)
    elif depth := _depth(asked := _of_series(condition)):
        yield depth, asked


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
