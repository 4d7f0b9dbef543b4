"""Bulkheads: the threads of a process divided, so that stalled readers and senders never slow a search, nor one client others."""

import threading
from collections import Counter
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


SHARED = frozenset({Bulkhead.SEARCH, Bulkhead.FORM})
"""Those of which one client has three quarters of a process's places at most: its dearest questions leave others room."""


class Bulkheads:
    """The places of one process, and which client holds how many of the shared ones."""

    def __init__(self, sizes: dict[Bulkhead, int]) -> None:
        self._free = dict(sizes)
        self._shares = {bulkhead: max(1, sizes[bulkhead] * 3 // 4) for bulkhead in sizes.keys() & SHARED}
        self._held: Counter[tuple[Bulkhead, str]] = Counter()
        self._lock = threading.Lock()

    def enter(self, bulkhead: Bulkhead) -> "Place":
        """Take a place or raise Busy at once: a request that waits would hold a thread of its own."""
        with self._lock:
            if not self._free[bulkhead]:
                raise Busy("busy", f"All places for {bulkhead} requests are taken; try again in a few seconds.")
            self._free[bulkhead] -= 1
        return Place(self, bulkhead)

    def claim(self, bulkhead: Bulkhead, client: str) -> None:
        """Count a place as this client's. Raises Busy where it holds its share already."""
        with self._lock:
            if self._held[bulkhead, client] >= self._shares[bulkhead]:
                raise Busy("busy-share", f"This client has {self._shares[bulkhead]} {bulkhead} requests under way, its share.")
            self._held[bulkhead, client] += 1

    def leave(self, bulkhead: Bulkhead, client: str | None) -> None:
        """Give a place back, and the client's count of it."""
        with self._lock:
            self._free[bulkhead] += 1
            if client is not None:
                self._held[bulkhead, client] -= 1
                if not self._held[bulkhead, client]:
                    del self._held[bulkhead, client]


class Place:
    """One request's place, held until it leaves, however often it does."""

    __slots__ = ("_bulkhead", "_bulkheads", "_client", "_left")

    def __init__(self, bulkheads: Bulkheads, bulkhead: Bulkhead) -> None:
        self._bulkheads, self._bulkhead = bulkheads, bulkhead
        self._client: str | None = None
        self._left = False

    def hold_for(self, client: str) -> None:
        """Let it be this client's, once it is known who asks. Raises Busy where that has its share of a shared bulkhead."""
        if self._bulkhead in SHARED:
            self._bulkheads.claim(self._bulkhead, client)
            self._client = client

    def leave(self) -> None:
        """Give it back."""
        if not self._left:
            self._left = True
            self._bulkheads.leave(self._bulkhead, self._client)


def bulkheads_of(settings: Settings) -> Bulkheads:
    """The bulkheads as they are configured."""
    sizes = {
        Bulkhead.SEARCH: settings.searches,
        Bulkhead.FORM: settings.forms,
        Bulkhead.STREAM: settings.streams,
        Bulkhead.UPLOAD: settings.uploads,
    }
    return Bulkheads(sizes)
