"""Governance facts are kept while nothing changes, by many threads, and none is handed what another kept before a stop."""

from dataclasses import replace

from consent.agreement import AgreementState
from server.usecases.agreement import move_agreement
from tests.builders import ACTOR


class Overtaken(list):
    """A place where, after it was looked at, a slower thread puts what it had read before."""

    def __getitem__(self, place):
        found = super().__getitem__(place)
        self[0] = self.slower
        return found


def test_a_slower_thread_does_not_hand_its_old_facts_to_one_that_read_the_stop(built):
    with built.store.read() as connection:
        before = built.governance.current(connection)
        move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
        place = Overtaken([built.governance.current(connection)])
        place.slower = before
        (facts,) = replace(built, known=place).governance(connection).facts
    assert facts.state is AgreementState.SUSPENDED
