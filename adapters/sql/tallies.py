"""What each dataset holds among the studies that match, counted for the federation and the catalogue."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, func, select

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
    manufacturers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The people of one dataset who match, and how many studies of theirs do."""

    people: People
    studies: int


_PRIME = 2**31 - 1
_DATASET = t.study.c.dataset
_SUBJECTS = func.count(t.study.c.patient.distinct())
_WORDS = (t.study.c.patient_sex, t.series.c.modality, t.series.c.body_part, t.series.c.manufacturer)
"""Whose values a tally tells: its `sexes`, `modalities`, `body_parts` and `manufacturers`."""


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
    """One tally for each dataset that has a match.

    A word is told where `minimum` subjects share it, an age where as many lie beyond it: one subject joined by OR to a crowd
    would else be read off what the crowd lacks.
    """
    return _counted(connection, lambda *columns: statement(query, [_DATASET, *columns], visible, whole=True), now, minimum)


def tally_of(connection: Connection, dataset: int, now: datetime, minimum: int) -> Tally:
    """What a dataset holds in all, whatever stops it now: for its description, which is told only where nothing does."""
    whole = _counted(connection, lambda *columns: select(_DATASET, *columns).where(t.study.c.dataset == dataset), now, minimum)
    return whole[0] if whole else Tally(dataset, 0, 0, None, None, (), (), (), ())


def _counted(connection: Connection, rows: Callable[..., Select[Any]], now: datetime, minimum: int) -> list[Tally]:
    """`rows` selects its columns, after the dataset's id, of the studies that are counted."""
    ages = _ages(execute(connection, _aged(rows(t.study.c.age, _SUBJECTS)), now))
    words = [_words(execute(connection, _worded(rows(column), column, minimum), now)) for column in _WORDS]
    totals = rows(func.count(), _SUBJECTS).group_by(_DATASET).order_by(_DATASET)
    return [
        Tally(d, n, p, _end(ages.get(d, []), minimum), _end(ages.get(d, [])[::-1], minimum), *(w.get(d, ()) for w in words))
        for d, n, p in execute(connection, totals, now)
    ]


def _aged(rows: Select[Any]) -> Select[Any]:
    return rows.where(t.study.c.age.is_not(None)).group_by(_DATASET, t.study.c.age)


def _ages(rows: Iterable[Any]) -> dict[int, list[tuple[int, int]]]:
    """Dataset → (age, subjects), youngest first."""
    ages: dict[int, list[tuple[int, int]]] = {}
    for dataset, age, subjects in sorted(map(tuple, rows)):
        ages.setdefault(dataset, []).append((age, subjects))
    return ages


def _end(ages: Iterable[tuple[int, int]], minimum: int) -> int | None:
    """The first of these (age, subjects) up to which there are `minimum` subjects."""
    total = 0
    for age, subjects in ages:
        total += subjects
        if total >= minimum:
            return age
    return None


def _worded(rows: Select[Any], column: Column[str], minimum: int) -> Select[Any]:
    joined = rows if column.table is t.study else rows.join(t.series, t.series.c.study == t.study.c.id)
    return joined.group_by(_DATASET, column).having(minimum <= _SUBJECTS)


def _words(rows: Iterable[Any]) -> dict[int, tuple[str, ...]]:
    """Dataset → its words, without the empty one."""
    words: dict[int, tuple[str, ...]] = {}
    for dataset, word in sorted(map(tuple, rows)):
        if word:
            words[dataset] = (*words.get(dataset, ()), word)
    return words
