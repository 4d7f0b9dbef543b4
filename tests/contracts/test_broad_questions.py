"""The heaviest questions that each dialect can say, made from its own table, on both databases: answered, or refused as too many.

None may become a database's error: SQLite bears a nesting of a thousand, PostgreSQL 65 535 values.
"""

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest
from sqlalchemy import text

from adapters.sql.store import Store
from consent.disclosure import MOST_BARS, MOST_VALUES
from consent.subject import Role
from mappings.dicom.qido import MAX_KEYS, MAX_LIST, read_query
from mappings.eucaim import CRITERIA, MAX_DEPTH, MAX_NODES
from mappings.failures import Invalid, TooBroad
from mappings.fhir.parameters import Parameter
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import MAX_ARGUMENTS, MAX_VALUE
from mappings.fields import FIELDS, QIDO_KEYS, Kind
from mappings.query import Level
from server.usecases.federate import answer
from server.usecases.read import search_resources
from server.usecases.runtime import Runtime
from server.usecases.search import fragments
from tests import builders

ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
LEVELS = (Level.STUDY, Level.SERIES, Level.INSTANCE)


@pytest.fixture
def runtime(tmp_path: Path, database: str) -> Iterator[Runtime]:
    built = builders.runtime(tmp_path, url=database, min_subjects=1)
    builders.seed(built)
    yield built
    built.close()


# --- time


def test_a_question_ends_at_its_deadline_and_what_comes_after_is_answered(database: str) -> None:
    store = Store(database, connections=1, read_seconds=0.2)
    with pytest.raises(TooBroad), store.read() as connection:
        connection.execute(ENDLESS).scalar_one()
    with store.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    with pytest.raises(TooBroad), store.read(0.1) as connection:
        connection.execute(ENDLESS).scalar_one()
    store.close()


def test_the_statements_of_one_reading_share_its_time(database: str) -> None:
    store = Store(database, connections=1, read_seconds=0.6)
    short = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n")
    answered: list[int] = []

    def go_on() -> None:
        with store.read() as connection:
            answered.extend(connection.execute(short).scalar_one() for _ in range(200))

    with pytest.raises(TooBroad):
        go_on()
    assert 0 < len(answered) < 200
    store.close()


def test_writing_and_whole_views_take_the_time_they_need(database: str) -> None:
    store = Store(database, connections=1, read_seconds=0.001)
    long = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n")
    with pytest.raises(TooBroad), store.read() as connection:
        connection.execute(long).scalar_one()
    with store.snapshot() as connection:
        assert connection.execute(long).scalar_one() == 300_000
    with store.write() as connection:
        assert connection.execute(long).scalar_one() == 300_000
    store.close()


# --- FHIR


def _values(parameter: Parameter) -> Iterator[str]:
    """Different values of one parameter, the dearest of its type."""
    number = 1000
    while True:
        number += 1
        if parameter.type == "reference":
            yield f"{next(islice(cycle(parameter.targets or ('Basic',)), number, None))}/{number}"
        elif parameter.type == "date":
            yield f"ne{1000 + number % 1900}"
        else:
            yield str(number)


SOUGHT = {("AuditEvent", "entity"), ("AuditEvent", "patient")}
"""References that are sought in packed lists, each by itself."""


def _searches() -> Iterator[tuple[str, Parameter, str]]:
    """(type, parameter, modifier)."""
    for resource in RESOURCES.values():
        for parameter in resource.parameters.values():
            yield from ((resource.name, parameter, modifier) for modifier in ("", ":not")[: 1 + (parameter.type == "token")])


@pytest.mark.slow
def test_two_hundred_values_in_ten_parameters_are_answered(runtime: Runtime) -> None:
    operator = builders.caller(Role.OPERATOR, party="repository-office")
    for resource, parameter, modifier in _searches():
        apart = parameter.type in ("date", "string") or (resource, parameter.name) in SOUGHT
        each = 20 if apart else 200  # a range or a pattern is a condition of its own
        values = _values(parameter)
        asked = [(parameter.name + modifier, ",".join(islice(values, each))) for _ in range(10)]
        assert b'"Bundle"' in search_resources(runtime, operator, resource, asked), (resource, parameter.name, modifier)


def test_the_most_that_a_fhir_search_can_say_is_too_many(runtime: Runtime) -> None:
    for resource, parameter, modifier in _searches():
        value = ",".join(islice(_values(parameter), 400))[:MAX_VALUE].rpartition(",")[0]
        asked = [(parameter.name + modifier, value)] * MAX_ARGUMENTS
        with pytest.raises(Invalid) as refused:
            search_resources(runtime, builders.caller(), resource, asked)
        assert refused.value.code == "too-many", (resource, parameter.name, modifier)


