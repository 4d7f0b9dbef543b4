"""Governance is kept while nothing changes, by many threads, and none is handed what another kept before a stop."""

import random
from datetime import timedelta

import pytest

from consent.agreement import AgreementState
from consent.conditions import Action
from consent.policy import turns, visible_datasets
from server.usecases.agreement import move_agreement
from server.usecases.governance import GovernanceCache, GovernanceSnapshot
from tests.builders import ACTOR
from tests.consent.test_policy import NOW, some_facts, some_subject


class Overtaken(GovernanceCache):
    """After its newest snapshot was looked at, a slower thread keeps what it had read before."""

    slower = None

    @property
    def _newest(self):
        found = self.place
        self.place = self.slower or found
        return found

    @_newest.setter
    def _newest(self, snapshot):
        self.place = snapshot


def test_a_slower_thread_does_not_hand_its_old_facts_to_one_that_read_the_stop(built):
    cache = Overtaken()
    with built.store.read() as connection:
        before = cache.current(connection)
        move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
        cache.current(connection)
        cache.slower = before
        (facts,) = cache.current(connection).facts
    assert facts.state is AgreementState.SUSPENDED
    assert cache.place is before


@pytest.mark.parametrize("seed", range(10))
def test_what_was_decided_once_is_what_would_be_decided_now_wherever_the_clock_stands(seed):
    chance = random.Random(seed)
    facts = tuple(some_facts(chance, n) for n in range(8))
    snapshot = GovernanceSnapshot(1, facts, {}, {}, frozenset())
    moments = [moment + timedelta(microseconds=apart) for moment in turns(facts) for apart in (-1, 0, 1)]
    callers = [(some_subject(chance), chance.choice([None, "AIRESEARCH"])) for _ in range(6)]
    for now in chance.choices([*moments, NOW], k=60):
        for who, purpose in callers:
            for action in (Action.QUERY, Action.DISCOVER):
                decided = visible_datasets(who, action, purpose, facts, now)
                assert snapshot.visible_datasets(who, action, purpose, now) == decided


def test_a_snapshot_decides_once_while_no_moment_turns_it():
    facts = (some_facts(random.Random(1), 1),)
    snapshot = GovernanceSnapshot(1, facts, {}, {}, frozenset())
    who = some_subject(random.Random(2))
    found = [snapshot.visible_datasets(who, Action.QUERY, None, NOW + timedelta(seconds=s)) for s in range(3)]
    assert found[0] is found[1] is found[2]
