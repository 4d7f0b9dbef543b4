"""The truth table of the terms, row by row: what each gate decides, whatever stands in the columns after it.

G4 (what waits in quarantine) is custody's: nothing in quarantine is in the index, so no question reaches it. U2 (the user
acknowledges the source) is yes until acknowledgements are asked for. A matching deny, and data-use terms, have no column here.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from consent.agreement import AgreementState
from consent.conditions import AccessClass, Action, Conditions, Purpose, Visibility
from consent.dataset import Facts, Grace
from consent.node import NodeState
from consent.permit import Permit
from consent.policy import decide, is_behind, turns
from consent.subject import Role, Subject
from consent.terms import DocumentKind, Issue, changes, cite, covering, in_force, order, renewal_due

NOW = datetime(2027, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """Whether each gate is passed, None for either; and the rule that then speaks."""

    active: bool | None
    node: bool | None
    terms: bool | None
    grant: bool | None
    user: bool | None
    purpose: bool | None
    rule: str
    external: bool | None = None
    conditional: bool | None = None


ROWS = [
    Row(False, None, None, None, None, None, "agreement-not-active"),
    Row(True, False, None, None, None, None, "node-not-linked"),
    Row(True, True, False, True, True, True, "terms-not-renewed", external=True),
    Row(True, True, False, True, True, True, "permitted", external=False),
    Row(True, True, True, False, True, True, "permit-needed", conditional=True),
    Row(True, True, True, False, True, True, "permitted", conditional=False),
    Row(True, True, True, True, False, True, "terms-behind"),
    Row(True, True, True, True, True, False, "purpose-not-agreed"),
    Row(True, True, True, True, True, True, "permitted"),
]


def cases(row):
    """Every choice of what the row leaves open."""
    named = ("active", "node", "terms", "grant", "user", "purpose", "external", "conditional")
    told = [[value] if (value := getattr(row, name)) is not None else [True, False] for name in named]
    return [dict(zip(named, chosen, strict=True)) for chosen in product(*told)]


def asked(case):
    """The decision on a case: an approved user asks for rows."""
    purposes = frozenset({Purpose.AI_RESEARCH if case["purpose"] else Purpose.FEDERATED_LEARNING})
    access = AccessClass.CONDITIONAL if case["conditional"] else AccessClass.DEFAULT
    conditions = Conditions(access, False, frozenset({Action.QUERY}), Visibility.NONE, purposes, external=True)
    facts = Facts(
        dataset=1,
        alias="LUNG",
        provider="hospital",
        agreement="DSA",
        version=1,
        state=AgreementState.ACTIVE if case["active"] else AgreementState.SUSPENDED,
        starts=NOW - DAY,
        ends=None,
        node="central",
        node_state=NodeState.LINKED if case["node"] else NodeState.UNLINKED,
        terms="1.0.0",
        conditions=conditions,
        permits=(Permit("university", NOW - DAY, None),) if case["grant"] else (),
        covered_by=frozenset({"1.0.0"}),
        renewal=None if case["terms"] else NOW,
    )
    accepted = frozenset({"1.0.0" if case["user"] else "0.9.0"})
    who = Subject("u", Role.USER, "university", True, accepted, frozenset(Purpose), external=case["external"])
    return decide(who, Action.QUERY, "AIRESEARCH", facts, NOW)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule}-{ROWS.index(row)}")
def test_a_row_says_what_the_terms_say(row):
    assert {asked(case).rule for case in cases(row)} == {row.rule}


@pytest.mark.parametrize("gate", ["active", "node", "terms", "grant", "user", "purpose"])
def test_a_gate_that_says_no_is_overridden_by_no_other(gate):
    """The stars of the table: whatever the others say, an external user of what is conditional gets nothing."""
    denied = Row(**(dict.fromkeys(("active", "node", "terms", "grant", "user", "purpose")) | {gate: False}), rule="")
    hard = [case for case in cases(denied) if case["external"] and case["conditional"]]
    assert hard
    assert not any(asked(case).allowed for case in hard)


# --- versions


ISSUES = (
    Issue("1.0.0", NOW - 9 * DAY),
    Issue("1.1.0", NOW - 8 * DAY, contains=frozenset({"1.0.0"})),
    Issue("2.0.0", NOW, needs_renewal=True),
    Issue("2.1.0", NOW + DAY, contains=frozenset({"1.1.0", "2.0.0"})),
    Issue("3.0.0", NOW + 2 * DAY, needs_renewal=True),
)


@pytest.mark.parametrize(
    ("version", "versions"),
    [
        ("1.0.0", {"1.0.0", "1.1.0", "2.1.0"}),
        ("1.1.0", {"1.1.0", "2.1.0"}),
        ("2.0.0", {"2.0.0", "2.1.0"}),
        ("3.0.0", {"3.0.0"}),
    ],
)
def test_who_accepted_what_contains_a_version_has_accepted_it(version, versions):
    assert covering(version, ISSUES) == versions


@pytest.mark.parametrize(
    ("version", "due"), [("1.0.0", NOW), ("1.1.0", NOW), ("2.0.0", NOW + 2 * DAY), ("2.1.0", NOW + 2 * DAY), ("3.0.0", None)]
)
def test_external_users_wait_from_when_the_first_newer_version_that_needs_renewal_takes_effect(version, due):
    assert renewal_due(version, ISSUES) == due


def test_the_version_in_force_is_the_newest_that_has_taken_effect():
    assert [in_force(ISSUES, NOW + n * DAY) for n in (-10, -8, 0, 1, 9)] == [None, *ISSUES[1:3], ISSUES[3], ISSUES[4]]


def test_versions_are_ordered_by_their_numbers():
    assert sorted(["10.0.0", "9.1.0", "9.0.10"], key=order) == ["9.0.10", "9.1.0", "10.0.0"]
    assert [cite(kind, "1.0.0") for kind in (DocumentKind.GENERAL, DocumentKind.GUIDELINES)] == ["1.0.0", "guidelines@1.0.0"]


def test_a_difference_is_told_line_by_line():
    told = changes(("1.0.0", b"one\ntwo\n"), ("1.1.0", b"one\nthree\n\xff\n"))
    assert told.splitlines() == ["--- 1.0.0", "+++ 1.1.0", "@@ -1,2 +1,3 @@", " one", "-two", "+three", "+\ufffd"]


# --- moments

CONDITIONS = Conditions(AccessClass.DEFAULT, False, frozenset(Action), Visibility.FULL, frozenset(Purpose), external=True)
FACTS = Facts(
    1, "L", "h", "D", 2, AgreementState.ACTIVE, NOW - DAY, None, "c", NodeState.LINKED, "2.0.0", CONDITIONS
)  # fmt: skip
OLD = frozenset({"1.0.0"})
EXTERNAL = Subject("u", Role.USER, "u", True, OLD, frozenset(Purpose), external=True)


def test_a_yes_to_an_external_user_ends_when_newer_terms_take_effect():
    facts = replace(FACTS, covered_by=OLD, renewal=NOW)
    before = decide(EXTERNAL, Action.QUERY, "AIRESEARCH", facts, NOW - timedelta(microseconds=1))
    assert (before.allowed, before.valid_until) == (True, NOW)
    assert decide(EXTERNAL, Action.QUERY, "AIRESEARCH", facts, NOW).rule == "terms-not-renewed"
    assert decide(replace(EXTERNAL, external=False), Action.QUERY, "AIRESEARCH", facts, NOW).valid_until is None
    assert NOW in turns([facts])


def test_what_is_listed_stays_known_to_an_external_user_for_good():
    facts = replace(FACTS, covered_by=OLD, renewal=NOW - DAY, conditions=replace(CONDITIONS, listed=True))
    told = decide(EXTERNAL, Action.DISCOVER, None, facts, NOW)
    assert (told.allowed, told.valid_until) == (True, None)


def test_no_renewal_binds_the_provider_itself():
    provider = Subject("p", Role.PROVIDER, "h")
    told = decide(provider, Action.VIEW, None, replace(FACTS, renewal=NOW - DAY), NOW)
    assert (told.allowed, told.valid_until) == (True, None)


def test_terms_accepted_before_they_take_effect_bind_nobody_before():
    facts = replace(FACTS, covered_by=frozenset({"2.0.0"}), grace=Grace(NOW, OLD))
    before = decide(EXTERNAL, Action.QUERY, "AIRESEARCH", facts, NOW - DAY / 2)
    assert (before.allowed, before.valid_until) == (True, NOW)
    assert decide(EXTERNAL, Action.QUERY, "AIRESEARCH", facts, NOW).rule == "terms-behind"
    both = replace(EXTERNAL, terms=OLD | {"2.0.0"})
    assert decide(both, Action.QUERY, "AIRESEARCH", facts, NOW - DAY / 2).valid_until is None
    assert turns([facts]) == [NOW - DAY, NOW]


def test_who_accepted_nothing_that_is_shared_is_behind():
    facts = replace(FACTS, covered_by=frozenset({"2.0.0"}))
    closed = replace(facts, state=AgreementState.SUSPENDED, covered_by=OLD)
    assert is_behind(EXTERNAL, [facts, closed], NOW)
    assert not is_behind(EXTERNAL, [facts, replace(closed, state=AgreementState.ACTIVE)], NOW)
    assert not is_behind(EXTERNAL, [closed], NOW)
    assert is_behind(replace(EXTERNAL, terms=frozenset()), [], NOW)
