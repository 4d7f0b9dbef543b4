"""Who is told of a stop: whom the decision without it would have let in, who used it; of a listed description, everybody."""

from dataclasses import replace
from datetime import timedelta

import pytest

from consent.agreement import AgreementState
from consent.conditions import Action
from consent.node import NodeState
from consent.stop import Cause, Stop
from consent.subject import ANONYMOUS, Role
from consent.told import is_told
from tests.builders import subject
from tests.consent.test_policy import NOW, PURPOSE, facts

STOP = Stop(NOW - timedelta(days=1), Cause.PROVIDER)
STOPPED = {"state": AgreementState.SUSPENDED, "stops": (STOP,)}
USER = subject()
CASES = [
    (True, USER, Action.QUERY, facts(**STOPPED)),
    (True, USER, Action.QUERY, facts(node_state=NodeState.UNLINKED, stops=(STOP,))),
    (True, USER, Action.QUERY, facts(withdrawn=NOW, stops=(STOP,))),
    (True, USER, Action.EXPORT, facts(**STOPPED)),
    (True, ANONYMOUS, Action.DISCOVER, facts(**STOPPED)),
    (True, subject(approved=False), Action.DISCOVER, facts(**STOPPED)),
    (True, subject(Role.PROVIDER, party="hospital"), Action.QUERY, facts(**STOPPED)),
    (True, subject(Role.OPERATOR), Action.QUERY, facts(**STOPPED)),
    (False, ANONYMOUS, Action.DISCOVER, facts(listed=False, **STOPPED)),
    (False, ANONYMOUS, Action.QUERY, facts(**STOPPED)),
    (False, subject(approved=False), Action.QUERY, facts(**STOPPED)),
    (False, subject(approved=False), Action.DISCOVER, facts(listed=False, **STOPPED)),
    (False, subject(Role.PROVIDER, party="other"), Action.QUERY, facts(**STOPPED)),
    (False, USER, Action.QUERY, facts(actions=frozenset(), **STOPPED)),
    (False, USER, Action.QUERY, facts(state=AgreementState.DRAFT)),
    (False, USER, Action.QUERY, facts(ends=NOW, **STOPPED)),
]


@pytest.mark.parametrize(("told", "who", "action", "given"), CASES)
def test_a_stop_is_told_as_the_decision_without_it_says(told, who, action, given):
    assert is_told(who, action, PURPOSE if who.role is Role.USER else None, given, NOW) is told


def test_who_used_it_is_told_whatever_is_agreed_now():
    assert is_told(replace(USER, approved=False), Action.EXPORT, None, facts(actions=frozenset(), **STOPPED), NOW, used=True)


def test_what_is_told_names_date_and_cause_and_never_a_patient():
    said = {cause: Stop(NOW, cause).sentence for cause in Cause}
    assert all(f"{NOW:%Y-%m-%d}" in sentence and "patient" not in sentence.lower() for sentence in said.values())
    assert "provider" in said[Cause.PROVIDER]
    assert "repository" in said[Cause.REPOSITORY]
    assert len(set(said.values())) == 3
