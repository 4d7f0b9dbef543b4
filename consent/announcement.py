"""Announcements: that an address, or everything here, ends or is away for a while, told with each answer until then.

What ends is deprecated from its announcement on (RFC 9745) and has a sunset (RFC 8594); what is away comes back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from consent.notice import NoticeKind

EVERYTHING = "/"
MOST_ADDRESS = 200


@dataclass(frozen=True, slots=True)
class Announcement:
    """Announced `at` a moment: from `effective` on, an address and all below it is not there, `until` (None: never) it is again.

    `effective` None: it is taken back, and stays.
    """

    address: str
    at: datetime
    effective: datetime | None = None
    until: datetime | None = None

    def covers(self, path: str) -> bool:
        """Whether this path is the address, or below it."""
        return f"{path}/".startswith(f"{self.address.rstrip('/')}/")


def wrong(announced: Announcement, kind: NoticeKind) -> str | None:
    """What is wrong with an announcement by a notice of this kind, as a sentence; None where nothing is."""
    address, effective, until = announced.address, announced.effective, announced.until
    if not (address.startswith(EVERYTHING) and len(address) <= MOST_ADDRESS and address.isascii() and address.isprintable()):
        return f"An address is a path of at most {MOST_ADDRESS} characters, such as /fhir/R5; / is all of them."
    if kind is NoticeKind.CHANGE:
        return "A change takes an announcement back, from now on: it has no moment." if effective or until else None
    if until is not None and (effective is None or until <= effective):
        return "What is away for a while comes back after it has gone."
    return None


def ending(path: str, now: datetime, announced: Iterable[Announcement]) -> Announcement | None:
    """Of what ends for good and covers this path, the first to do so."""
    ends = [each for each in announced if each.effective and each.until is None and now < each.effective and each.covers(path)]
    return min(ends, key=lambda each: each.effective or now, default=None)


def away_until(path: str, now: datetime, announced: Iterable[Announcement]) -> datetime | None:
    """When this path is back that is announced to be away now; None where it is not."""
    away = [e.until for e in announced if e.effective and e.until and e.effective <= now < e.until and e.covers(path)]
    return max(away, default=None)
