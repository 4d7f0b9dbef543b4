"""Decides whether this subject may do this with that dataset, for this purpose, now.

Deny overrides; what nobody decided is denied. `decide` asks first whether the caller's role reaches this at all, or only its own,
then the gates that nobody overrides (the agreement, its period, its node), then a user's own (approval, whether it is external,
terms), then the closed lists (purpose, permit, data-use terms, action). It returns a value that says which rule spoke and under
which agreement and terms; it raises nothing and asks nobody. `visible_datasets` asks it for every dataset and gives the ids that
one SQL statement may look at: consent narrows a question, and no answer is filtered afterwards.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from consent.agreement import AgreementState
from consent.conditions import CLINICAL_PURPOSES, AccessClass, Action, Purpose, Visibility
from consent.data_use import needed
from consent.dataset import Facts
from consent.node import NodeState
from consent.permit import holding
from consent.subject import Role, Subject

NEVER_FOR_DIAGNOSIS = (
    "Nothing here is for diagnosis or any other clinical use: images and data are for AI research and training only."
)


class Reach(StrEnum):
    """A cell of the matrix: how far a role's action reaches. A role or action without a cell reaches nothing."""

    LISTED = "descriptions and safe counts of listed datasets"
    FEDERATED = "descriptions and safe counts of listed datasets whose provider agreed to federation"
    AGREED = "as the provider agreed"
    PERMITTED = "for `AIRESEARCH`, as the provider agreed under conditions and a permit names it"
    OWN = "own data"
    ALL = "all"


_AGREED_TO_USERS = {
    Action.DISCOVER: Reach.ALL,
    Action.QUERY: Reach.AGREED,
    Action.PREVIEW: Reach.AGREED,
    Action.VIEW: Reach.AGREED,
}

MATRIX: dict[Role, dict[Action, Reach]] = {
    Role.ANONYMOUS: {Action.DISCOVER: Reach.LISTED},
    Role.USER: _AGREED_TO_USERS | {Action.EXPORT: Reach.PERMITTED},
    Role.INSIDE: _AGREED_TO_USERS | {Action.PROCESS: Reach.AGREED},
    Role.PROVIDER: {a: Reach.OWN for a in Action if a is not Action.GOVERN},
    Role.SENDER: {Action.DEPOSIT: Reach.OWN},
    Role.OPERATOR: dict.fromkeys((Action.DISCOVER, Action.QUERY, Action.WITHDRAW, Action.GOVERN), Reach.ALL),
    Role.FEDERATION: {Action.DISCOVER: Reach.FEDERATED},
}
"""Who may do what (callers × actions); every yes is still subject to the agreement, and in the conditional class to a permit."""

SENTENCES = {
    "permitted": "Permitted under the agreement.",
    "role": "This kind of caller may not do that.",
    "not-own": "Only the provider of this dataset may do that.",
    "not-listed": "The provider does not list this dataset.",
    "not-federated": "The provider did not agree to this dataset being harvested, or counted in federated search.",
    "agreement-not-active": "The agreement on this dataset is not active, so nothing under it goes in or out.",
    "agreement-out-of-period": "The agreement on this dataset is outside its period.",
    "dataset-withdrawn": "This dataset was withdrawn, so nothing of it goes in or out.",
    "node-not-linked": "The node that holds this dataset is not linked, so nothing on it goes in or out.",
    "not-approved": "Your organisation is not an approved data user yet.",
    "terms-not-accepted": "You have not accepted the terms of use. Accept the version in force and ask again.",
    "terms-behind": "You have not accepted the terms of use that this dataset is shared under, nor later ones that contain them.",
    "external-not-agreed": "The provider shares this dataset with beneficiaries only; your organisation is external.",
    "terms-not-renewed": "New terms of use are in effect, and the provider has not accepted them: external users wait for that.",
    "purpose-missing": "The token names no purpose. Ask for one of: AIRESEARCH, AITRAIN, FEDLEARN.",
    "purpose-clinical": "Clinical purposes are refused. " + NEVER_FOR_DIAGNOSIS,
    "purpose-unknown": "The purpose is none of: AIRESEARCH, AITRAIN, FEDLEARN.",
    "purpose-not-registered": "Your client is not registered for this purpose.",
    "purpose-not-agreed": "The provider does not share this dataset for this purpose.",
    "permit-needed": "The provider shares this dataset under conditions: a permit is needed. Ask the repository for one.",
    "data-use-excluded": "The provider's data-use terms exclude this use of the dataset.",
    "data-use-unproven": "The provider's data-use terms ask for evidence: a permit has to record it. Ask the repository.",
    "not-visible": "The provider did not agree to pictures of this dataset being looked at.",
    "preview-only": "The provider agreed to reduced previews of this dataset only.",
    "no-download": "You may process this dataset in place if its provider agreed to that; download it may not be.",
    "export-in-training": "In the course of training nothing leaves: for AITRAIN and FEDLEARN data is processed in place.",
    "export-unconditional": "Download is agreed to under conditions and for AIRESEARCH only; ticked without, it grants nothing.",
    "export-not-permitted": "Your organisation's permit does not name export. Ask the repository for one that does.",
    "action-not-agreed": "The provider did not agree to this use of the dataset.",
}
"""Rule → the sentence a caller reads; stable codes, no dataset's or patient's value in them."""

