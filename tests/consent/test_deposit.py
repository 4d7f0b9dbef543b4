"""The deposit rules as cases, refusals first."""

import itertools

import pytest

from consent.deposit import BY_CODE, RULES, Code, Finding, Outcome, sentence, short, verdict


def judged(*rules: str, declared: bool = False, attested: bool = False) -> tuple[str, str]:
    found = verdict(declared, attested, [Finding(rule, "(0010,0010)") for rule in rules])
    return found.outcome.value, found.rule


ALWAYS_REFUSED = ["not-dicom", "uid-missing", "uid-illegal", "structure-broken", "study-not-yours", "blocked", "content-conflict"]
OF_A_PERSON = ["person-name", "birth-date", "address", "telephone", "other-ids"]
HELD = ["institution", "staff", "patient-detail", "private-unknown", "overlay", "curve", "preamble", "burned-in"]


@pytest.mark.parametrize("rule", ALWAYS_REFUSED)
@pytest.mark.parametrize("said", [{}, {"declared": True}, {"attested": True}])
def test_what_cannot_be_taken_is_refused_whatever_is_declared(rule, said):
    assert judged(rule, **said) == ("reject", rule)


@pytest.mark.parametrize("rule", OF_A_PERSON)
def test_what_names_a_person_is_refused_when_nothing_is_declared(rule):
    assert judged(rule) == ("reject", rule)


@pytest.mark.parametrize("rule", OF_A_PERSON)
@pytest.mark.parametrize("said", [{"declared": True}, {"attested": True}])
def test_what_contradicts_a_declaration_is_held(rule, said):
    assert judged(rule, **said) == ("review", rule)


@pytest.mark.parametrize("rule", HELD)
def test_what_may_tell_of_somebody_is_held(rule):
    assert judged(rule, declared=True) == ("review", rule)
    assert judged(rule) == ("review", "not-declared")


def test_what_declares_nothing_is_held():
    assert judged() == ("review", "not-declared")
    assert judged("private") == ("review", "not-declared")


def test_what_is_declared_or_attested_and_clean_passes_under_that_name():
    assert judged(declared=True) == ("pass", "declared")
    assert judged(attested=True) == ("pass", "attested")
    assert judged(declared=True, attested=True) == ("pass", "declared")


def test_private_attributes_of_known_makers_pass_with_a_warning():
    found = verdict(True, False, [Finding("private", "(0009,1001)")])
    assert (found.outcome, found.rule, found.findings, found.warnings) == (
        Outcome.PASS,
        "declared",
        (),
        (Finding("private", "(0009,1001)"),),
    )


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(ALWAYS_REFUSED + OF_A_PERSON)))
def test_among_refusals_the_first_row_names_the_rule_in_any_order_of_findings(first, second):
    assert judged(second, first) == judged(first, second) == ("reject", first)


@pytest.mark.parametrize(("first", "second"), list(itertools.pairwise(OF_A_PERSON + HELD)))
def test_among_reviews_the_first_row_names_the_rule(first, second):
    assert judged(second, first, declared=True) == ("review", first)


def test_the_worst_outcome_wins_over_an_earlier_row():
    assert judged("institution", "other-ids") == ("reject", "other-ids")
    assert judged("burned-in", "content-conflict", declared=True) == ("reject", "content-conflict")


def test_the_report_lists_all_in_the_order_of_the_table():
    found = verdict(
        False, False, [Finding("private", "c"), Finding("staff", "b"), Finding("person-name", "a"), Finding("staff", "b")]
    )
    assert [finding.rule for finding in found.findings] == ["not-declared", "person-name", "staff"]
    assert [finding.rule for finding in found.warnings] == ["private"]


def test_an_unknown_rule_is_a_fault_and_no_pass():
    with pytest.raises(KeyError):
        verdict(True, False, [Finding("no-such-rule", "")])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_says_what_happened_in_a_sentence_and_in_a_dimse_comment(rule):
    assert sentence(rule.code).endswith(".")
    assert 1 < len(short(rule.code)) <= 64
    assert short(rule.code).isascii()
    assert rule.standard
    assert "{" not in rule.sentence


def test_codes_are_unique():
    assert len(BY_CODE) == len(RULES) == len(Code)


def test_the_sentence_on_anothers_study_does_not_say_that_somebody_has_it():
    for word in ("another", "other", "belongs", "held", "dataset of"):
        assert word not in sentence("study-not-yours") + short("study-not-yours")
