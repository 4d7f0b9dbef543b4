"""The data-use terms: the whole vocabulary, each term as three values, and what contradicts itself."""

import pytest

from consent.conditions import AccessClass, Action, Conditions, DataUse, Purpose, Visibility
from consent.data_use import (
    EVIDENCE,
    MOST_VALUES,
    TERMS,
    Matched,
    Use,
    Values,
    contradictions,
    matched,
    needed,
    read_term,
    unmeetable,
)

PERMIT, ABSTAIN, DENY = Matched
DUO = "4 6 7 11 12 15 16 18 19 20 21 22 24 25 26 27 28 29 42 43 44 45 46"
RESEARCH, TRAINING = Use("AIRESEARCH", "university"), Use("AITRAIN", "university")


def test_the_vocabulary_is_eucaims_and_each_of_its_23_terms_is_a_class_of_duo():
    assert sorted(int(term.duo) for term in TERMS.values()) == sorted(map(int, DUO.split()))
    assert len({term.name for term in TERMS.values()}) == len(TERMS) == 23
    assert {"GS", "IRB", "COL", "RS", "GSO"} == EVIDENCE


@pytest.mark.parametrize(
    ("term", "use", "says"),
    [
        ("NRES", TRAINING, PERMIT),
        ("GRU", TRAINING, PERMIT),
        ("HMB", RESEARCH, PERMIT),
        ("DS=MONDO:1;MONDO:2", RESEARCH, ABSTAIN),
        ("DS=MONDO:1;MONDO:2", Use(diseases=frozenset({"MONDO:1"})), PERMIT),
        ("DS=MONDO:1;MONDO:2", Use(diseases=frozenset({"MONDO:1", "MONDO:3"})), DENY),
        ("DS=MONDO:1", Use(diseases=frozenset()), DENY),
        ("POA", RESEARCH, ABSTAIN),
        ("POA", Use(is_about_ancestry=False), DENY),
        ("POA", Use(is_about_ancestry=True), PERMIT),
        ("NPOA", RESEARCH, ABSTAIN),
        ("NPOA", Use(is_about_ancestry=True), DENY),
        ("NPOA", Use(is_about_ancestry=False), PERMIT),
        ("NMDS", TRAINING, DENY),
        ("NMDS", Use("FEDLEARN", is_about_methods=False), DENY),
        ("NMDS", RESEARCH, ABSTAIN),
        ("NMDS", Use("AIRESEARCH", is_about_methods=False), PERMIT),
        ("NMDS", Use("AIRESEARCH", is_about_methods=True), DENY),
        ("NPU", RESEARCH, ABSTAIN),
        ("NPU", Use(is_for_profit=True), DENY),
        ("NCU", Use(is_commercial=False), PERMIT),
        ("NPUNCU", Use(is_for_profit=False), ABSTAIN),
        ("NPUNCU", Use(is_for_profit=False, is_commercial=True), DENY),
        ("NPUNCU", Use(is_for_profit=False, is_commercial=False), PERMIT),
        ("US=university", RESEARCH, PERMIT),
        ("IS=clinic", RESEARCH, DENY),
        ("IS=clinic", Use("AIRESEARCH"), ABSTAIN),
        ("PS=P-1", RESEARCH, ABSTAIN),
        ("PS=P-1", Use(project="P-2"), DENY),
        ("PS=P-1", Use(project="P-1"), PERMIT),
        *((term, RESEARCH, PERMIT) for term in ("PUB", "RTN", "TS", "MOR=2030-01-01")),
        *((term, RESEARCH, ABSTAIN) for term in ("RS=x", "GSO", "COL", "IRB", "GS=EU")),
        ("CC", RESEARCH, DENY),
    ],
)
def test_a_term_permits_denies_or_asks_a_person(term, use, says):
    assert matched(read_term(term), use) is says


def test_every_term_is_asked_above():
    asked = {case[0].partition("=")[0] for case in test_a_term_permits_denies_or_asks_a_person.pytestmark[0].args[1]}
    assert asked == TERMS.keys()


def test_the_worst_wins_and_evidence_lifts_no_deny():
    terms = tuple(map(read_term, ("GRU", "IRB", "IS=clinic")))
    assert needed(terms, RESEARCH.purpose, RESEARCH.party) is None
    assert needed(terms[:2], RESEARCH.purpose, RESEARCH.party) == {"IRB"}
    assert needed(terms[:1], RESEARCH.purpose, RESEARCH.party) == frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "XXX", "irb", "IRB=x", "DS", "DS=", "DS=a<b", "DS=" + "x" * 65, "MOR", "MOR=soon", "MOR=2030-01-01;2031-01-01",
     "DS=" + ";".join(f"M:{n}" for n in range(MOST_VALUES + 1))],
)  # fmt: skip
def test_what_is_no_term_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        read_term(text)


@pytest.mark.parametrize("code", sorted(TERMS))
def test_a_term_is_written_as_it_is_read(code):
    values = {"MOR": "=2030-01-01"}.get(code, "=b;a") if TERMS[code].values is Values.SOME else ""
    term = read_term(code + values)
    assert read_term(str(term)) == term


def conditions(*terms, access_class=AccessClass.DEFAULT, purposes=frozenset(Purpose)):
    chosen = tuple(map(read_term, terms))
    return Conditions(access_class, True, frozenset({Action.QUERY}), Visibility.NONE, purposes, data_use=chosen)


RESEARCH_ALONE = {"purposes": frozenset({Purpose.AI_RESEARCH})}
UNDER_CONDITIONS = {"access_class": AccessClass.CONDITIONAL}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (conditions("CC"), ["For clinical care.", "nothing here is for diagnosis"]),
        (conditions("NMDS"), ["No development of methods.", "AITRAIN and FEDLEARN"]),
        *((conditions(term), ["any approved user"]) for term in ("GS=EU", "IRB", "COL", "RS=x", "GSO")),
        (conditions("POA", "NPOA"), ["Ancestry research only.", "No ancestry research."]),
        (conditions("NRES", "DS=a"), ["No restriction on use.", "named diseases only"]),
        (conditions("TS"), ["period ends", "no end"]),
    ],
)
def test_a_contradiction_is_told_with_both_sentences(given, says):
    told = list(contradictions(given, has_end=False))
    assert len(told) == 1
    assert all(said in told[0] for said in says)


@pytest.mark.parametrize(
    "given",
    [
        conditions(),
        conditions("GRU", "PUB", "RTN"),
        conditions("NMDS", **RESEARCH_ALONE),
        conditions("IRB", "GS=EU", "COL", "RS=x", "GSO", **UNDER_CONDITIONS),
        conditions("NRES", "PUB"),
        conditions("TS"),
    ],
)
def test_what_can_hold_together_is_no_contradiction(given):
    assert list(contradictions(given, has_end=True)) == []


def test_terms_that_no_request_can_meet_yet_are_named_in_the_default_class_alone():
    assert unmeetable(conditions("DS=a", "NPU", "US=x", "GRU")) == ["DS", "NPU"]
    assert unmeetable(conditions("NMDS", **RESEARCH_ALONE)) == ["NMDS"]
    assert unmeetable(conditions("DS=a", **UNDER_CONDITIONS)) == []


def test_a_plain_data_use_holds_no_values():
    assert str(DataUse("IRB")) == "IRB"
