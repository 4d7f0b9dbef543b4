import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from consent.agreement import AgreementState
from consent.conditions import CLINICAL_PURPOSES, AccessClass, Action, Conditions, DataUse, Purpose, Visibility
from consent.dataset import Facts, Grace
from consent.node import NodeState
from consent.permit import Permit
from consent.policy import MATRIX, NEVER_FOR_DIAGNOSIS, SENTENCES, decide, visible_datasets
from consent.subject import ANONYMOUS, FEDERATION, Role, Subject

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPEN = Conditions(AccessClass.DEFAULT, True, frozenset(Action), Visibility.FULL, frozenset(Purpose))
FACTS = Facts(
    7, "LUNG", "hospital", "DSA-1", 3, AgreementState.ACTIVE, NOW - DAY, None, "central", NodeState.LINKED, "1.0.0", OPEN
)
ACCEPTED = frozenset({"1.0.0"})
FACTS = replace(FACTS, covered_by=ACCEPTED, conditions=replace(OPEN, federated=True))
PURPOSE = "AIRESEARCH"


def subject(role=Role.USER, **values):
    """An approved caller under accepted terms; a provider or sender of the dataset's own hospital."""
    party = "hospital" if role in (Role.PROVIDER, Role.SENDER) else "university"
    given = {"id": str(role), "role": role, "party": party, "approved": True, "terms": ACCEPTED, "purposes": frozenset(Purpose)}
    given |= {"external": False}
    return Subject(**(given | values))


def facts(**values):
    """The open dataset with some things changed; conditions by their own names."""
    own = {k: v for k, v in values.items() if k in Facts.__slots__}
    rest = {k: v for k, v in values.items() if k not in own}
    return replace(FACTS, **own, conditions=replace(FACTS.conditions, **rest))


NONE: frozenset[str] = frozenset()
EXTERNAL = subject(external=True)
USER, INSIDE, PROVIDER, OPERATOR = (subject(r) for r in (Role.USER, Role.INSIDE, Role.PROVIDER, Role.OPERATOR))
CONDITIONAL = {"access_class": AccessClass.CONDITIONAL}
LEAVE = Permit("university", NOW - DAY, NOW + DAY, export=True)
STAY = Permit("university", NOW - DAY, None)
SEEN = Permit("university", NOW - DAY, NOW + 2 * DAY, evidence=frozenset({"IRB", "US"}))
US_ELSE = DataUse("US", ("another",))
LEAVING = CONDITIONAL | {"permits": (LEAVE,)}