_CLOSED = {Action.VIEW: "preview-only", Action.EXPORT: "no-download"}


class Decision(NamedTuple):
    """Yes or no, by which rule, citing the agreement version and terms; a yes holds until `valid_until` (None: no end)."""

    allowed: bool
    rule: str
    agreement: str
    terms: str
    valid_until: datetime | None = None

    @property
    def sentence(self) -> str:
        """The rule in words."""
        return SENTENCES[self.rule]


_PUBLIC, _USERS = frozenset({Reach.LISTED, Reach.FEDERATED}), frozenset({Role.USER, Role.INSIDE})
_DISCOVER, _EXPORT, _WITHDRAW, _OWN = Action.DISCOVER, Action.EXPORT, Action.WITHDRAW, Reach.OWN
_ACTIVE, _LINKED, _CONDITIONAL = AgreementState.ACTIVE, NodeState.LINKED, AccessClass.CONDITIONAL
_NOTHING: frozenset[str] = frozenset()
# by their own names, since Python 3.11 takes a tenth of a microsecond to find a member in its class, and a decision two in all


def decide(subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime) -> Decision:
    """Decide by values alone; the first gate that says no names the rule."""
    rule = _refusal(subject, action, purpose, facts, now)
    cites = (f"{facts.agreement}@{facts.version}", facts.terms)
    if rule:
        return Decision(False, rule, *cites)
    return Decision(True, "permitted", *cites, _valid_until(subject, action, purpose, facts, now))


def asking_refusal(subject: Subject) -> str | None:
    """The rule by which this subject may not have other repositories asked, which see this repository and not it; or None."""
    if subject.role is Role.OPERATOR:
        return None
    if subject.role not in _USERS:
        return "role"
    return _unready(subject)


def _unready(subject: Subject) -> str | None:
    """The rule by which a user may use nothing yet, whatever is shared; or None."""
    if not subject.approved:
        return "not-approved"
    return None if subject.terms else "terms-not-accepted"


def decide_all(subject: Subject, actions: Iterable[Action], purpose: str | None, facts: Facts, now: datetime) -> Decision:
    """Decide on what is several actions at once, of which none implies another: the first no, else the last yes."""
    decisions = [decide(subject, action, purpose, facts, now) for action in actions]
    return next((d for d in decisions if not d.allowed), decisions[-1])


def _refusal(subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime) -> str | None:
    reach = MATRIX[subject.role].get(action)
    if reach is None:
        return "no-download" if action is _EXPORT and subject.role is Role.INSIDE else "role"
    if reach is _OWN and subject.party != facts.provider:
        return "not-own"
    if action is not _WITHDRAW and (stop := stopped(facts, now)):  # a stop keeps nothing in
        return stop
    if reach in _PUBLIC:
        return _publics_refusal(reach, facts)
    if subject.role in _USERS:
        return _users_refusal(subject, action, purpose, facts, now)
    return None


def _publics_refusal(reach: Reach, facts: Facts) -> str | None:
    if not facts.conditions.listed:
        return "not-listed"
    return None if reach is Reach.LISTED or facts.conditions.federated else "not-federated"


def stopped(facts: Facts, now: datetime) -> str | None:
    """The rule by which nothing at all goes in or out of this dataset now, or None."""
    if facts.withdrawn is not None:
        return "dataset-withdrawn"
    if facts.state is not _ACTIVE:
        return "agreement-not-active"
    if now < facts.starts or (facts.ends is not None and now >= facts.ends):
        return "agreement-out-of-period"
    return None if facts.node_state is _LINKED else "node-not-linked"


def _users_refusal(  # noqa: PLR0911 - gates
    subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime
) -> str | None:
    if rule := _unready(subject):
        return rule
    rule = _terms_refusal(subject, facts, now)
    if action is _DISCOVER:
        return None if facts.conditions.listed else rule  # what is listed, anybody may know of
    if rule := rule or purpose_refusal(subject, purpose):
        return rule
    if purpose not in facts.conditions.purposes:
        return "purpose-not-agreed"
    if facts.conditions.access_class is _CONDITIONAL and not holding(facts.permits, subject.party, now):
        return "permit-needed"
    if facts.conditions.data_use and (rule := _data_use_refusal(subject, purpose, facts, now)):
        return rule
    if action is _EXPORT and action in facts.conditions.actions:
        return _exports_refusal(subject, purpose, facts, now)
    if facts.conditions.permit(action):
        return None
    pictures = action in (Action.PREVIEW, Action.VIEW) and facts.conditions.visibility is Visibility.NONE
    return "not-visible" if pictures else _CLOSED.get(action, "action-not-agreed")


def _terms_refusal(subject: Subject, facts: Facts, now: datetime) -> str | None:
    """The rule by which what this dataset is shared under does not reach this user."""
    if subject.external:
        if not facts.conditions.external:
            return "external-not-agreed"
        if facts.renewal is not None and now >= facts.renewal:
            return "terms-not-renewed"
    return None if _has_accepted(subject, facts, now) else "terms-behind"


