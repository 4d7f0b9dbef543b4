"""Acts that two persons decide on: one proposes, another confirms exactly that, or refuses.

The second is signed in, and not the first: an account of the machine is nobody's second person. Who is the only operator there is
acts alone, and the record says so; so may anybody who says why, and then every operator is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from consent.person import PERSON, Actor

LIFETIME = timedelta(days=14)
"""How long a proposal waits for its second person."""


class ProposalState(StrEnum):
    """Where a proposal stands; only an open one is decided on."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An act with its arguments (canonical JSON) and the SHA-256 (hex) of both; who proposed it, when and why.

    `done` says what was done, of what its proposer did at once as the only operator there is.
    """

    key: str
    act: str
    arguments: str
    digest: str
    reason: str
    proposer: str
    at: datetime
    expires: datetime
    state: ProposalState
    decider: str | None = None
    decided: datetime | None = None
    done: str | None = None


def refusal(proposal: Proposal, decider: Actor, digest: str, now: datetime) -> str | None:
    """Why this actor may not confirm this now, as a sentence; None where it may. `digest` is of what lies there."""
    if proposal.state is not ProposalState.OPEN:
        return f"This was {proposal.state} already."
    if now >= proposal.expires:
        return "This has waited too long. Propose it again."
    if not decider.id.startswith(PERSON):
        return "A second person signs in: an account of this machine is none, and a client neither."
    if decider.id == proposal.proposer:
        return "Who proposed this is not its second person."
    return None if digest == proposal.digest else "What lies here is not what was proposed."
