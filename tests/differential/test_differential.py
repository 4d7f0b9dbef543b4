"""No leak: every searching route answers as a store would that holds nothing but what its caller may see.

Worlds, callers and questions are random, by seeds that the summary prints. `make test ARGS="tests/differential --rounds 200"`
asks for long, `--first` from another seed on.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy import false, true

from adapters.identity import Keys
from adapters.sql import audit, provenance, rarest, search
from adapters.sql.dataset import PATIENTS
from consent.policy import Decision, VisibleDatasets
from mappings.fhir.resources import RESOURCES
from mappings.query import EVERYTHING
from server.usecases import export, export_steps, sources
from server.web import app
from tests import builders
from tests.conftest import SUMMARY
from tests.differential import questions as asking
from tests.differential.oracle import EXEMPT, Answer, Question, View
from tests.differential.world import CALLERS, World, sight_of
from tests.house import SECRET, House

FIRST = 7
USERS = ("researcher", "trainer", "clinician", "inside")
OWNERS = ("provider-a", "provider-b", "operator")
QUESTIONS = 40
EVERY = VisibleDatasets(frozenset(range(1, 100)), None)
Difference = tuple[str, Question, Answer, Answer]


@pytest.fixture(scope="session")
def signing(tmp_path_factory) -> Keys:
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@dataclass
class Bench:
    """What worlds are built on: a folder, keys, and where the whole store's database is to be."""

    folder: Path
    keys: Keys
    database: Callable[[], str]
    built: int = 0

    def store(self, url: str = "") -> House:
        """A house without anything in it."""
        self.built += 1
        folder = self.folder / str(self.built)
        runtime = builders.runtime(folder, url=url, clock=builders.Clock(), federation_secret=SECRET)
        return House(runtime, self.keys, app.create(runtime, self.keys))

    @contextmanager
    def view(self, world: World, whole: House, name: str) -> Iterator[View]:
        """One caller's view of a world, and a store of that alone."""
        sight, alone = sight_of(whole.runtime, CALLERS[name]), self.store()
        with closing(alone.runtime):
            world.play(alone.runtime, sight)
            yield View(whole, alone, sight)


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request, tmp_path, signing, monkeypatch) -> Bench:
    database = request.getfixturevalue("emptied") if request.param == "postgresql" else str
    if request.param == "sqlite":
        monkeypatch.setattr(rarest, "FEW", 2)  # a world is small: else everything in it would be rare
    return Bench(tmp_path, signing, database)


@dataclass
class Told:
    """How much was asked, for the summary."""

    seeds: list[int] = field(default_factory=list)
    views: int = 0
    asked: int = 0


def differences(bench: Bench, seed: int, names: list[str], told: Told) -> Iterator[Difference]:
    """What some callers are told otherwise than by a store of their own."""
    world, whole = World(seed), bench.store(bench.database())
    with closing(whole.runtime):
        world.play(whole.runtime)
        words = asking.vocabulary(whole)
        for name in names:
            with bench.view(world, whole, name) as view:
                asked = asking.questions(whole, view.sight, words, random.Random(f"{seed} {name}"), QUESTIONS)
                yield from ((name, *difference) for difference in view.differences(asked))
                told.views, told.asked = told.views + 1, told.asked + view.asked
    told.seeds.append(seed)


def callers(seed: int) -> list[str]:
    """A user, a provider or the operator, and one of those who see little or ask elsewhere."""
    chance, others = random.Random(seed), set(CALLERS) - {*USERS, *OWNERS}
    return [chance.choice(among) for among in (USERS, OWNERS, sorted(others))]


@pytest.mark.timeout(0)  # as long as it is asked to
def test_every_answer_is_that_of_a_store_with_only_what_the_caller_may_see(bench, request, pytestconfig):
    rounds, told = pytestconfig.getoption("rounds") - request.node.callspec.id.startswith("p"), Told()  # PostgreSQL is slower
    first = pytestconfig.getoption("first")
    for seed in range(first, first + rounds):
        for name, question, mine, theirs in differences(bench, seed, callers(seed), told):
            pytest.fail(f"seed {seed}, {name}: {question}\nthe whole store: {mine}\nof its own: {theirs}", pytrace=False)
    said = f"seeds {told.seeds[0]} to {told.seeds[-1]}, {told.views} views, {told.asked} pairs of answers"
    pytestconfig.stash[SUMMARY].append(f"differential, {request.node.callspec.id}: {said}")
    assert told.asked > QUESTIONS * rounds


