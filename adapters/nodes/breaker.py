"""A circuit breaker round a node: one that keeps callers waiting in vain is left alone for a while, then tried by one of them.

It stands round any node. A folder on a disk that hangs is a node that hangs too, but no thread can be called back from it: there
only the share of a process's places that one node may hold (`server/web/bulkheads.py`) keeps the rest of the process at work.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Self, cast

from adapters.nodes.port import MOST_PLACES, SILENT, Changes, Health, Node, NodeFile, endless, silent
from mappings.failures import Failure

FAILURES = 3
"""Calls in a row that the node did not answer, after which it is left alone."""
REST_SECONDS = 5.0


class BreakerNode:
    """`Node` round `node`: while it rests every call raises Unavailable at once, but for one at a time after `REST_SECONDS`.

    Only silence counts: what a node refuses or answers wrongly costs nobody time. Of this process alone.
    """

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = node.name
        self._node, self._clock = node, clock
        self._failures, self._rests_until, self._tried = 0, 0.0, False
        self._lock = threading.Lock()

    def store(self, file: NodeFile, content: memoryview) -> str:
        """See `Node.store`."""
        with self._guarded():
            return self._node.store(file, content)

    def place_of(self, file: NodeFile) -> str:
        """See `Node.place_of`."""
        return self._node.place_of(file)

    def open(self, place: str, size: int | None, start: int = 0, length: int | None = None) -> BinaryIO:
        """See `Node.open`. What is silent between its bytes is silent too; an answer that has begun is no answer yet."""
        with self._guarded(answered=False):
            return cast("BinaryIO", _Heard(self._node.open(place, size, start, length), self._count))

    def frame(self, place: str, number: int, length: int) -> bytes | None:
        """See `Node.frame`."""
        with self._guarded():
            return self._node.frame(place, number, length)

    def size(self, place: str) -> int | None:
        """See `Node.size`."""
        with self._guarded():
            return self._node.size(place)

    def delete(self, place: str) -> None:
        """See `Node.delete`."""
        with self._guarded():
            self._node.delete(place)

    def places(self) -> Iterator[str]:
        """See `Node.places`."""
        with self._guarded():
            for count, place in enumerate(self._node.places(), 1):
                if count > MOST_PLACES:
                    raise endless(self.name)
                yield place

    def changes(self, since: int | None) -> Changes | None:
        """See `Node.changes`."""
        with self._guarded():
            return self._node.changes(since)

    def check(self) -> Health:
        """See `Node.check`. Asks a resting node too: it is quick, and after its yes the next call is let through."""
        health = self._node.check()
        if health.ok:
            self._rests_until = 0.0  # not more: one that tells its version may still keep every object waiting
        return health

    def adopt(self, sample: Sequence[tuple[str, int]]) -> bool:
        """See `Node.adopt`."""
        return self._node.adopt(sample)

    def probe(self) -> list[str]:
        """See `Node.probe`."""
        with self._guarded():
            return self._node.probe()

    @contextmanager
    def _guarded(self, *, answered: bool = True) -> Iterator[None]:
        """Refuse a call while the node rests, and keep what became of one that is let through, if it is `answered` by its end."""
        tries = self._enter()
        try:
            yield
        except Failure as failure:
            self._count(waited_in_vain=failure.code == SILENT)
            raise
        else:
            if answered:
                self._count(waited_in_vain=False)
        finally:
            if tries:
                self._tried = False

    def _enter(self) -> bool:
        """Whether this call is the one that tries a node that has rested. Raises Unavailable while it rests, or another tries."""
        with self._lock:
            if self._failures < FAILURES:
                return False
            if self._tried or self._clock() < self._rests_until:
                raise silent(self.name)
            self._tried = True
            return True

    def _count(self, *, waited_in_vain: bool) -> None:
        with self._lock:
            self._failures = self._failures + 1 if waited_in_vain else 0
            self._rests_until = self._clock() + REST_SECONDS


class _Heard:
    """A node's bytes, of which `count` is told once: that their reader waited in vain, or at the end that they came."""

    def __init__(self, source: BinaryIO, count: Callable[..., None]) -> None:
        self._source, self._count, self._told = source, count, False

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, b"" at the end. Raises as `source`."""
        try:
            content = self._source.read(size)
        except Failure as failure:
            self._tell(waited_in_vain=failure.code == SILENT)
            raise
        return content

    def close(self) -> None:
        """Close `source`."""
        self._source.close()
        self._tell(waited_in_vain=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()

    def _tell(self, *, waited_in_vain: bool) -> None:
        if not self._told:
            self._told = True
            self._count(waited_in_vain=waited_in_vain)
