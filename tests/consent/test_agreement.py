import itertools

import pytest

from consent import node
from consent.agreement import (
    ENDED,
    ENFORCING,
    MOVES,
    AgreementState,
    Side,
    Standing,
    draft_refusal,
    drafted,
    move,
    read_citation,
    refusal,
    uncited,
)
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, Purpose, Visibility

S = AgreementState
PROVIDER, REPOSITORY = Side
STANDINGS = {
    "applied": Standing(S.APPLIED),
    "draft": Standing(S.DRAFT),
    "proposed": Standing(S.PROPOSED),
    "signed": Standing(S.SIGNED),
    "active": Standing(S.ACTIVE),
    "stopped by the provider": Standing(S.SUSPENDED, frozenset({PROVIDER})),
    "stopped by the repository": Standing(S.SUSPENDED, frozenset({REPOSITORY})),
    "stopped by both": Standing(S.SUSPENDED, frozenset(Side)),
    "terminated": Standing(S.TERMINATED),
    "refused": Standing(S.REFUSED),
    "changing": Standing(S.ACTIVE, change=S.DRAFT),
    "change proposed": Standing(S.ACTIVE, change=S.PROPOSED),
    "change signed": Standing(S.ACTIVE, change=S.SIGNED),
    "change while it stands still": Standing(S.SUSPENDED, frozenset({PROVIDER}), S.SIGNED),
    "changed while it stands still": Standing(S.SUSPENDED, frozenset({PROVIDER})),
}
LEGAL = {
    ("draft", "propose", "either"): "proposed",
    ("proposed", "sign", PROVIDER): "signed",
    ("signed", "countersign", REPOSITORY): "active",
    ("proposed", "activate", REPOSITORY): "active",
    **{(name, "refuse", "either"): "refused" for name in ("applied", "draft", "proposed", "signed")},
    ("changing", "propose", "either"): "change proposed",
    ("change proposed", "sign", PROVIDER): "change signed",
    ("change proposed", "activate", REPOSITORY): "active",
    ("change signed", "countersign", REPOSITORY): "active",
    **{(name, "refuse", "either"): "active" for name in ("changing", "change proposed", "change signed")},
    ("change while it stands still", "countersign", REPOSITORY): "changed while it stands still",
    ("change while it stands still", "refuse", "either"): "changed while it stands still",
    ("active", "suspend", PROVIDER): "stopped by the provider",
    ("active", "suspend", REPOSITORY): "stopped by the repository",
    ("stopped by the provider", "suspend", REPOSITORY): "stopped by both",
    ("stopped by the repository", "suspend", PROVIDER): "stopped by both",
    ("stopped by the provider", "resume", PROVIDER): "active",
    ("stopped by the repository", "resume", REPOSITORY): "active",
    ("stopped by both", "resume", PROVIDER): "stopped by the repository",
    ("stopped by both", "resume", REPOSITORY): "stopped by the provider",
    **{(name, "terminate", "either"): "terminated" for name in ("draft", "proposed", "signed", "active")},
}


def target(name, verb, side):
    """Where this move leads by the table above; None where it is illegal."""
    return LEGAL.get((name, verb, side)) or LEGAL.get((name, verb, "either"))


OTHERWISE = {"suspend", "resume", "terminate"}
"""What moves what is in force, whatever change is agreed on meanwhile."""
EVERY = [
    (name, verb, side)
    for name, verb, side in itertools.product(STANDINGS, MOVES, Side)
    if not (STANDINGS[name].change and verb in OTHERWISE) and name != "changed while it stands still"
]
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


def test_nothing_leaves_an_end_and_only_resume_activate_and_countersign_make_active():
    assert all(refusal(Standing(end), verb, side) for end in ENDED for verb in MOVES for side in Side)
    assert all(draft_refusal(Standing(end)) for end in ENDED)
    assert {verb for verb, (_, target) in MOVES.items() if target is S.ACTIVE} == {*ENFORCING, "resume"}


@pytest.mark.parametrize("name", ["changing", "change proposed", "change signed"])
@pytest.mark.parametrize("side", list(Side))
def test_a_change_neither_stops_nor_is_stopped_by_what_is_in_force(name, side):
    changing = STANDINGS[name]
    stopped = move(changing, "suspend", side)
    assert stopped == Standing(S.SUSPENDED, frozenset({side}), changing.change)
    assert move(stopped, "resume", side) == changing
    assert move(changing, "terminate", side) == Standing(S.TERMINATED)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        *((name, Standing(S.DRAFT)) for name in ("applied", "draft", "proposed", "signed")),
        *((name, Standing(S.ACTIVE, change=S.DRAFT)) for name in ("active", "changing", "change signed")),
        ("stopped by the provider", Standing(S.SUSPENDED, frozenset({PROVIDER}), S.DRAFT)),
    ],
)
def test_a_draft_begins_anew_and_leaves_what_is_in_force(name, after):
    assert draft_refusal(STANDINGS[name]) is None
    assert drafted(STANDINGS[name]) == after


@pytest.mark.parametrize(
    ("side", "verb", "listed", "cited", "is_well"),
    [
        (REPOSITORY, "suspend", {"security"}, None, False),
        (REPOSITORY, "terminate", {"security"}, "breach", False),
        (REPOSITORY, "suspend", {"security"}, "security", True),
        (REPOSITORY, "resume", {"security"}, "security", False),
        (REPOSITORY, "resume", {"security"}, None, True),
        (REPOSITORY, "suspend", set(), None, True),
        (REPOSITORY, "suspend", set(), "security", False),
        (PROVIDER, "suspend", {"security"}, None, True),
        (PROVIDER, "terminate", {"security"}, "security", False),
    ],
)
def test_the_repositorys_stop_cites_a_circumstance_of_the_list_and_nothing_else_does(side, verb, listed, cited, is_well):
    assert (uncited(side, verb, frozenset(listed), cited) is None) is is_well


def test_a_refused_move_says_what_may_be_done_instead():
    assert refusal(STANDINGS["signed"], "propose", REPOSITORY) == (
        "that is signed can't be proposed; only one that is draft. This one may be countersigned or refused or terminated"
    )


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
