"""The Data Sharing Agreement and its dataset: states, legal moves, and the facts a decision needs of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from consent.conditions import Conditions
from consent.permits import Permit


class AgreementState(StrEnum):
    """Only `active` lets anything in or out; `terminated` is final."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class NodeState(StrEnum):
    """Only `linked` lets anything in or out; the operator moves a node freely between the three."""

    LINKED = "linked"
    SUSPENDED = "suspended"
    UNLINKED = "unlinked"


class Hosting(StrEnum):
    """Where a provider chose its images to rest."""

    FEDERATED = "federated"
    CENTRAL = "central"


_S = AgreementState
MOVES: dict[str, tuple[frozenset[AgreementState], AgreementState]] = {
    "propose": (frozenset({_S.DRAFT}), _S.PROPOSED),
    "activate": (frozenset({_S.PROPOSED}), _S.ACTIVE),
    "suspend": (frozenset({_S.ACTIVE}), _S.SUSPENDED),
    "resume": (frozenset({_S.SUSPENDED}), _S.ACTIVE),
    "terminate": (frozenset({_S.DRAFT, _S.PROPOSED, _S.ACTIVE, _S.SUSPENDED}), _S.TERMINATED),
}
"""Verb → (states it may start from, state it leads to): the whole state machine."""

NODE_MOVES = {"link": NodeState.LINKED, "suspend": NodeState.SUSPENDED, "unlink": NodeState.UNLINKED}


def moved(state: AgreementState, verb: str) -> AgreementState | None:
    """The state after `verb`, or None where the move is not legal."""
    origins, target = MOVES[verb]
    return target if state in origins else None


@dataclass(frozen=True, slots=True)
class Facts:
    """One dataset as governance stands now: what `policy.decide` needs, and what its answer cites.

    `starts` and `ends` bound the agreement's period (aware datetimes, end exclusive, None for open).
    """

    dataset: int
    alias: str
    provider: str
    agreement: str
    version: int
    state: AgreementState
    starts: datetime
    ends: datetime | None
    node: str
    node_state: NodeState
    terms: str
    conditions: Conditions
    permits: tuple[Permit, ...] = ()