def _has_accepted(subject: Subject, facts: Facts, now: datetime) -> bool:
    if not subject.terms.isdisjoint(facts.covered_by):
        return True
    return facts.grace is not None and now < facts.grace.ends and not subject.terms.isdisjoint(facts.grace.covered_by)


def is_behind(subject: Subject, facts: Iterable[Facts], now: datetime) -> bool:
    """Whether a user accepted nothing that any dataset, of those that are open, is shared under; without any, nothing at all."""
    shared = [f for f in facts if not stopped(f, now)]
    return not subject.terms or (bool(shared) and not any(_has_accepted(subject, f, now) for f in shared))


def _exports_refusal(subject: Subject, purpose: str | None, facts: Facts, now: datetime) -> str | None:
    """The rule by which bytes do not leave, though the provider ticked that they may."""
    if purpose != Purpose.AI_RESEARCH:
        return "export-in-training"
    if not facts.conditions.permit(Action.EXPORT):
        return "export-unconditional"
    evidence = _evidence(subject, purpose, facts)
    return None if holding(facts.permits, subject.party, now, export=True, evidence=evidence) else "export-not-permitted"


def _data_use_refusal(subject: Subject, purpose: str | None, facts: Facts, now: datetime) -> str | None:
    """The rule by which the provider's data-use terms say no, or ask a person (deny outranks abstain, abstain permit)."""
    evidence = needed(facts.conditions.data_use, purpose, subject.party)
    if evidence is None:
        return "data-use-excluded"
    if not evidence:
        return None
    conditional = facts.conditions.access_class is _CONDITIONAL  # in the default class no permit is asked for
    proven = conditional and holding(facts.permits, subject.party, now, evidence=evidence)
    return None if proven else "data-use-unproven"


def _evidence(subject: Subject, purpose: str | None, facts: Facts) -> frozenset[str]:
    """The data-use terms that a permit must show to be met before this use, of which none excludes it."""
    return needed(facts.conditions.data_use, purpose, subject.party) or _NOTHING


def looks(subject: Subject, purpose: str | None) -> bool:
    """Whether parts of images go to this subject to be looked at, which is a *view* and no export: to viewers, for research."""
    return subject.viewer and subject.role is Role.USER and purpose == Purpose.AI_RESEARCH


def purpose_refusal(subject: Subject, purpose: str | None) -> str | None:
    """The rule by which a purpose can't be claimed by this subject at all, or None."""
    if purpose in subject.purposes:
        return None
    if not purpose:
        return "purpose-missing"
    if purpose.upper() in CLINICAL_PURPOSES:
        return "purpose-clinical"
    return "purpose-not-registered" if purpose in set(Purpose) else "purpose-unknown"


def _valid_until(subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime) -> datetime | None:
    if action is _WITHDRAW:
        return None
    end = facts.ends
    if facts.renewal is not None or facts.grace is not None:
        for moment in _terms_ends(subject, action, facts):
            end = _sooner(end, moment)
    if facts.conditions.access_class is _CONDITIONAL:
        evidence = _evidence(subject, purpose, facts) if facts.conditions.data_use else _NOTHING
        permit = holding(facts.permits, subject.party, now, export=action is _EXPORT, evidence=evidence)
        end = _sooner(end, permit.ends if permit else None)
    return end


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    """The end that comes first; None is no end."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def _terms_ends(subject: Subject, action: Action, facts: Facts) -> tuple[datetime | None, ...]:
    """When what this user may do ends by terms that take effect: unless its provider, or it, accepts them before."""
    public = action is _DISCOVER and facts.conditions.listed
    if public or subject.role not in _USERS:
        return ()
    behind = facts.grace is not None and subject.terms.isdisjoint(facts.covered_by)
    return facts.renewal if subject.external else None, facts.grace.ends if behind and facts.grace else None


@dataclass(frozen=True, slots=True)
class VisibleDatasets:
    """The datasets a question may look at, and until when that answer may be kept."""

    datasets: frozenset[int]
    valid_until: datetime | None


def visible_datasets(
    subject: Subject, action: Action, purpose: str | None, facts: Iterable[Facts], now: datetime
) -> VisibleDatasets:
    """The ids of the datasets on which `decide` says yes."""
    every = [(f.dataset, decide(subject, action, purpose, f, now)) for f in facts]
    ends = [d.valid_until for _, d in every if d.allowed and d.valid_until]
    return VisibleDatasets(frozenset(i for i, d in every if d.allowed), min(ends, default=None))


def turns(facts: Iterable[Facts]) -> list[datetime]:
    """The moments, in order, at which time alone may change a decision: from each on it is what it stays until the next."""
    moments = {moment for each in facts for moment in (each.starts, each.ends, each.renewal)}
    moments |= {each.grace.ends for each in facts if each.grace}
    moments |= {moment for each in facts for permit in each.permits for moment in (permit.starts, permit.ends)}
    return sorted(moment for moment in moments if moment is not None)
