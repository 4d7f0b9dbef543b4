"""Stops: whose decision keeps data from those whom the agreement would let have it, and since when.

One person stops, always. The repository's own stop cites a circumstance; a provider gives no reason. What is told of a stop is
its date and its cause, never more: a patient's withdrawal is a provider's like any other.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from consent.agreement import CIRCUMSTANCES, Side


class Cause(StrEnum):
    """Why something is not there any more, as far as anybody is told."""

    PROVIDER = "provider"
    REPOSITORY = "repository"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Stop:
    """What is stopped or withdrawn: since when, and by whom (or in favour of a replacement)."""

    at: datetime
    cause: Cause

    @property
    def sentence(self) -> str:
        """The same for whoever may be told."""
        by = "It is being replaced" if self.cause is Cause.REPLACED else f"It was stopped or withdrawn by the {self.cause}"
        return f"{by}, on {self.at:%Y-%m-%d}."


def cause_of(side: Side, *, replace: bool = False) -> Cause:
    """The cause of what a side withdraws."""
    return Cause.REPLACED if replace else Cause(side)


def uncited(side: Side, cited: str | None) -> str | None:
    """What is wrong with the circumstance that a stop cites, as a sentence; None where nothing is."""
    known = ", ".join(CIRCUMSTANCES)
    if side is Side.REPOSITORY and cited not in CIRCUMSTANCES:
        return f"The repository's stop cites a circumstance: {known}."
    return "A provider's stop cites no circumstance." if side is Side.PROVIDER and cited else None
