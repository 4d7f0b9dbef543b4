"""Governance is kept while nothing changes, by many threads, and none is handed what another kept before a stop."""

from consent.agreement import AgreementState
from server.usecases.agreement import move_agreement
from server.usecases.governance import GovernanceCache
from tests.builders import ACTOR


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
