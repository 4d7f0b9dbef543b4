"""Budgets and kept answers on both databases: paid once, never above the budget, whoever asks at the same moment."""

from threading import Barrier, Thread

import pytest
from sqlalchemy import String, delete, insert, select

from adapters.sql import questions, tallies
from adapters.sql import tables as t
from adapters.sql.questions import Question
from consent.conditions import Action
from consent.disclosure import People
from consent.subject import FEDERATION
from mappings.query import Level, OneOf, Query
from server.usecases.runtime import Caller
from tests import builders

BUDGET = 5
SETS = {1: "one", 2: "two"}


@pytest.fixture
def runtime(database, tmp_path):
    built = builders.runtime(tmp_path, url=database, clock=builders.Clock())
    builders.seed(built)
    builders.seed(built, alias="BREAST", provider="hospital-b")
    yield built
    built.close()


def question(number=0, *, caller="a", period=7):
    return Question(caller, period, f"{number:064x}")


def keep(runtime, asked, told=None, budget=BUDGET):
    with runtime.store.write() as connection:
        return questions.keep(connection, asked, SETS if told is None else told, budget)


def spent(runtime):
    with runtime.store.read() as connection:
        return {(caller, dataset): n for caller, dataset, n in questions.spenders(connection, 7, 1)}


def together(count, work):
    """Do `work(number)` in so many threads at one moment."""
    barrier = Barrier(count)

    def run(number):
        barrier.wait()
        work(number)

    threads = [Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_an_answer_is_kept_as_it_was_first_and_paid_once(runtime):
    assert keep(runtime, question()) == SETS
    assert keep(runtime, question(), {1: "later", 2: "later"}) == SETS
    assert spent(runtime) == {("a", 1): 1, ("a", 2): 1}
    with runtime.store.read() as connection:
        assert questions.kept(connection, question()) == SETS
        assert questions.kept(connection, question(caller="b")) == questions.kept(connection, question(period=8)) == {}


def test_above_the_budget_nothing_is_kept_and_nothing_is_paid(runtime):
    for number in range(BUDGET):
        assert keep(runtime, question(number), {1: "x"}) == {1: "x"}
    assert keep(runtime, question(BUDGET)) == {2: "two"}
    assert keep(runtime, question(0)) == {1: "x", 2: "two"}
    assert spent(runtime) == {("a", 1): BUDGET, ("a", 2): 2}
    assert keep(runtime, question(BUDGET, caller="b")) == SETS
    assert keep(runtime, question(BUDGET, period=8)) == SETS


def test_many_at_once_get_no_more_than_the_budget(runtime):
    answered = {}
    together(12, lambda n: answered.update({n: keep(runtime, question(n))}))
    assert sorted(map(len, answered.values())) == [0] * 7 + [2] * BUDGET
    assert spent(runtime) == {("a", 1): BUDGET, ("a", 2): BUDGET}


def test_the_same_question_at_once_is_paid_once_and_answered_alike(runtime):
    answered = {}
    together(8, lambda n: answered.update({n: keep(runtime, question(), {1: f"{n}", 2: f"{n}"})}))
    assert len({told[1] for told in answered.values()}) == 1
    assert spent(runtime) == {("a", 1): 1, ("a", 2): 1}


def test_no_answer_that_is_lost_or_over_gives_a_question_back(runtime):
    for number in range(BUDGET):
        keep(runtime, question(number))
    with runtime.store.write() as connection:
        connection.execute(delete(t.kept_answer))
    assert keep(runtime, question(0)) == {}
    assert keep(runtime, question(0, period=8)) == SETS
    assert keep(runtime, question(0)) == {}, "a clock that went back"
    assert spent(runtime) == {("a", 1): BUDGET, ("a", 2): BUDGET}


def test_answers_of_older_periods_are_forgotten(runtime):
    keep(runtime, question())
    keep(runtime, question(period=8))
    for clock_went_back in (False, True):
        with runtime.store.read() as connection:
            kept = connection.execute(select(t.kept_answer.c.period).distinct()).scalars().all()
        assert sorted(kept) == ([7, 8] if clock_went_back else [8])
        keep(runtime, question(1))


def test_what_breaks_off_pays_nothing_and_keeps_nothing(runtime):
    with pytest.raises(ZeroDivisionError), runtime.store.write() as connection:
        _ = len(questions.keep(connection, question(), SETS, BUDGET)) / 0
    assert spent(runtime) == {}
    assert keep(runtime, question()) == SETS


# --- who matches

PRIME = 2**31 - 1
NUMBERS = (1, 2, 46_341, 3_000_000_000, 2**40 + 7)
"""Rows of patients: small, beyond where squares fit 32 bits, beyond 32 bits."""


def hold(runtime, dataset, number, studies, sex="F"):
    with runtime.store.write() as connection:
        patient = {"id": number, "key": f"k{number}", "party": 1, "patient_id": f"p{number}"}
        if not connection.execute(select(t.patient.c.id).where(t.patient.c.id == number)).all():
            connection.execute(insert(t.patient).values(**patient))
        for n in range(studies):
            uid = f"{dataset}.{number}.{n}"
            texts = dict.fromkeys((c.name for c in t.study.c if isinstance(c.type, String)), "")
            counts = {"series": 0, "instances": 0, "fragment": b"", "version": 1, "updated": 0, "touched": 0}
            keys = {"key": uid, "study_uid": uid, "dataset": dataset, "patient": number, "patient_sex": sex}
            connection.execute(insert(t.study).values(**texts | counts | keys))


def counted(runtime, where=None):
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, Caller(FEDERATION), Action.DISCOVER)
        query = Query(Level.STUDY) if where is None else Query(Level.STUDY, where)
        found = tallies.counts(connection, query, visible, runtime.clock())
    return {dataset: (one.people, one.studies) for dataset, one in found.items()}


def people(*numbers):
    return People(len(numbers), sum(numbers), sum(n % PRIME * (n % PRIME) % PRIME for n in numbers))


def test_people_are_counted_once_with_the_sums_of_their_numbers(runtime):
    for number in NUMBERS:
        hold(runtime, 1, number, studies=2, sex="M" if number % 2 else "F")
    hold(runtime, 2, 2, studies=1)
    assert counted(runtime) == {1: (people(*NUMBERS), 10), 2: (people(2), 1)}
    assert counted(runtime, OneOf("patient_sex", ("F",))) == {1: (people(2, 3_000_000_000), 4), 2: (people(2), 1)}
    assert counted(runtime, OneOf("patient_sex", ("O",))) == {}
