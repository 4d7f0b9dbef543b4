"""What a client may do with a study: the same decisions that its requests would meet."""

from datetime import timedelta

import pytest

from adapters.identity import Keys
from consent.conditions import Action
from consent.node import NodeState
from consent.subject import Role
from mappings.failures import NotFound
from server.usecases.explain import explain
from tests import house
from tests.house import House


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> House:
    folder = tmp_path_factory.mktemp("explain")
    return house.build(folder, Keys.load_or_make(folder / "keys.json"), actions=("query", "process"), visibility="preview")


def allowed(told) -> set[Action]:
    return {action for action, decision in told.decisions if decision.allowed}


def test_it_says_where_the_study_lies_who_asks_and_what_for(home):
    told = explain(home.runtime, home.study, "researcher")
    assert (told.dataset, told.provider, told.node, told.node_state) == ("LUNG", "hospital-a", "central", NodeState.LINKED)
    assert (told.role, told.purpose, told.enabled) == (Role.USER, "AIRESEARCH", True)
    assert [action for action, _ in told.decisions] == list(Action)
    assert {(decision.agreement, decision.terms) for _, decision in told.decisions} == {("DSA-LUNG@1", "1.0.0")}


def test_pixels_are_for_a_client_inside_its_node_unless_it_asks_from_outside(home):
    inside, outside = (explain(home.runtime, home.study, "compute", outside=outside) for outside in (False, True))
    assert (inside.role, outside.role) == (Role.INSIDE, Role.USER)
    assert allowed(inside) - allowed(outside) == {Action.PROCESS}


def test_another_purpose_is_another_decision(home):
    told = explain(home.runtime, home.study, "researcher", purpose="TREAT")
    assert told.purpose == "TREAT"
    assert Action.QUERY not in allowed(told)


def test_a_disabled_client_is_told_apart(home):
    assert not explain(home.runtime, home.study, "disabled").enabled


@pytest.mark.parametrize(("study", "client"), [(None, "nobody"), ("1.2.3", "researcher")])
def test_what_is_not_known_is_not_explained(home, study, client):
    with pytest.raises(NotFound):
        explain(home.runtime, study or home.study, client)


def test_at_another_moment_it_is_what_was_decided_then(home):
    now = home.runtime.clock()
    told, then = (explain(home.runtime, home.study, "researcher", at=at) for at in (None, now))
    assert then == told
    with pytest.raises(NotFound):
        explain(home.runtime, home.study, "researcher", at=now - timedelta(days=9))
