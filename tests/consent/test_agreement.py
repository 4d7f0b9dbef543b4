import itertools

import pytest

from consent import node
from consent.agreement import MOVES, AgreementState, Side, Standing, move, read_citation, refusal
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, Purpose, Visibility

S = AgreementState
PROVIDER, REPOSITORY = Side
STANDINGS = {
    "draft": Standing(S.DRAFT),
    "proposed": Standing(S.PROPOSED),
    "active": Standing(S.ACTIVE),
    "stopped by the provider": Standing(S.SUSPENDED, frozenset({PROVIDER})),
    "stopped by the repository": Standing(S.SUSPENDED, frozenset({REPOSITORY})),
    "stopped by both": Standing(S.SUSPENDED, frozenset(Side)),
    "terminated": Standing(S.TERMINATED),
}
LEGAL = {
    ("draft", "propose", "either"): "proposed",
    ("proposed", "activate", "either"): "active",
    ("active", "suspend", PROVIDER): "stopped by the provider",
    ("active", "suspend", REPOSITORY): "stopped by the repository",
    ("stopped by the provider", "suspend", REPOSITORY): "stopped by both",
    ("stopped by the repository", "suspend", PROVIDER): "stopped by both",
    ("stopped by the provider", "resume", PROVIDER): "active",
    ("stopped by the repository", "resume", REPOSITORY): "active",
    ("stopped by both", "resume", PROVIDER): "stopped by the repository",
    ("stopped by both", "resume", REPOSITORY): "stopped by the provider",
    **{(name, "terminate", "either"): "terminated" for name in ("draft", "proposed", "active")},
}


def target(name, verb, side):
    """Where this move leads by the table above; None where it is illegal."""
    return LEGAL.get((name, verb, side)) or LEGAL.get((name, verb, "either"))


EVERY = list(itertools.product(STANDINGS, MOVES, Side))
STOPPED = [name for name in STANDINGS if name.startswith("stopped")]


@pytest.mark.parametrize(("name", "verb", "side"), [m for m in EVERY if not (m[1] == "terminate" and m[0] in STOPPED)])
def test_a_move_leads_where_it_should_and_every_other_is_refused(name, verb, side):
    where = target(name, verb, side)
    assert (refusal(STANDINGS[name], verb, side) is None) is (where is not None)
    if where:
        assert move(STANDINGS[name], verb, side) == STANDINGS[where]


@pytest.mark.parametrize(("name", "side"), list(itertools.product(STOPPED, Side)))
def test_a_stopped_agreement_may_be_ended_by_either_side_and_says_whose_stop_it_was(name, side):
    assert refusal(STANDINGS[name], "terminate", side) is None
    assert move(STANDINGS[name], "terminate", side) == Standing(S.TERMINATED, STANDINGS[name].stops)


def test_a_stop_is_lifted_by_who_set_it_and_the_refusal_says_who_that_is():
    why = refusal(STANDINGS["stopped by the provider"], "resume", REPOSITORY)
    assert why == "is resumed by who stopped it, the provider, and not by the repository"


def test_nothing_leaves_terminated_and_only_resume_and_activate_make_active():
    assert all(refusal(STANDINGS["terminated"], verb, side) for verb in MOVES for side in Side)
    assert {verb for verb, (_, target) in MOVES.items() if target is S.ACTIVE} == {"activate", "resume"}


@pytest.mark.parametrize(
    ("text", "cited"),
    [("DSA", ("DSA", None)), ("DSA@3", ("DSA", 3)), ("DSA@0", None), ("DSA@x", None), ("DSA@", None), ("@3", None), ("", None)],
)
def test_a_citation_is_a_key_and_perhaps_a_version(text, cited):
    assert read_citation(text) == cited


def test_a_node_moves_freely_between_its_three_states():
    assert set(node.MOVES.values()) == set(node.NodeState) - {node.NodeState.REMOVED}


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
    given = conditions(actions=granted, access_class=AccessClass.CONDITIONAL)
    assert {a for a in GRANTABLE if given.permit(a)} == granted


@pytest.mark.parametrize(
    ("access_class", "purposes", "leaves"),
    [
        (AccessClass.CONDITIONAL, {Purpose.AI_RESEARCH}, True),
        (AccessClass.CONDITIONAL, {Purpose.AI_TRAINING, Purpose.FEDERATED_LEARNING}, False),
        (AccessClass.DEFAULT, set(Purpose), False),
    ],
)
def test_export_that_was_ticked_is_granted_under_conditions_and_for_research_only(access_class, purposes, leaves):
    given = conditions(actions=GRANTABLE, access_class=access_class, purposes=frozenset(purposes))
    assert given.actions == GRANTABLE
    assert given.granted == (GRANTABLE if leaves else GRANTABLE - {Action.EXPORT})
    assert given.permit(Action.EXPORT) == leaves
