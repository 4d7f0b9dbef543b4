"""The Data Sharing Agreement: its content in versions, the acts that move it, and each side's stop.

Content (terms, hosting, period, conditions) and state are apart. A version of the content never changes once it is there, and is
cited as `key@version`; acts (propose, activate, suspend, resume, terminate) move the agreement and change no content. Either side
may stop an active agreement, and only who set a stop lifts it: while one stands, nothing under the agreement goes in or out.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from consent.conditions import Conditions
from consent.permit import Permit


class AgreementState(StrEnum):
    """Only `active` lets anything in or out; `terminated` is final."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class Side(StrEnum):
    """Who acts on an agreement: its provider, or the repository (by its operator)."""

    PROVIDER = "provider"
    REPOSITORY = "repository"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agreement stands: its state, and the sides whose stop is in force (suspended while there is one)."""

    state: AgreementState
    stops: frozenset[Side] = frozenset()


_S = AgreementState
MOVES: dict[str, tuple[frozenset[AgreementState], AgreementState]] = {
    "propose": (frozenset({_S.DRAFT}), _S.PROPOSED),
    "activate": (frozenset({_S.PROPOSED}), _S.ACTIVE),
    "suspend": (frozenset({_S.ACTIVE, _S.SUSPENDED}), _S.SUSPENDED),
    "resume": (frozenset({_S.SUSPENDED}), _S.ACTIVE),
    "terminate": (frozenset({_S.DRAFT, _S.PROPOSED, _S.ACTIVE, _S.SUSPENDED}), _S.TERMINATED),
}
"""Verb → (states it may start from, state it leads to): the whole state machine, but for whose stop it is."""


def refusal(standing: Standing, verb: str, side: Side) -> str | None:
    """Why this side may not do that now, in words after *An agreement*; None where it may."""
    origins, _ = MOVES[verb]
    if standing.state not in origins:
        may = " or ".join(_done(other) for other, (states, _) in MOVES.items() if standing.state in states)
        only = f"only one that is {' or '.join(sorted(origins))}"
        return f"that is {standing.state} can't be {_done(verb)}; {only}. This one may be {may or 'nothing more'}"
    if verb == "suspend" and side in standing.stops:
        return f"that the {side} has stopped can't be stopped by it again"
    if verb == "resume" and side not in standing.stops:
        others = " and ".join(sorted(standing.stops))
        return f"is resumed by who stopped it, the {others}, and not by the {side}"
    return None


def _done(verb: str) -> str:
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def move(standing: Standing, verb: str, side: Side) -> Standing:
    """Where the agreement stands after a move that `refusal` allows."""
    if verb == "suspend":
        return Standing(_S.SUSPENDED, standing.stops | {side})
    if verb == "resume":
        stops = standing.stops - {side}
        return Standing(_S.SUSPENDED if stops else _S.ACTIVE, stops)
    return replace(standing, state=MOVES[verb][1])


@dataclass(frozen=True, slots=True)
class AgreementVersion:
    """The content of one version: terms accepted, the node that hosts, period (end exclusive, None for open), conditions."""

    version: int
    terms: str
    node: str
    starts: datetime
    ends: datetime | None
    conditions: Conditions


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

    `permits` are those that stand, each with the alias it is for, as far as its reader is told of them. `changes` counts all that
    has changed in what this reader is told: it only grows.
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


_CITATION = re.compile(r"(?P<key>[^@]+)(@(?P<version>[1-9][0-9]{0,8}))?")


def read_citation(text: str) -> tuple[str, int | None] | None:
    """`key@version`, or a key alone (version None: the one in force), as (key, version); None where it is neither."""
    cited = _CITATION.fullmatch(text)
    if cited is None:
        return None
    return cited["key"], int(cited["version"]) if cited["version"] else None
