"""What is counted by the minute, in each process alone: failed proofs of who one is, and questions of one who is known.

Failures are counted for each pair of client and address: what a stranger tries elsewhere locks no client out.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from mappings.failures import Throttled, Unauthenticated
from mappings.network import counted

FAILURES = 20
WINDOW = timedelta(minutes=1)
MOST_PAIRS = 10_000


@dataclass(slots=True)
class _Failed:
    until: datetime
    count: int = 0


class Throttle:
    """Of one client from one address (or /64), so many failures in a minute; after these nothing more is looked at in it."""

    def __init__(self) -> None:
        self._failed: dict[tuple[str, str], _Failed] = {}
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, client: str, address: str, now: datetime) -> Iterator[None]:
        """Count it where the block raises Unauthenticated. Raises Throttled where there were too many before."""
        pair = client, counted(address)
        failed = self._failed.get(pair)
        if failed is not None and failed.count >= FAILURES and now < failed.until:
            seconds = max(1, round((failed.until - now).total_seconds()))
            raise Throttled("throttled", f"Too many failed proofs of this client from this address; wait {seconds} s.", seconds)
        try:
            yield
        except Unauthenticated:
            self._count(pair, now)
            raise

    def _count(self, pair: tuple[str, str], now: datetime) -> None:
        with self._lock:
            failed = self._failed.pop(pair, None)
            if failed is None or now >= failed.until:
                failed = _Failed(now + WINDOW)
            failed.count += 1
            self._failed[pair] = failed  # the last to be forgotten
            if len(self._failed) > MOST_PAIRS:
                del self._failed[next(iter(self._failed))]


class Rate:
    """How often each of a few known callers has asked in the minute that began with its first question."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def count(self, caller: str, most: int, now: datetime) -> None:
        """Count one more of this caller's. Raises Throttled where it has asked `most` in its minute already."""
        with self._lock:
            until, asked = self._asked.get(caller, (now, 0))
            if not now < until <= now + WINDOW:  # over; or a clock was set back
                until, asked = now + WINDOW, 0
            if asked >= most:
                seconds = max(1, round((until - now).total_seconds()))
                raise Throttled("asked-often", f"This caller has asked {most} times in a minute; wait {seconds} s.", seconds)
            self._asked[caller] = until, asked + 1
