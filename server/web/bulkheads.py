"""Bulkheads: the threads of a process divided, so that stalled readers and senders never slow a search."""

import threading
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


class Bulkheads:
    """Counted semaphores, one for each kind."""

    def __init__(self, sizes: dict[Bulkhead, int]) -> None:
        self._places = {bulkhead: threading.BoundedSemaphore(size) for bulkhead, size in sizes.items()}

    def enter(self, bulkhead: Bulkhead) -> None:
        """Take a place or raise Busy at once: a request that waits would hold a thread of its own."""
        if not self._places[bulkhead].acquire(blocking=False):
            raise Busy("busy", f"All places for {bulkhead} requests are taken; try again in a few seconds.")

    def leave(self, bulkhead: Bulkhead) -> None:
        """Give the place back."""
        self._places[bulkhead].release()


def bulkheads_of(settings: Settings) -> Bulkheads:
    """The bulkheads as they are configured."""
    sizes = {
        Bulkhead.SEARCH: settings.searches,
        Bulkhead.FORM: settings.forms,
        Bulkhead.STREAM: settings.streams,
        Bulkhead.UPLOAD: settings.uploads,
    }
    return Bulkheads(sizes)
