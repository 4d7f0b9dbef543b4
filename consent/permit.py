"""A permit: one organisation's right to a dataset whose provider shares under conditions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Permit:
    """Given to an organisation for a period (aware datetimes, end exclusive, None for open), until revoked.

    It opens what the provider agreed to, but for export, which it must name. `evidence` are the data-use terms, as they
    are written in the agreement, of which somebody has seen that the use meets them: other values need other evidence.
    """

    party: str
    starts: datetime
    ends: datetime | None
    export: bool = False
    evidence: frozenset[str] = frozenset()


def holding(
    permits: Iterable[Permit],
    party: str | None,
    now: datetime,
    *,
    export: bool = False,
    evidence: frozenset[str] = frozenset(),
) -> Permit | None:
    """The permit that lets `party` use the dataset now (`export`: take it out), the one that lasts longest of several.

    It names the `evidence` that is needed by itself: none is put together of several.
    """
    current = (p for p in permits if p.party == party and p.starts <= now and (p.ends is None or now < p.ends))
    mine = [p for p in current if (p.export or not export) and evidence <= p.evidence]
    return max(mine, key=lambda p: (p.ends is None, p.ends or now), default=None)
