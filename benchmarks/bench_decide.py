"""What consent costs: decisions a second, and what it adds to a page of 100, with 200 agreements in three versions, 2 000 users.

A decision is `consent.policy.decide`, in one thread. The page is asked of the index without HTTP: by a user whose datasets were
decided since governance last changed, and beside it by the same page's order alone, without any consent.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, insert, select

from adapters.sql import client as clients
from adapters.sql import governance, search
from adapters.sql import tables as t
from adapters.sql.store import stamp
from benchmarks import studies, world
from consent.conditions import AccessClass, Action
from consent.data_use import read_term
from consent.dataset import Facts
from consent.permit import Permit
from consent.person import Actor, PersonRole
from consent.policy import decide
from consent.terms import Answer
from mappings.query import Level, Page, Query
from server.usecases.identify import subject
from server.usecases.renewal import answer
from server.usecases.runtime import Runtime
from server.usecases.terms import Draft, publish
from tests import builders

AGREEMENTS, VERSIONS, USERS = 200, 3, 2_000
ALIASES = [f"D{number:03}" for number in range(AGREEMENTS)]
OPERATOR = Actor("operator:bench", None, frozenset({PersonRole.OPERATOR}), is_local=True)
PAGE = Query(Level.STUDY, page=Page(limit=100))
_BARE = select(t.study.c.fragment).order_by(t.study.c.study_date.desc(), t.study.c.id.desc()).limit(100)


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Consent\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        runtime = world.governed(world.settings(home, url), ALIASES)
        _renew(runtime)
        _register(runtime)
        studies.fill(runtime, args.studies)
        rows = [*_decisions(runtime, args.rounds), *_pages(runtime, args.rounds)]
        runtime.close()
    world.table(("what", "median", "target"), rows)


def _renew(runtime: Runtime) -> None:
    """Bring every agreement under two later versions of the terms."""
    for number in range(2, VERSIONS + 1):
        contains = [f"{n}.0.0" for n in range(1, number)]
        draft = Draft(version=f"{number}.0.0", text=b"Other terms.\n", needs_renewal=True, contains=contains)
        publish(runtime, OPERATOR, draft)
        for alias in ALIASES:
            answer(runtime, OPERATOR, f"hospital-{alias.lower()}", draft.version, Answer.ACCEPT)


def _register(runtime: Runtime) -> None:
    """Users with what they accepted, and one that is measured."""
    with runtime.store.write() as connection:
        owner = connection.execute(select(t.party.c.id).where(t.party.c.key == "university")).scalar_one()
        terms = connection.execute(select(t.terms.c.id)).scalars().all()
        same = {"party": owner, "actor": "bench", "at": stamp(runtime.clock())}
        accepted = [{"terms": key, "subject": f"user-{n}", **same} for n in range(USERS) for key in terms]
        connection.execute(insert(t.acceptance), accepted)
        connection.execute(insert(t.acceptance).values(terms=terms[-1], subject="researcher", **same))
        governance.touch(connection)


def _decisions(runtime: Runtime, rounds: int) -> list[tuple[object, ...]]:
    now = runtime.clock()
    with runtime.store.read() as connection:
        facts, row = governance.facts(connection), clients.find(connection, "researcher")
        read = _milliseconds(lambda: governance.facts(connection), rounds)
    assert row is not None
    user = subject(row, inside=False)
    who = {"a beneficiary": user, "an external user": builders.subject(external=True, terms=user.terms)}
    told = [(f"decide, {name}: each second", f"{_rate(one, facts, now, rounds):,.0f}", "500 000") for name, one in who.items()]
    for name, kind in _conditional(facts, user.party, now).items():
        told.append((f"decide, {name}: each second", f"{_rate(user, kind, now, rounds):,.0f}", "500 000"))
    return [*told, ("facts read anew after an act, ms", f"{read:.1f}", "reported")]


def _conditional(facts: tuple[Facts, ...], party: str | None, now: datetime) -> dict[str, tuple[Facts, ...]]:
    """The same datasets shared under conditions, with a permit; and with data-use terms, of which one needs evidence."""
    permit = Permit(party or "", now - timedelta(days=1), now + timedelta(days=30), evidence=frozenset({"IRB"}))
    told = {}
    for name, terms in (("conditional class, a permit", ()), ("the same with two data-use terms", ("GRU", "IRB"))):
        said = {"access_class": AccessClass.CONDITIONAL, "data_use": tuple(map(read_term, terms))}
        told[name] = tuple(replace(f, conditions=replace(f.conditions, **said), permits=(permit,)) for f in facts)  # type: ignore[arg-type]
    return told


def _rate(who: object, facts: tuple[object, ...], now: object, rounds: int) -> float:
    """Decisions a second over every dataset: the dearest question, which passes each gate."""
    many = facts * 100

    def ask() -> None:
        for each in many:
            decide(who, Action.QUERY, "AIRESEARCH", each, now)  # type: ignore[arg-type]

    return len(many) / _milliseconds(ask, rounds) * 1_000


def _pages(runtime: Runtime, rounds: int) -> list[tuple[object, ...]]:
    with runtime.store.read() as connection:
        row = clients.find(connection, "researcher")
        assert row is not None
        user = subject(row, inside=False)

        def consented() -> int:
            now, snapshot = runtime.clock(), runtime.governance.current(connection)
            visible = snapshot.visible_datasets(user, Action.QUERY, "AIRESEARCH", now)
            return len(search.fragments(connection, PAGE, visible, now))

        assert consented() == len(_bare(connection)) == PAGE.page.limit
        both = [(_milliseconds(consented, 200), _milliseconds(lambda: _bare(connection), 200)) for _ in range(rounds)]
    with_it, without = (median(side) for side in zip(*both, strict=True))
    return [
        ("page of 100 with consent, ms", f"{with_it:.2f}", "reported"),
        ("the same rows in order alone, ms", f"{without:.2f}", "reported"),
        ("added, ms", f"{median(a - b for a, b in both):.2f}", "1"),
    ]


def _bare(connection: Connection) -> list[object]:
    return list(connection.execute(_BARE).all())


def _milliseconds(work: Callable[[], object], times: int) -> float:
    """Of this thread's own CPU: what else runs on the machine is not counted."""
    taken = []
    for _ in range(times):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return median(taken) * 1_000


if __name__ == "__main__":
    main()