REFUSALS = [
    # rule, who, action, purpose, facts
    ("role", ANONYMOUS, Action.QUERY, PURPOSE, facts()),
    ("role", USER, Action.PROCESS, PURPOSE, facts()),
    ("role", USER, Action.DEPOSIT, PURPOSE, facts()),
    ("role", OPERATOR, Action.EXPORT, None, facts()),
    ("role", OPERATOR, Action.VIEW, None, facts()),
    ("role", PROVIDER, Action.GOVERN, None, facts()),
    ("role", FEDERATION, Action.QUERY, None, facts()),
    ("role", subject(Role.SENDER), Action.DISCOVER, None, facts()),
    ("no-download", INSIDE, Action.EXPORT, PURPOSE, facts()),
    ("no-download", USER, Action.EXPORT, PURPOSE, facts(actions=frozenset({Action.QUERY, Action.PROCESS}))),
    ("no-download", USER, Action.EXPORT, PURPOSE, facts(**LEAVING, actions=frozenset({Action.QUERY, Action.PROCESS}))),
    ("no-download", INSIDE, Action.EXPORT, PURPOSE, facts(**LEAVING)),
    ("export-in-training", USER, Action.EXPORT, "AITRAIN", facts()),
    ("export-in-training", USER, Action.EXPORT, "AITRAIN", facts(**LEAVING)),
    ("export-in-training", USER, Action.EXPORT, "FEDLEARN", facts(**LEAVING)),
    ("export-unconditional", USER, Action.EXPORT, PURPOSE, facts()),
    ("export-unconditional", USER, Action.EXPORT, PURPOSE, facts(permits=(LEAVE,))),
    ("export-not-permitted", USER, Action.EXPORT, PURPOSE, facts(**CONDITIONAL, permits=(STAY,))),
    ("export-not-permitted", USER, Action.EXPORT, PURPOSE, facts(**CONDITIONAL, permits=(STAY, replace(LEAVE, ends=NOW)))),
    ("export-not-permitted", USER, Action.EXPORT, PURPOSE, facts(**CONDITIONAL, permits=(STAY, replace(LEAVE, party="x")))),
    ("permit-needed", USER, Action.EXPORT, PURPOSE, facts(**CONDITIONAL, permits=(replace(LEAVE, party="x"),))),
    ("not-own", subject(Role.PROVIDER, party="other"), Action.DISCOVER, None, facts()),
    ("not-own", subject(Role.SENDER, party=None), Action.DEPOSIT, None, facts()),
    ("not-listed", ANONYMOUS, Action.DISCOVER, None, facts(listed=False)),
    ("not-listed", FEDERATION, Action.DISCOVER, None, facts(listed=False)),
    ("agreement-not-active", USER, Action.QUERY, PURPOSE, facts(state=AgreementState.SUSPENDED)),
    ("agreement-not-active", PROVIDER, Action.DEPOSIT, None, facts(state=AgreementState.PROPOSED)),
    ("agreement-not-active", OPERATOR, Action.QUERY, None, facts(state=AgreementState.TERMINATED)),
    ("agreement-not-active", ANONYMOUS, Action.DISCOVER, None, facts(state=AgreementState.DRAFT)),
    ("dataset-withdrawn", USER, Action.QUERY, PURPOSE, facts(withdrawn=NOW)),
    ("dataset-withdrawn", PROVIDER, Action.DEPOSIT, None, facts(withdrawn=NOW)),
    ("agreement-out-of-period", USER, Action.QUERY, PURPOSE, facts(starts=NOW + timedelta(microseconds=1))),
    ("agreement-out-of-period", PROVIDER, Action.DEPOSIT, None, facts(ends=NOW)),
    ("node-not-linked", USER, Action.QUERY, PURPOSE, facts(node_state=NodeState.SUSPENDED)),
    ("node-not-linked", PROVIDER, Action.EXPORT, None, facts(node_state=NodeState.UNLINKED)),
    ("not-approved", subject(approved=False), Action.DISCOVER, None, facts()),
    ("not-federated", FEDERATION, Action.DISCOVER, None, facts(federated=False)),
    ("terms-not-accepted", subject(terms=NONE), Action.DISCOVER, None, facts()),
    ("terms-not-accepted", subject(Role.INSIDE, terms=NONE), Action.PROCESS, PURPOSE, facts()),
    ("terms-behind", subject(terms=frozenset({"0.9.0"})), Action.QUERY, PURPOSE, facts()),
    ("terms-behind", subject(terms=frozenset({"0.9.0"})), Action.DISCOVER, None, facts(listed=False)),
    ("terms-behind", subject(terms=frozenset({"0.9.0"})), Action.QUERY, PURPOSE, facts(grace=Grace(NOW, frozenset({"0.9.0"})))),
    ("external-not-agreed", EXTERNAL, Action.QUERY, PURPOSE, facts()),
    ("external-not-agreed", Subject("x", Role.USER, "u", True, ACCEPTED), Action.QUERY, PURPOSE, facts()),
    ("external-not-agreed", EXTERNAL, Action.DISCOVER, None, facts(listed=False)),
    ("terms-not-renewed", EXTERNAL, Action.QUERY, PURPOSE, facts(external=True, renewal=NOW)),
    ("terms-not-renewed", replace(EXTERNAL, role=Role.INSIDE), Action.PROCESS, PURPOSE, facts(external=True, renewal=NOW - DAY)),
    ("purpose-missing", USER, Action.QUERY, None, facts()),
    ("purpose-missing", USER, Action.QUERY, "", facts()),
    ("purpose-clinical", USER, Action.QUERY, "TREAT", facts()),
    ("purpose-clinical", INSIDE, Action.PROCESS, "treat", facts()),
    ("purpose-unknown", USER, Action.QUERY, "CURIOSITY", facts()),
    ("purpose-unknown", USER, Action.QUERY, "airesearch", facts()),
    ("purpose-not-registered", subject(purposes=frozenset()), Action.QUERY, PURPOSE, facts()),
    ("purpose-not-agreed", USER, Action.QUERY, PURPOSE, facts(purposes=frozenset({Purpose.FEDERATED_LEARNING}))),
    ("permit-needed", USER, Action.QUERY, PURPOSE, facts(**CONDITIONAL)),
    ("permit-needed", USER, Action.QUERY, PURPOSE, facts(**CONDITIONAL, permits=(Permit("university", NOW - DAY, NOW),))),
    ("data-use-excluded", USER, Action.QUERY, "AITRAIN", facts(data_use=(DataUse("NMDS"),))),
    ("data-use-excluded", USER, Action.QUERY, PURPOSE, facts(**CONDITIONAL, permits=(SEEN,), data_use=(US_ELSE, DataUse("IRB")))),
    ("data-use-unproven", USER, Action.QUERY, PURPOSE, facts(data_use=(DataUse("NMDS"),))),
    ("data-use-unproven", USER, Action.QUERY, PURPOSE, facts(permits=(SEEN,), data_use=(DataUse("IRB"),))),
    ("data-use-unproven", USER, Action.QUERY, PURPOSE, facts(**CONDITIONAL, permits=(STAY,), data_use=(DataUse("IRB"),))),
    ("data-use-unproven", USER, Action.EXPORT, PURPOSE, facts(**CONDITIONAL, permits=(LEAVE,), data_use=(DataUse("IRB"),))),
    (
        "export-not-permitted",
        USER,
        Action.EXPORT,
        PURPOSE,
        facts(**CONDITIONAL, permits=(LEAVE, SEEN), data_use=(DataUse("IRB"),)),
    ),
    ("not-visible", USER, Action.PREVIEW, PURPOSE, facts(visibility=Visibility.NONE)),
    ("not-visible", USER, Action.VIEW, PURPOSE, facts(visibility=Visibility.NONE)),
    ("preview-only", USER, Action.VIEW, PURPOSE, facts(visibility=Visibility.PREVIEW)),
    ("action-not-agreed", USER, Action.QUERY, PURPOSE, facts(actions=frozenset())),
    ("action-not-agreed", INSIDE, Action.PROCESS, PURPOSE, facts(actions=frozenset({Action.QUERY}))),
]


