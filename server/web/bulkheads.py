"""Bulkheads: a process's threads divided, so that stalled peers never slow a search, nor one client or node others."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

from mappings.failures import Busy
from server.settings import Settings


class Bulkhead(StrEnum):
    """The kinds of request that can't take each other's threads."""

    SEARCH = "search"
    FORM = "form"
    """Small bodies, which anybody may send as slowly as they like: a token request needs no token."""
    STREAM = "stream"
    UPLOAD = "upload"
    RENDER = "render"
    CATALOGUE = "catalogue"
    """What harvesters ask for, who need no token and come in numbers."""


SHARED = frozenset({Bulkhead.SEARCH, Bulkhead.FORM, Bulkhead.STREAM, Bulkhead.UPLOAD})
"""Those of which one client has three quarters of a process's places at most: its dearest questions leave others room, and
so does what it reads or sends as slowly as it likes."""
OF_NODES = frozenset({Bulkhead.STREAM, Bulkhead.UPLOAD, Bulkhead.RENDER})
"""Those of which one node has three quarters at most: one that keeps its callers waiting leaves room for those of others."""

PACES = {Bulkhead.CATALOGUE: 25}
"""So many a second are begun where anybody asks as fast as answers come; who is early waits for a turn, without costing any."""
HARVESTS = 32
"""In their turn or waiting for it, a good second's; more: 503."""


class Bulkheads:
    """The places of one process, how many of them each client or node holds, and when the next turn of a paced one is."""

    def __init__(self, sizes: dict[Bulkhead, int], sleep: Callable[[float], None] = time.sleep) -> None:
        self._free, self._sleep = dict(sizes), sleep
        self._turns = dict.fromkeys(PACES, 0.0)
        self._shares = {bulkhead: max(1, sizes[bulkhead] * 3 // 4) for bulkhead in sizes}
        self._held: Counter[tuple[Bulkhead, str]] = Counter()
        self._lock = threading.Lock()

    def enter(self, bulkhead: Bulkhead) -> "Place":
        """Take a place or raise Busy at once: a request that waits would hold a thread of its own. Wait for a turn only."""
        with self._lock:
            if not self._free[bulkhead]:
                raise Busy("busy", f"All places for {bulkhead} requests are taken; try again in a few seconds.")
            self._free[bulkhead] -= 1
            early = self._turn(bulkhead) if bulkhead in PACES else 0
        if early:
            self._sleep(early)
        return Place(self, bulkhead)

    def _turn(self, bulkhead: Bulkhead) -> float:
        """How many seconds the next turn of a paced bulkhead is away, now taken."""
        now = time.monotonic()
        turn = max(self._turns[bulkhead], now)
        self._turns[bulkhead] = turn + 1 / PACES[bulkhead]
        return turn - now

    def claim(self, bulkhead: Bulkhead, holder: str) -> None:
        """Count a place as this holder's (`client …`, `node …`). Raises Busy where it holds its share already."""
        with self._lock:
            if self._held[bulkhead, holder] >= self._shares[bulkhead]:
                kind = holder.partition(" ")[0]
                raise Busy("busy-share", f"This {kind} has {self._shares[bulkhead]} {bulkhead} requests under way, its share.")
            self._held[bulkhead, holder] += 1

    def leave(self, bulkhead: Bulkhead, holders: Iterable[str]) -> None:
        """Give a place back, and its holders' count of it."""
        with self._lock:
            self._free[bulkhead] += 1
            for holder in holders:
                self._held[bulkhead, holder] -= 1
                if not self._held[bulkhead, holder]:
                    del self._held[bulkhead, holder]


class Place:
    """One request's place, held until it leaves, however often it does."""

    __slots__ = ("_bulkhead", "_bulkheads", "_holders", "_left")

    def __init__(self, bulkheads: Bulkheads, bulkhead: Bulkhead) -> None:
        self._bulkheads, self._bulkhead = bulkheads, bulkhead
        self._holders: set[str] = set()
        self._left = False

    def hold_for(self, client: str) -> None:
        """Let it be this client's, once it is known who asks. Raises Busy where that has its share of a shared bulkhead."""
        if self._bulkhead in SHARED:
            self._claim(f"client {client}")

    def hold_at(self, node: str) -> None:
        """Let it be this node's too, once it is known whose bytes it is for. Raises Busy where that has its share."""
        if self._bulkhead in OF_NODES:
            self._claim(f"node {node}")

    def _claim(self, holder: str) -> None:
        if holder not in self._holders:
            self._bulkheads.claim(self._bulkhead, holder)
            self._holders.add(holder)

    def leave(self) -> None:
        """Give it back."""
        if not self._left:
            self._left = True
            self._bulkheads.leave(self._bulkhead, self._holders)


def bulkheads_of(settings: Settings) -> Bulkheads:
    """The bulkheads as they are configured."""
    return Bulkheads(_sizes(settings))


def threads_of(settings: Settings) -> int:
    """Enough threads for every place of a process and every body on its way, and a few for what has no place."""
    return sum(_sizes(settings).values()) + settings.bodies + 4


def _sizes(settings: Settings) -> dict[Bulkhead, int]:
    return {
        Bulkhead.SEARCH: settings.searches,
        Bulkhead.FORM: settings.forms,
        Bulkhead.STREAM: settings.streams,
        Bulkhead.UPLOAD: settings.uploads,
        Bulkhead.RENDER: settings.renders,
        Bulkhead.CATALOGUE: HARVESTS,
    }
