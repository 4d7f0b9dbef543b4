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
    longest = None
    for permit in permits:  # a loop, since decisions are many: it takes a third of what a generator and max do
        if permit.party != party or permit.starts > now or (permit.ends is not None and permit.ends <= now):
            continue
        if (permit.export or not export) and evidence <= permit.evidence:
            if permit.ends is None:
                return permit
            if longest is None or longest.ends is None or longest.ends < permit.ends:
                longest = permit
    return longest
