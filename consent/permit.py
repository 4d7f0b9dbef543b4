"""A permit: one organisation's right to a dataset whose provider shares under conditions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Permit:
    """Given to an organisation for a period (aware datetimes, end exclusive, None for open), until revoked."""

    party: str
    starts: datetime
    ends: datetime | None


def holding(permits: Iterable[Permit], party: str | None, now: datetime) -> Permit | None:
    """The permit that lets `party` use the dataset now, the one that lasts longest if there are several."""
    mine = [p for p in permits if p.party == party and p.starts <= now and (p.ends is None or now < p.ends)]
    return max(mine, key=lambda p: (p.ends is None, p.ends or now), default=None)
