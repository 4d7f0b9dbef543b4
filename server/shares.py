"""Places divided among those who ask for them, so that a few can't shut the others out, however much they ask for."""

import threading
from collections import Counter


def share(free: int, part: int) -> int:
    """How many places one holder may have while so many are free."""
    return max(1, free // part)


class Shares:
    """So many places, of which a holder may have one for each `part` that are free, and one while any is.

    One alone comes to have a third (of parts of two) or a fifth (of four); of fifty who come in turns, each comes to have a
    few, and some stay free for the next; two dozen, each of whom takes all it gets before the next, leave none. The last
    `reserved` places are only for who is known.
    """

    def __init__(self, places: int, part: int = 2, *, reserved: int = 0) -> None:
        self._places, self._free, self._part, self._reserved = places, places, part, reserved
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, holder: str, *, known: bool = True) -> bool:
        """Take a place for this holder, where it may have one."""
        with self._lock:
            free = self._free if known else self._free - self._reserved
            if free < 1 or self._held[holder] >= share(free, self._part):
                return False
            self._free -= 1
            self._held[holder] += 1
            return True

    def give(self, holder: str) -> None:
        """Give one of this holder's places back."""
        with self._lock:
            self._free += 1
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]

    @property
    def scarce(self) -> bool:
        """Whether less than a quarter is free."""
        return self._free * 4 < self._places
