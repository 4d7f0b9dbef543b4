"""The 23 data-use terms of EUCAIM with their DUO codes, each matched against a use as permit, abstain or deny; the worst wins.

EUCAIM DCAT-AP v2.0, controlled vocabulary *data-use-conditions* (issued 2026-08-07), each aligned to a class of the Data Use
Ontology. *Abstain* goes to a person: it is enforced as a no until a permit records the evidence. What a request can't state yet
(disease, profit, project, topic) is missing, and what is missing and needed is not permitted. Evidence never lifts a deny.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache

from consent.conditions import AccessClass, Conditions, DataUse, Purpose


class Matched(IntEnum):
    """What a term says of a use; the larger outranks the smaller."""

    PERMIT = 0
    ABSTAIN = 1
    DENY = 2


class Values(StrEnum):
    """Whether a term names something: nothing, or at least one value."""

    NONE = "none"
    SOME = "some"


@dataclass(frozen=True, slots=True)
class Use:
    """What is known of a use: its purpose and organisation, and what a project would state (None: not stated)."""

    purpose: str | None = None
    party: str | None = None
    diseases: frozenset[str] | None = None
    is_for_profit: bool | None = None
    is_commercial: bool | None = None
    is_about_ancestry: bool | None = None
    is_about_methods: bool | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class DataUseTerm:
    """A row of the vocabulary: EUCAIM's name, the number of the DUO class, what it says, whether it names values, its match."""

    code: str
    name: str
    duo: str
    sentence: str
    match: Callable[[Use, tuple[str, ...]], Matched]
    values: Values = Values.NONE
    needs_evidence: bool = False


def _permitted(_use: Use, _values: tuple[str, ...]) -> Matched:
    return Matched.PERMIT


def _proven_by_evidence(_use: Use, _values: tuple[str, ...]) -> Matched:
    return Matched.ABSTAIN


def _never(_use: Use, _values: tuple[str, ...]) -> Matched:
    return Matched.DENY


def _stated(is_well: bool | None) -> Matched:
    if is_well is None:
        return Matched.ABSTAIN
    return Matched.PERMIT if is_well else Matched.DENY


def _not(stated: bool | None) -> bool | None:
    return None if stated is None else not stated


def _of_disease(use: Use, values: tuple[str, ...]) -> Matched:
    """Exactly these codes: what an ontology counts among them must be named too."""
    return _stated(None if use.diseases is None else bool(use.diseases) and use.diseases <= frozenset(values))


def _of_no_methods(use: Use, _values: tuple[str, ...]) -> Matched:
    """Training and federated learning develop methods; research may, so it is asked."""
    return _stated(_not(use.is_about_methods) if use.purpose == Purpose.AI_RESEARCH else False)


def _of_no_profit(use: Use, _values: tuple[str, ...]) -> Matched:
    return _stated(_not(use.is_for_profit))


def _of_no_commerce(use: Use, _values: tuple[str, ...]) -> Matched:
    return _stated(_not(use.is_commercial))


def _of_neither(use: Use, values: tuple[str, ...]) -> Matched:
    return max(_of_no_profit(use, values), _of_no_commerce(use, values))


def _of_ancestry(use: Use, _values: tuple[str, ...]) -> Matched:
    return _stated(use.is_about_ancestry)


def _of_no_ancestry(use: Use, _values: tuple[str, ...]) -> Matched:
    return _stated(_not(use.is_about_ancestry))


def _of_party(use: Use, values: tuple[str, ...]) -> Matched:
    return _stated(None if use.party is None else use.party in values)


def _of_project(use: Use, values: tuple[str, ...]) -> Matched:
    return _stated(None if use.project is None else use.project in values)


_SOME = Values.SOME
TERMS: dict[str, DataUseTerm] = {
    term.code: term
    for term in (
        DataUseTerm("NRES", "NO_RESTRICTION", "0000004", "No restriction on use.", _permitted),
        DataUseTerm("GRU", "GENERAL_RESEARCH_USE", "0000042", "Any research use.", _permitted),
        DataUseTerm(
            "HMB", "HEALTH_MEDICAL_BIOMEDICAL_RESEARCH", "0000006", "Health, medical or biomedical research.", _permitted
        ),
        DataUseTerm("DS", "DISEASE_SPECIFIC_RESEARCH", "0000007", "Research on the named diseases only.", _of_disease, _SOME),
        DataUseTerm("POA", "POPULATION_ORIGINS_ANCESTRY_RESEARCH_ONLY", "0000011", "Ancestry research only.", _of_ancestry),
        DataUseTerm(
            "RS",
            "RESEARCH_SPECIFIC_RESTRICTIONS",
            "0000012",
            "The named kinds of research only.",
            _proven_by_evidence,
            _SOME,
            True,
        ),
        DataUseTerm("NMDS", "NO_GENERAL_METHODS_RESEARCH", "0000015", "No development of methods.", _of_no_methods),
        DataUseTerm("GSO", "GENETIC_STUDIES_ONLY", "0000016", "Genetic studies only.", _proven_by_evidence, needs_evidence=True),
        DataUseTerm(
            "NPUNCU", "NOT_FOR_PROFIT_NON_COMMERCIAL_USE_ONLY", "0000018", "Not for profit and not commercial.", _of_neither
        ),
        DataUseTerm("PUB", "PUBLICATION_REQUIRED", "0000019", "Results are published.", _permitted),
        DataUseTerm(
            "COL", "COLLABORATION_REQUIRED", "0000020", "Together with the provider.", _proven_by_evidence, needs_evidence=True
        ),
        DataUseTerm(
            "IRB", "ETHICS_APPROVAL_REQUIRED", "0000021", "With an ethics approval.", _proven_by_evidence, needs_evidence=True
        ),
        DataUseTerm("GS", "GEOGRAPHICAL_RESTRICTION", "0000022", "In the named places only.", _proven_by_evidence, _SOME, True),
        DataUseTerm(
            "MOR", "PUBLICATION_MORATORIUM", "0000024", "No results are published before the named date.", _permitted, _SOME
        ),
        DataUseTerm("TS", "TIME_LIMIT_ON_USE", "0000025", "Until the agreement's period ends.", _permitted),
        DataUseTerm("US", "USER_SPECIFIC_RESTRICTION", "0000026", "For the named users only.", _of_party, _SOME),
        DataUseTerm("PS", "PROJECT_SPECIFIC_RESTRICTION", "0000027", "For the named projects only.", _of_project, _SOME),
        DataUseTerm("IS", "INSTITUTION_SPECIFIC_RESTRICTION", "0000028", "For the named institutions only.", _of_party, _SOME),
        DataUseTerm("RTN", "RETURN_TO_DATABASE_OR_RESOURCE", "0000029", "Results come back to the repository.", _permitted),
        DataUseTerm("CC", "CLINICAL_CARE_USE", "0000043", "For clinical care.", _never),
        DataUseTerm(
            "NPOA", "POPULATION_ORIGINS_ANCESTRY_RESEARCH_PROHIBITED", "0000044", "No ancestry research.", _of_no_ancestry
        ),
        DataUseTerm(
            "NPU", "NOT_FOR_PROFIT_ORGANISATION_USE_ONLY", "0000045", "For organisations that make no profit.", _of_no_profit
        ),
        DataUseTerm("NCU", "NON_COMMERCIAL_USE_ONLY", "0000046", "For no commercial use.", _of_no_commerce),
    )
}
"""Code → term. The users and institutions of US and IS are organisations, by their keys here."""