@pytest.mark.parametrize(("rule", "who", "action", "purpose", "given"), REFUSALS)
def test_no_is_said_by_its_rule(rule, who, action, purpose, given):
    decision = decide(who, action, purpose, given, NOW)
    assert (decision.allowed, decision.rule, decision.valid_until) == (False, rule, None)
    assert decision.sentence == SENTENCES[rule]


def test_every_sentence_is_reached():
    assert {rule for rule, *_ in REFUSALS} | {"permitted"} == set(SENTENCES)


YES = {
    Role.ANONYMOUS: {"discover"},
    Role.USER: {"discover", "query", "preview", "view", "export"},
    Role.INSIDE: {"discover", "query", "preview", "view", "process"},
    Role.PROVIDER: {"discover", "query", "preview", "view", "process", "export", "deposit", "withdraw"},
    Role.SENDER: {"deposit"},
    Role.OPERATOR: {"discover", "query", "withdraw", "govern"},
    Role.FEDERATION: {"discover"},
}
"""The table of the README, by hand: what each caller may do where the provider agreed to everything."""


@pytest.mark.parametrize("role", Role)
def test_the_whole_matrix_under_a_permissive_agreement_and_permit(role):
    given = facts(**LEAVING)
    assert {str(a) for a in Action if decide(subject(role), a, PURPOSE, given, NOW).allowed} == YES[role]


