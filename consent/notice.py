"""Notices: what parties are told of changes, ends and acts, each with a delivery that somebody acknowledges."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NoticeKind(StrEnum):
    """What a notice is of."""

    CHANGE = "change"
    DISCONTINUITY = "discontinuity"
    EXPIRY = "expiry"
    PROPOSAL = "proposal"
    ALONE = "alone"
    SECRET = "secret"  # noqa: S105 - a word: what goes with it is one person's


class DeliveryState(StrEnum):
    """Where a delivery stands; what has no address is read here only."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    HERE = "here"


@dataclass(frozen=True, slots=True)
class NoticeDelivery:
    """A notice as it goes to one party or person: what an operator may read of it, which is never the secret with it.

    `party` None: the repository's operators; `person` None: everybody of the party. `effective`: from when on it is so.
    """

    id: int
    notice: str
    kind: NoticeKind
    title: str
    text: str
    party: str | None
    person: str | None
    effective: datetime | None
    at: datetime
    state: DeliveryState
    acknowledged: datetime | None


def is_mine(delivery: NoticeDelivery, actor: str, party: str | None) -> bool:
    """Whether a delivery is for who asks, of this organisation (None: the repository)."""
    return delivery.party == party and delivery.person in (None, actor)