EVIDENCE = frozenset(code for code, term in TERMS.items() if term.needs_evidence)
"""Terms that nothing but evidence meets."""
MOST_VALUES = 50
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def matched(term: DataUse, use: Use) -> Matched:
    """What one term says of a use."""
    return TERMS[term.code].match(use, term.values)


@lru_cache(maxsize=4096)
def needed(terms: tuple[DataUse, ...], purpose: str | None, party: str | None) -> frozenset[str] | None:
    """The terms, as they are written, that a permit's evidence must meet before this use; None where one excludes it outright.

    Kept for as many agreements and users as ask at a time, since a decision asks it of each dataset.
    """
    said = [(term, matched(term, Use(purpose, party))) for term in terms]
    if any(verdict is Matched.DENY for _, verdict in said):
        return None
    return frozenset(str(term) for term, verdict in said if verdict is Matched.ABSTAIN)


def read_term(text: str) -> DataUse:
    """A term as it is written: `IRB`, or with values `DS=MONDO:0005233;MONDO:0007254`. Raises ValueError with a sentence."""
    code, _, said = text.strip().partition("=")
    if code not in TERMS:
        raise ValueError(f"A data-use term is one of: {', '.join(TERMS)}.")
    values = tuple(sorted({value.strip() for value in said.split(";") if value.strip()}))
    if bool(values) is not (TERMS[code].values is Values.SOME):
        raise ValueError(f"{code} names {'what it is about, such as ' + code + '=VALUE' if not values else 'nothing'}.")
    if len(values) > MOST_VALUES or not all(_VALUE.fullmatch(value) for value in values):
        raise ValueError(f"{code} names at most {MOST_VALUES} values of letters, digits and : . _ - at most 64 long.")
    if code == "MOR" and not (len(values) == 1 and _DATE.fullmatch(values[0])):
        raise ValueError("MOR names one date, YYYY-MM-DD.")
    return DataUse(code, values)


def contradictions(conditions: Conditions, *, has_end: bool) -> Iterator[str]:
    """What the conditions of one agreement say that can't both hold, each as one text with both sentences."""
    codes = {term.code: TERMS[term.code].sentence for term in conditions.data_use}
    training = conditions.purposes & {Purpose.AI_TRAINING, Purpose.FEDERATED_LEARNING}
    if "CC" in codes:
        yield f"CC says: {codes['CC']} The terms (clause 7) say: nothing here is for diagnosis or clinical use."
    if "NMDS" in codes and training:
        named = " and ".join(sorted(training))
        yield f"NMDS says: {codes['NMDS']} The purposes say: shared for {named}, which develop methods."
    if conditions.access_class is not AccessClass.CONDITIONAL:
        for code in sorted(EVIDENCE & codes.keys()):
            yield f"{code} says: {codes[code]} The class says: any approved user, without anybody looking at evidence."
    if "TS" in codes and not has_end:
        yield f"TS says: {codes['TS']} The period says: no end."
    restricting = next((code for code in codes if code not in _FREE), "")
    for one, other in (("POA", "NPOA"), ("NRES", restricting)):
        if one in codes and other in codes:
            yield f"{one} says: {codes[one]} {other} says: {codes[other]}"


_FREE = frozenset({"NRES", "GRU", "HMB", "PUB", "RTN"})
"""Terms that restrict no use."""


def unmeetable(conditions: Conditions) -> list[str]:
    """The codes of terms that no request can meet by itself today, in the default class: to nobody is data open under them."""
    if conditions.access_class is AccessClass.CONDITIONAL:
        return []
    asked = [Use(str(purpose), "anybody") for purpose in sorted(conditions.purposes)]
    return sorted({term.code for term in conditions.data_use if all(matched(term, use) is Matched.ABSTAIN for use in asked)})