@pytest.mark.parametrize("access_class", AccessClass)
@pytest.mark.parametrize("ticked", [True, False])
@pytest.mark.parametrize("permits", [(), (STAY,), (LEAVE,), (STAY, LEAVE)])
@pytest.mark.parametrize("purpose", [None, "TREAT", *map(str, Purpose)])
@pytest.mark.parametrize("role", [r for r in Role if r is not Role.PROVIDER])
def test_bytes_leave_for_research_under_conditions_by_a_permit_that_names_it_and_never_else(
    role, purpose, permits, ticked, access_class
):
    actions = frozenset(Action) if ticked else frozenset(Action) - {Action.EXPORT}
    decision = decide(
        subject(role), Action.EXPORT, purpose, facts(access_class=access_class, actions=actions, permits=permits), NOW
    )
    conditional = access_class is AccessClass.CONDITIONAL
    assert decision.allowed == (role is Role.USER and purpose == "AIRESEARCH" and ticked and conditional and LEAVE in permits)
    assert not decision.allowed or decision.valid_until == LEAVE.ends


@pytest.mark.parametrize("access_class", AccessClass)
def test_a_provider_takes_its_own_out_whatever_was_agreed(access_class):
    given = facts(access_class=access_class, actions=frozenset())
    assert decide(PROVIDER, Action.EXPORT, None, given, NOW).allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(
    "stopped",
    [
        {"state": AgreementState.SUSPENDED},
        {"state": AgreementState.TERMINATED},
        {"starts": NOW + DAY},
        {"ends": NOW},
        {"node_state": NodeState.SUSPENDED},
        {"node_state": NodeState.UNLINKED},
    ],
)
def test_what_is_stopped_is_stopped_for_everyone_but_who_takes_it_out(role, action, stopped):
    decision = decide(subject(role), action, PURPOSE, facts(**stopped), NOW)
    assert decision.allowed == (action is Action.WITHDRAW and "withdraw" in YES[role])
    assert decision.valid_until is None


def test_a_provider_withdraws_what_is_its_own_and_no_more():
    assert decide(PROVIDER, Action.WITHDRAW, None, facts(state=AgreementState.TERMINATED), NOW).allowed
    assert decide(PROVIDER, Action.WITHDRAW, None, facts(provider="other"), NOW).rule == "not-own"


@pytest.mark.parametrize("role", Role)
def test_a_role_has_a_row_and_an_action_without_a_cell_reaches_nothing(role):
    assert set(MATRIX[role]) == {Action(a) for a in YES[role]}


@pytest.mark.parametrize("purpose", sorted(CLINICAL_PURPOSES))
def test_every_clinical_purpose_is_refused_with_the_sentence_that_nothing_here_is_for_diagnosis(purpose):
    decision = decide(USER, Action.QUERY, purpose, FACTS, NOW)
    assert decision.rule == "purpose-clinical"
    assert NEVER_FOR_DIAGNOSIS in decision.sentence


@pytest.mark.parametrize("action", [Action.QUERY, Action.PREVIEW, Action.VIEW, Action.EXPORT])
def test_a_permit_opens_what_is_conditional_and_nothing_else(action):
    permit = LEAVE
    given = facts(**CONDITIONAL, permits=(permit,))
    decision = decide(USER, action, PURPOSE, given, NOW)
    assert (decision.allowed, decision.valid_until) == (True, permit.ends)
    closed = facts(**CONDITIONAL, permits=(permit,), actions=frozenset(), visibility=Visibility.NONE)
    assert not decide(USER, action, PURPOSE, closed, NOW).allowed


def test_evidence_opens_what_asks_for_it_as_long_as_the_permit_that_records_it():
    given = facts(**CONDITIONAL, permits=(STAY, SEEN), data_use=(DataUse("IRB"),))
    decision = decide(USER, Action.QUERY, PURPOSE, given, NOW)
    assert (decision.allowed, decision.valid_until) == (True, SEEN.ends), "not for ever, as the permit that shows none"
    assert decide(USER, Action.DISCOVER, None, replace(given, permits=()), NOW).allowed


