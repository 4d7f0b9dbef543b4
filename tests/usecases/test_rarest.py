"""What hardly any study answers is looked up first; what it finds is no answer by itself."""

import pytest
from sqlalchemy import event

from adapters.sql import rarest, search
from consent.policy import VisibleDatasets
from mappings.query import AllOf, AnyOf, Apart, Between, Level, Like, Not, OneOf, Page, Query
from tests import builders
from tests.usecases.test_sight import deposit

CT, MR, XA = (OneOf("modality", (modality,)) for modality in ("CT", "MR", "XA"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def held(request, tmp_path_factory):
    """Twenty studies of CT, one of MR, on each of the two databases; nothing here changes them."""
    url = request.getfixturevalue("emptied")() if request.param == "postgresql" else ""
    built = builders.runtime(tmp_path_factory.mktemp("rarest"), url=url, clock=builders.Clock())
    builders.seed(built)
    deposit(built, *((f"1.2.{n}", f"P{n}", {"Modality": "MR" if n == 7 else "CT"}) for n in range(21)))
    yield built
    built.close()


def few(runtime, where, level=Level.STUDY):
    with runtime.store.read() as connection:
        return rarest.few_studies(connection, Query(level, where))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (MR, 1),
        (XA, 0),
        (CT, None),
        (OneOf("modalities", ("MR", "XA")), 1),
        (AnyOf((OneOf("modalities", ("MR",)), XA)), 1),
        (AllOf((CT, MR)), 1),
        (AllOf((CT, AllOf((Like("description", "*"), Apart(AllOf((Like("description", "*"), XA)), Level.SERIES))))), 0),
        (AnyOf((MR, XA)), 1),
        (AnyOf((MR, CT)), None),
        (AnyOf((MR, OneOf("study_uid", ("1.2.7",)))), None),
        (OneOf("age", (7,)), 0),
        (AnyOf((MR, OneOf("study_date", ("20200101",)))), None),
        (Not(MR), None),
        (Between("study_date", None, "19000101"), 0),
        (Between("updated", 2**60, None), 0),
        (AllOf(()), None),
        (AnyOf(()), None),
    ],
    ids=str,
)
def test_the_fewest_that_may_answer_are_told(held, where, found, monkeypatch):
    monkeypatch.setattr(rarest, "FEW", 5)
    told = few(held, where)
    assert (None if told is None else len(told)) == found


def test_it_looks_a_bounded_number_of_times(held, monkeypatch):
    monkeypatch.setattr(rarest, "FEW", 5)
    asked = []
    event.listen(held.store.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert few(held, AllOf((*[CT] * 50, MR))) is None
    assert len(asked) < 10


@pytest.mark.parametrize("level", list(Level))
def test_what_it_finds_is_shown_to_nobody_who_may_not_see_it(held, level):
    query = Query(level, MR, Page())
    ask = search.patients if level is Level.PATIENT else search.fragments
    with held.store.read() as connection:
        now = held.clock()
        assert len(few(held, MR, level)) == 1
        assert len(ask(connection, query, VisibleDatasets(frozenset({1}), None), now)) == 1
        assert list(ask(connection, query, VisibleDatasets(frozenset({2}), None), now)) == []
        assert search.count(connection, query, VisibleDatasets(frozenset({2}), None), now) == 0
