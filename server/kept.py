"""What was made at some cost, kept by what it was made of, so that whoever asks for the same again need not wait for it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Kept:
    """The results that were asked for last, so many bytes in all; one is made outside of the lock, and may be made twice."""

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._results: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def result(self, of: Hashable, make: Callable[[], bytes]) -> bytes:
        """What was made `of` this before, or is made now; what `make` raises is not kept."""
        with self._lock:
            if of in self._results:
                self._results.move_to_end(of)
                return self._results[of]
        made = make()
        with self._lock:
            self._bytes += len(made) - len(self._results.pop(of, b""))
            self._results[of] = made
            while self._bytes > self._most:
                self._bytes -= len(self._results.popitem(last=False)[1])
        return made
