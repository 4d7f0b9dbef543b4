"""What each dataset holds among the studies that match, counted for the federation and the catalogue.

What matches is found once and all is counted from it, in one statement: six that each found it again took a federated question
five times as long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, Column, CompoundSelect, Connection, Select, func, literal, select, union_all

from adapters.sql import tables as t
from adapters.sql.images import execute, statement
from consent.disclosure import People
from consent.policy import VisibleDatasets
from mappings.query import Query


@dataclass(frozen=True, slots=True)
class Tally:
    """What one dataset holds among the studies that match: for EUCAIM and the catalogue, before it is made safe."""

    dataset: int
    studies: int
    subjects: int
    youngest: int | None
    oldest: int | None
    sexes: tuple[str, ...]
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    manufacturers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """The people of one dataset who match, and how many studies of theirs do."""

    people: People
    studies: int


_PRIME = 2**31 - 1
_DATASET = t.study.c.dataset
_COUNTED = (t.study.c.id, _DATASET, t.study.c.patient, t.study.c.patient_sex, t.study.c.age)
"""What is read of a study that matches: an index has all of it (`ix_study_members`), and study rows are kilobytes."""
_TOLD = (t.study.c.patient_sex, t.series.c.modality, t.series.c.body_part)
"""Whose values the federation is told: a tally's `sexes`, `modalities` and `body_parts`."""
_WORDS = (*_TOLD, t.series.c.manufacturer)
"""And the catalogue."""
_TOTALS, _AGE, _WORD = range(3)
"""What a row of the statement is about: it names that, the dataset, four numbers, and a word of each column or none."""


def counts(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> dict[int, Counted]:
    """Dataset → who matches. A person's number is the row's, which no other has and a restored database keeps."""
    rows = statement(query, [_DATASET, t.study.c.patient, func.count().label("studies")], visible, whole=True)
    each = rows.group_by(_DATASET, t.study.c.patient).subquery()
    number = each.c.patient % _PRIME  # so that no square and no sum of them is beyond 64 bits
    sums = [func.sum(n) for n in (each.c.studies, each.c.patient, number * number % _PRIME)]
    grouped = select(each.c.dataset, func.count(), *sums).group_by(each.c.dataset)
    grouped = grouped.execution_options(**rows.get_execution_options())
    return {
        dataset: Counted(People(count, int(numbers), int(squares)), int(studies))  # PostgreSQL sums to NUMERIC
        for dataset, count, studies, numbers, squares in execute(connection, grouped, now)
    }


def tallies(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime, minimum: int = 1) -> list[Tally]:
    """One tally for each dataset that has a match, without manufacturers.

    A word is told where `minimum` subjects share it, an age where as many lie beyond it: one subject joined by OR to a crowd
    would else be read off what the crowd lacks.
    """
    return _counted(connection, statement(query, _COUNTED, visible, whole=True), _TOLD, now, minimum)


def tally_of(connection: Connection, dataset: int, now: datetime, minimum: int) -> Tally:
    """What a dataset holds in all, whatever stops it now: for its description, which is told only where nothing does."""
    whole = _counted(connection, select(*_COUNTED).where(t.study.c.dataset == dataset), _WORDS, now, minimum)
    return whole[0] if whole else Tally(dataset, 0, 0, None, None, (), (), (), ())


def _counted(
    connection: Connection, matching: Select[Any], words: Sequence[Column[str]], now: datetime, minimum: int
) -> list[Tally]:
    """What is counted of the studies that match, which are read once."""
    counting = _counting(matching.cte("matched"), words, minimum).execution_options(**matching.get_execution_options())
    totals, ages, told = [], dict[int, list[tuple[int, int]]](), dict[int, list[set[str]]]()
    for about, dataset, number, subjects, youngest, oldest, *said in sorted(map(tuple, execute(connection, counting, now))):
        if about == _TOTALS:
            totals.append((dataset, number, subjects, youngest, oldest))
        elif about == _AGE:
            ages.setdefault(dataset, []).append((number, subjects))
        else:
            for known, word in zip(told.setdefault(dataset, [set() for _ in words]), said, strict=True):
                known.add(word)
    return [
        Tally(
            dataset,
            studies,
            subjects,
            *(ends if minimum <= 1 else (_end(ages.get(dataset, []), minimum), _end(ages.get(dataset, [])[::-1], minimum))),
            *(tuple(sorted(known - {""})) for known in told.get(dataset, [set()] * len(words))),
        )
        for dataset, studies, subjects, *ends in totals
    ]


def _counting(matched: CTE, words: Sequence[Column[str]], minimum: int) -> CompoundSelect[Any]:
    """Where neither words nor ages need a number of subjects, words of one table are found together: series are joined once."""
    m, nothing, none = matched.c, [literal(0)] * 2, [literal("")] * len(words)
    ends = [func.min(m.age), func.max(m.age)] if minimum <= 1 else nothing
    totals = select(literal(_TOTALS), m.dataset, func.count(), func.count(m.patient.distinct()), *ends, *none)
    ages = select(literal(_AGE), m.dataset, m.age, func.count(m.patient.distinct()), *nothing, *none)
    aged = [] if minimum <= 1 else [ages.where(m.age.is_not(None)).group_by(m.dataset, m.age)]
    tables = [[column for column in words if column.table is table] for table in (t.study, t.series)]
    together = tables if minimum <= 1 else [[column] for column in words]
    worded = [_worded(matched, [column if column in some else None for column in words], minimum) for some in together]
    return union_all(totals.group_by(m.dataset), *aged, *worded)


def _worded(matched: CTE, columns: Sequence[Column[str] | None], minimum: int) -> Select[Any]:
    """The datasets' words of these columns, each where `minimum` subjects share it; None stands for one that is not looked at."""
    own = [None if c is None else matched.c[c.name] if c.table is t.study else c for c in columns]
    said = [literal("") if word is None else word for word in own]
    rows = select(literal(_WORD), matched.c.dataset, *[literal(0)] * 4, *said)
    if any(column is not None and column.table is t.series for column in columns):
        rows = rows.join(t.series, t.series.c.study == matched.c.id)
    grouped = rows.group_by(matched.c.dataset, *(word for word in own if word is not None))
    return grouped if minimum <= 1 else grouped.having(func.count(matched.c.patient.distinct()) >= minimum)


def _end(ages: Iterable[tuple[int, int]], minimum: int) -> int | None:
    """The first of these (age, subjects) up to which there are `minimum` subjects."""
    total = 0
    for age, subjects in ages:
        total += subjects
        if total >= minimum:
            return age
    return None
