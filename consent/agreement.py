"""The Data Sharing Agreement: its content in versions, the acts that move it, and each side's stop.

Content (text, terms, hosting, period, conditions, documents) and state are apart. A version of the content never changes once it
is there, and is cited as `key@version`; acts move the agreement and change no content. It is applied for, drafted, proposed,
signed by its provider and countersigned by the repository, which puts the version in force; one that was signed on paper is
activated instead, which is recorded as an import by the repository. A change is another version that goes the same way while
the one in force stays in force. Either side may stop an active agreement, and only who set a stop lifts it: while one stands,
nothing under the agreement goes in or out.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from consent.conditions import Conditions
from consent.permit import Permit


class AgreementState(StrEnum):
    """Only `active` lets anything in or out; `refused` and `terminated` are final."""

    APPLIED = "applied"
    DRAFT = "draft"
    PROPOSED = "proposed"
    SIGNED = "signed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    REFUSED = "refused"


class Side(StrEnum):
    """Who acts on an agreement: its provider, or the repository (by its operator)."""

    PROVIDER = "provider"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agreement stands: its state, and the sides whose stop is in force (suspended while there is one).

    `change`: how far a version has come that is to replace the one in force (draft, proposed or signed); None where none is.
    """

    state: AgreementState
    stops: frozenset[Side] = frozenset()
    change: AgreementState | None = None

    @property
    def stage(self) -> AgreementState:
        """How far the version has come that is being agreed on; where none is, the agreement's state."""
        return self.change or self.state


_S = AgreementState
ENDED = frozenset({_S.TERMINATED, _S.REFUSED})
"""States that nothing leaves."""
IN_FORCE = frozenset({_S.ACTIVE, _S.SUSPENDED})
"""States in which a version is in force; another is agreed on beside it."""
_AGREEING = frozenset({_S.DRAFT, _S.PROPOSED, _S.SIGNED})
MOVES: dict[str, tuple[frozenset[AgreementState], AgreementState]] = {
    "propose": (frozenset({_S.DRAFT}), _S.PROPOSED),
    "sign": (frozenset({_S.PROPOSED}), _S.SIGNED),
    "countersign": (frozenset({_S.SIGNED}), _S.ACTIVE),
    "activate": (frozenset({_S.PROPOSED}), _S.ACTIVE),
    "refuse": (_AGREEING | {_S.APPLIED}, _S.REFUSED),
    "suspend": (frozenset({_S.ACTIVE, _S.SUSPENDED}), _S.SUSPENDED),
    "resume": (frozenset({_S.SUSPENDED}), _S.ACTIVE),
    "terminate": (_AGREEING | {_S.ACTIVE, _S.SUSPENDED}, _S.TERMINATED),
}
"""Verb → (states it may start from, state it leads to): the whole state machine, but for whose act it is."""
OF_VERSIONS = ("propose", "sign", "countersign", "activate", "refuse")
"""Verbs that move the version being agreed on; the others move what is in force."""
SIGNATURES = ("sign", "countersign")
"""Verbs that are done by a signature and in no other way."""
ENFORCING = ("countersign", "activate")
"""Verbs that put a version in force; activate: of an agreement that was signed on paper."""
_ONLY = {"sign": Side.PROVIDER, "countersign": Side.REPOSITORY, "activate": Side.REPOSITORY}
_DRAFTABLE = _AGREEING | {_S.APPLIED, _S.ACTIVE, _S.SUSPENDED}

CIRCUMSTANCES = {
    "security": "The security of the repository or of its data is at risk.",
    "legal-order": "A court or an authority orders it.",
    "breach": "The agreement or the terms of use are broken.",
    "not-conformant": "The data is not de-identified, or does not follow the guidelines.",
    "no-legal-basis": "The legal basis for sharing the data has gone.",
    "discontinuity": "The repository or a part of it ends.",
}
"""Word → when the repository may stop or end an agreement by itself; each agreement lists its own among them."""


def refusal(standing: Standing, verb: str, side: Side) -> str | None:
    """Why this side may not do that now, in words after *An agreement*; None where it may."""
    if not _is_origin(standing, verb):
        stage = standing.stage if verb in OF_VERSIONS else standing.state
        may = " or ".join(done(other) for other in MOVES if _is_origin(standing, other))
        only = f"only one that is {' or '.join(sorted(MOVES[verb][0]))}"
        return f"that is {stage} can't be {done(verb)}; {only}. This one may be {may or 'nothing more'}"
    if side is not _ONLY.get(verb, side):
        return f"is {done(verb)} by the {_ONLY[verb]}, and not by the {side}"
    if verb == "suspend" and side in standing.stops:
        return f"that the {side} has stopped can't be stopped by it again"
    if verb == "resume" and side not in standing.stops:
        others = " and ".join(sorted(standing.stops))
        return f"is resumed by who stopped it, the {others}, and not by the {side}"
    return None