# --- QIDO-RS

HEAVY = {
    Kind.CODE: lambda n: f"*{n}?*",
    Kind.TEXT: lambda n: f"*{n}?*",
    Kind.NAME: lambda n: f"*{n}^?",
    Kind.UID: lambda n: f"1.2.{n}",
    Kind.NUMBER: str,
    Kind.DATE: lambda n: f"1{n:03}0101-20200101",
    Kind.TIME: lambda n: f"{n % 24:02}-23",
}


def _heavy(name: str, start: int, most: int) -> str:
    """As many values of one key as it takes, each different."""
    kind = FIELDS[QIDO_KEYS[name]].kind
    several = kind in (Kind.UID, Kind.CODE, Kind.NUMBER)
    return "\\".join(HEAVY[kind](n) for n in range(start, start + (most if several else 1)))


@pytest.mark.parametrize("most", [1, 20, 60, 400])
def test_a_qido_search_with_every_key_is_answered_or_too_many(runtime: Runtime, most: int) -> None:
    keys = list(islice(cycle(QIDO_KEYS), MAX_KEYS))
    asked = [(name, _heavy(name, place * 10, most)) for place, name in enumerate(keys)]
    refused = []
    for level in LEVELS:
        query, _ = read_query(level, [(name, value) for name, value in asked if len(value) < 256])
        try:
            assert fragments(runtime, builders.caller(), query) == []
        except Invalid as failure:
            refused.append(failure.code)
    assert refused in ([], ["too-many"] * len(LEVELS))
    assert bool(refused) is False or most > 1


@pytest.mark.parametrize("name", [field.keyword for field in FIELDS.values() if field.keyword])
def test_one_key_with_all_the_values_it_takes_is_answered_or_too_many(runtime: Runtime, name: str) -> None:
    outcomes = []
    for most in (10, 200, 400, 1000, 5000):
        value = _heavy(name, 100, most)[:MAX_LIST].rpartition("\\")[0] or _heavy(name, 100, 1)
        try:
            query, _ = read_query(Level.STUDY, [(name, value)])
            outcomes.append(len(fragments(runtime, builders.caller(), query)))
        except Invalid as failure:
            outcomes.append(failure.code)
    assert outcomes[0] == 0
    assert set(outcomes) <= {0, "too-many", "qido-value-too-long"}


# --- EUCAIM

LEAVES = {
    "SNOMEDCT263495000": ("NOT_EQUALS", "SNOMEDCT248153007"),
    "SNOMEDCT423493009": ("NOT_EQUALS", 41),
    "RID10311": ("NOT_EQUALS", "RID10312"),
    "SNOMEDCT123037004": ("NOT_EQUALS", "SNOMEDCT76752008"),
    "C25392": ("NOT_EQUALS", "birnlex_12833"),
    "SNOMEDCT439401001": ("NOT_EQUALS", "SNOMEDCT254837009"),
}


def _leaf(number: int) -> dict[str, object]:
    key = list(LEAVES)[number % len(LEAVES)]
    kind, value = LEAVES[key]
    return {"key": key, "type": kind, "value": value + number if isinstance(value, int) else value}


def _tree(width: int, depth: int, bars: int = 1) -> dict[str, object]:
    """Conditions within conditions down to `depth`, each with `width` leaves of every criterion; so many of them alternatives."""
    leaves: list[object] = [_leaf(n + depth) for n in range(width)]
    below = [_tree(width, depth - 1, max(bars - 1, 1))] if depth else []
    if bars == 1:
        return {"operand": "AND", "children": [*leaves, *below]}
    return {"operand": "OR", "children": [{"operand": "AND", "children": leaves}, *below]}


def test_every_criterion_is_among_the_leaves() -> None:
    assert LEAVES.keys() == CRITERIA.keys()


WIDEST = MOST_VALUES * len(LEAVES)


@pytest.mark.parametrize(
    ("width", "depth", "bars"),
    [
        (WIDEST, 0, 1),
        (WIDEST, 1, 2),
        (MAX_NODES // MAX_DEPTH - 1, MAX_DEPTH - 2, 1),
        (MAX_NODES // MAX_DEPTH - 2, MAX_DEPTH - 2, MOST_BARS),
        (MAX_NODES // MOST_BARS - 2, MOST_BARS - 1, MOST_BARS),
    ],
)
def test_the_heaviest_federated_question_is_answered(runtime: Runtime, width: int, depth: int, bars: int) -> None:
    assert answer(runtime, builders.caller(Role.FEDERATION), _tree(width, depth, bars)) == {"collections": []}