# --- the oracle notices


def forget_the_callers_datasets(monkeypatch) -> None:
    """A statement that is open to everybody for whom anything is open."""
    honest = search._fragments
    monkeypatch.setattr(
        search, "_fragments", lambda query, visible, *shape: honest(query, EVERY if visible.datasets else visible, *shape)
    )


def count_what_is_hidden(monkeypatch) -> None:
    """A total over more than the page was taken from."""
    honest = search._count
    monkeypatch.setattr(search, "_count", lambda query, _visible, *shape: honest(query, EVERY, *shape))


def share_a_patient_s_row(monkeypatch) -> None:
    """What a patient's row said before: something of a study of any dataset."""
    honest = search.patients

    def shared(connection, query, visible, now):
        whole = {
            p.key: p
            for _, p in honest(connection, replace(query, where=EVERYTHING, page=replace(query.page, after=())), EVERY, now)
        }
        return [
            (key, replace(p, sex=whole[p.key].sex if p.key in whole else p.sex))
            for key, p in honest(connection, query, visible, now)
        ]

    monkeypatch.setattr(search, "patients", shared)


def name_every_study(monkeypatch) -> None:
    """A deposit that names what it brought, whatever became of that."""
    honest = provenance._in_sight
    everywhere = frozenset(range(1, 100))
    monkeypatch.setattr(provenance, "_in_sight", lambda scope, *more: honest(replace(scope, queryable=everywhere), *more))


def tell_the_members_of_any_dataset(monkeypatch) -> None:
    """Groups of datasets whose rows the caller may not query."""
    everywhere = frozenset(range(1, 100))
    leaking = replace(PATIENTS, rows=lambda scope: PATIENTS.rows(replace(scope, queryable=everywhere)))
    monkeypatch.setattr(sources, "PATIENTS", leaking)
    monkeypatch.setitem(sources.SOURCES, "members", sources._members())


def export_what_is_not_agreed(monkeypatch) -> None:
    """A decision that forgets what a provider did not tick; the statement asks for open datasets still."""
    granted = Decision(True, "permitted", "", "")
    for module in (export, export_steps):
        monkeypatch.setattr(module, "decide_rows", lambda *_: granted)


def tell_a_provider_of_all_that_was_shown(monkeypatch) -> None:
    """Of a page that showed its data, what it showed of others'."""
    monkeypatch.setattr(audit, "_owned", lambda scope: true() if scope.provider else false())


@pytest.mark.parametrize(
    ("leak", "who"),
    [
        (export_what_is_not_agreed, "researcher"),
        (forget_the_callers_datasets, "researcher"),
        (count_what_is_hidden, "researcher"),
        (share_a_patient_s_row, "researcher"),
        (name_every_study, "researcher"),
        (tell_the_members_of_any_dataset, "researcher"),
        (tell_a_provider_of_all_that_was_shown, "provider-a"),
    ],
    ids=lambda planted: getattr(planted, "__name__", None),
)
def test_a_planted_leak_is_noticed(leak, who, monkeypatch, tmp_path, signing):
    leak(monkeypatch)
    bench, seeds = Bench(tmp_path, signing, str), range(FIRST, FIRST + 12)
    for seed in seeds:
        with closing(differences(bench, seed, [who], Told())) as found:
            if next(found, None):
                return
    pytest.fail("It went unnoticed.")


def test_every_parameter_of_every_type_is_asked():
    class Nothing(dict):
        def __missing__(self, _name):
            return []

    values = asking._values(Nothing())
    asked = {(kind, name) for kind, names in values.items() for name in names} | asking.NOT_ASKED.keys()
    assert asked == {(row.name, name) for row in RESOURCES.values() for name in row.parameters}


def test_what_is_exempt_has_its_reason():
    assert all(len(reason) > 30 for reason in EXEMPT.values())
