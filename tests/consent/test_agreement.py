import itertools

import pytest

from consent.agreement import MOVES, NODE_MOVES, AgreementState, NodeState, moved
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, Purpose, Visibility

S = AgreementState
LEGAL = {
    ("draft", "propose"): "proposed",
    ("proposed", "activate"): "active",
    ("active", "suspend"): "suspended",
    ("suspended", "resume"): "active",
    ("draft", "terminate"): "terminated",
    ("proposed", "terminate"): "terminated",
    ("active", "terminate"): "terminated",
    ("suspended", "terminate"): "terminated",
}


@pytest.mark.parametrize(("state", "verb"), [p for p in itertools.product(map(str, S), MOVES) if p not in LEGAL])
def test_every_other_move_is_illegal(state, verb):
    assert moved(S(state), verb) is None


@pytest.mark.parametrize(("state", "verb"), LEGAL)
def test_a_legal_move_leads_where_it_should(state, verb):
    assert moved(S(state), verb) == LEGAL[state, verb]


def test_nothing_leaves_terminated_and_only_resume_and_activate_make_active():
    assert all(moved(S.TERMINATED, verb) is None for verb in MOVES)
    assert {verb for verb, (_, target) in MOVES.items() if target is S.ACTIVE} == {"activate", "resume"}


def test_a_node_moves_freely_between_its_three_states():
    assert set(NODE_MOVES.values()) == set(NodeState)


def conditions(visibility="none", actions=(), **more):
    values = {"access_class": AccessClass.DEFAULT, "listed": True, "purposes": frozenset(Purpose)}
    return Conditions(**(values | more), visibility=Visibility(visibility), actions=frozenset(actions))


@pytest.mark.parametrize(
    ("visibility", "permitted"),
    [("none", set()), ("preview", {Action.PREVIEW}), ("full", {Action.PREVIEW, Action.VIEW})],
)
def test_pictures_are_granted_by_visibility_alone(visibility, permitted):
    """Naming the action in `actions` grants no picture."""
    for actions in ((), (Action.PREVIEW, Action.VIEW)):
        given = conditions(visibility, actions)
        assert {a for a in (Action.PREVIEW, Action.VIEW) if given.permit(a)} == permitted


@pytest.mark.parametrize("granted", [frozenset(c) for n in range(4) for c in itertools.combinations(sorted(GRANTABLE), n)])
def test_no_granted_action_implies_another(granted):
    assert {a for a in GRANTABLE if conditions(actions=granted).permit(a)} == granted