def _is_origin(standing: Standing, verb: str) -> bool:
    return (standing.stage if verb in OF_VERSIONS else standing.state) in MOVES[verb][0]


def draft_refusal(standing: Standing) -> str | None:
    """Why no new version may be drafted now, in words after *An agreement*; None where one may."""
    return None if standing.state in _DRAFTABLE else f"that is {standing.state} takes no other version"


def uncited(side: Side, verb: str, listed: frozenset[str], cited: str | None) -> str | None:
    """What is wrong with the circumstance that a stop cites, as a sentence; None where nothing is.

    The repository cites one of the agreement's list where it has one; a provider stops as it likes.
    """
    needed = side is Side.REPOSITORY and verb in ("suspend", "terminate") and bool(listed)
    if cited is None:
        return (
            f"The repository's stop cites a circumstance that the agreement lists: {', '.join(sorted(listed))}."
            if needed
            else None
        )
    if not needed or cited not in listed:
        told = f"cites one of: {', '.join(sorted(listed))}" if needed else "cites none"
        return f"This act {told}."
    return None


def done(verb: str) -> str:
    """A verb as what has become of an agreement: proposed, countersigned."""
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def move(standing: Standing, verb: str, side: Side) -> Standing:
    """Where the agreement stands after a move that `refusal` allows."""
    if verb == "suspend":
        return replace(standing, state=_S.SUSPENDED, stops=standing.stops | {side})
    if verb == "resume":
        stops = standing.stops - {side}
        return replace(standing, state=_S.SUSPENDED if stops else _S.ACTIVE, stops=stops)
    if verb not in OF_VERSIONS or standing.change is None:
        return replace(standing, state=MOVES[verb][1], change=None)
    target = MOVES[verb][1]
    return replace(standing, change=target if target in _AGREEING else None)


def drafted(standing: Standing) -> Standing:
    """Where the agreement stands once a version was drafted: what was agreed on before is dropped with its signature."""
    if standing.state in IN_FORCE:
        return replace(standing, change=_S.DRAFT)
    return replace(standing, state=_S.DRAFT)


class Means(StrEnum):
    """How a version is signed: a typed name with a one-time code (a simple electronic signature), or a signed file as well."""

    CODE = "code"
    FILE = "file"


@dataclass(frozen=True, slots=True, order=True)
class DocumentVersion:
    """A document that a version is bound to, as it was published: its kind, version, and SHA-256 in hex."""

    kind: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class AgreementVersion:
    """The content of one version: terms accepted, the node that hosts, period (end exclusive, None for open), conditions.

    `hosting` is the node's as agreed (federated or central), `terms_sha256` that of the terms, `text` the agreement's own words
    (UTF-8), `circumstances` those in which the repository may stop it, `means` how it is signed.
    """

    version: int
    terms: str
    node: str
    starts: datetime
    ends: datetime | None
    conditions: Conditions
    hosting: str = ""
    terms_sha256: str = ""
    text: bytes = b""
    documents: tuple[DocumentVersion, ...] = ()
    circumstances: frozenset[str] = frozenset()
    means: Means = Means.CODE


@dataclass(frozen=True, slots=True)
class Application:
    """What an organisation asks for: whom to talk to, what data, and where it wants to deviate from the usual conditions."""

    contacts: str
    data: str
    deviations: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AgreementAct:
    """Something a side did, and when; `version` is that of the content it was done on."""

    verb: str
    side: Side
    actor: str
    version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement with the content in force: terms as version and SHA-256 in hex, the aliases of its datasets.

    `permits` are those that stand, each with the alias it is for, as far as its reader is told of them (`is_own`). `changes`
    counts all that has changed in what this reader is told: it only grows. `sha256` is what signatures of the version bind.
    """

    key: str
    provider: str
    state: AgreementState
    starts: datetime
    ends: datetime | None
    terms: str
    terms_sha256: str
    conditions: Conditions
    aliases: tuple[str, ...]
    updated: datetime
    permits: tuple[tuple[str, Permit], ...] = ()
    changes: int = 1
    version: int = 0
    sha256: str = ""
    documents: tuple[DocumentVersion, ...] = ()
    is_own: bool = False


_CITATION = re.compile(r"(?P<key>[^@]+)(@(?P<version>[1-9][0-9]{0,8}))?")


def read_citation(text: str) -> tuple[str, int | None] | None:
    """`key@version`, or a key alone (version None: the one in force), as (key, version); None where it is neither."""
    cited = _CITATION.fullmatch(text)
    if cited is None:
        return None
    return cited["key"], int(cited["version"]) if cited["version"] else None