def test_a_user_discovers_what_is_conditional_without_a_permit_or_purpose():
    assert decide(USER, Action.DISCOVER, None, facts(**CONDITIONAL, listed=False), NOW).allowed


def test_an_answer_cites_agreement_version_and_terms_whatever_it_is():
    for who in (USER, ANONYMOUS):
        decision = decide(who, Action.QUERY, PURPOSE, FACTS, NOW)
        assert (decision.agreement, decision.terms) == ("DSA-1@3", "1.0.0")


@pytest.mark.parametrize(
    ("ends", "permit_ends", "until"),
    [(None, None, None), (NOW + DAY, None, NOW + DAY), (NOW + 2 * DAY, NOW + DAY, NOW + DAY), (None, NOW + DAY, NOW + DAY)],
)
def test_a_yes_holds_until_the_first_thing_ends(ends, permit_ends, until):
    given = facts(**CONDITIONAL, ends=ends, permits=(Permit("university", NOW - DAY, permit_ends),))
    decision = decide(USER, Action.QUERY, PURPOSE, given, NOW)
    assert (decision.allowed, decision.valid_until) == (True, until)


def some_facts(chance, number):
    ends = chance.choice([None, NOW, NOW + DAY, NOW + 3 * DAY])
    conditions = Conditions(
        chance.choice(list(AccessClass)),
        chance.random() < 0.5,
        frozenset(a for a in Action if chance.random() < 0.7),
        chance.choice(list(Visibility)),
        frozenset(p for p in Purpose if chance.random() < 0.8),
        external=chance.random() < 0.7,
        federated=chance.random() < 0.7,
    )
    return replace(
        FACTS,
        dataset=number,
        provider=chance.choice(["hospital", "clinic"]),
        state=chance.choice([AgreementState.ACTIVE] * 4 + list(AgreementState)),
        node_state=chance.choice([NodeState.LINKED] * 4 + list(NodeState)),
        starts=NOW + chance.choice([-DAY, -DAY, -DAY, timedelta(0), DAY]),
        ends=ends,
        conditions=conditions,
        covered_by=chance.choice([ACCEPTED, ACCEPTED | {"2.0.0"}, frozenset({"2.0.0"})]),
        renewal=chance.choice([None, NOW - DAY, NOW, NOW + DAY]),
        grace=chance.choice([None, Grace(NOW + DAY, ACCEPTED), Grace(NOW, ACCEPTED)]),
        permits=tuple(
            Permit(p, NOW - DAY, chance.choice([None, NOW, NOW + DAY]), export=chance.random() < 0.5)
            for p in ("university", "clinic", "university")
            if chance.random() < 0.5
        ),
    )


def some_subject(chance):
    return Subject(
        "x",
        chance.choice(list(Role)),
        chance.choice([None, "hospital", "clinic", "university"]),
        chance.random() < 0.8,
        chance.choice([NONE, ACCEPTED, ACCEPTED, ACCEPTED, frozenset({"2.0.0"})]),
        frozenset(p for p in Purpose if chance.random() < 0.7),
        external=chance.random() < 0.3,
    )


@pytest.mark.parametrize("seed", range(20))
def test_sight_is_what_decide_says_of_each_dataset(seed):
    chance = random.Random(seed)
    every = [some_facts(chance, n) for n in range(12)]
    for _ in range(40):
        who, action = some_subject(chance), chance.choice(list(Action))
        purpose = chance.choice([None, "TREAT", "OTHER", *map(str, Purpose)])
        visible = visible_datasets(who, action, purpose, every, NOW)
        yes = [d for d in (decide(who, action, purpose, f, NOW) for f in every) if d.allowed]
        assert visible.datasets == {f.dataset for f in every if decide(who, action, purpose, f, NOW).allowed}
        assert visible.valid_until == min((d.valid_until for d in yes if d.valid_until), default=None)
        assert all(d.valid_until is None or d.valid_until > NOW for d in yes)


def test_sight_of_nothing_is_empty():
    assert visible_datasets(USER, Action.QUERY, PURPOSE, [], NOW).datasets == frozenset()
