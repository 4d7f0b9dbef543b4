"""How each node is, for who may not wait for it: asked in a thread of its own, which is waited for briefly."""

import threading
import time
from collections.abc import Callable

from adapters.nodes.port import Health, silent

BRIEF_SECONDS = 0.2
FRESH_SECONDS = 1.0


class Watch:
    """The last question to each node and its answer. One question to a node at a time, however long it hangs; of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, _Question] = {}
        self._lock = threading.Lock()

    def look(self, node: str, ask: Callable[[], Health]) -> Health:
        """How the node of this name is, by a question at most `FRESH_SECONDS` old; `ask` makes a new one.

        One that is not answered within `BRIEF_SECONDS` says that the node does not answer, until it is.
        """
        with self._lock:
            now, question = self._clock(), self._last.get(node)
            if question is None or (question.answered.is_set() and now - question.began >= FRESH_SECONDS):
                question = self._last[node] = _Question(node, now, ask)
        question.answered.wait(max(0.0, question.began + BRIEF_SECONDS - now))
        return question.health


class _Question:
    """A question under way, then its answer."""

    def __init__(self, node: str, began: float, ask: Callable[[], Health]) -> None:
        self.began, self.answered = began, threading.Event()
        self.health = Health(ok=False, sentence=silent(node).sentence, version="")
        threading.Thread(target=self._put, args=(ask,), name=f"watch {node}", daemon=True).start()

    def _put(self, ask: Callable[[], Health]) -> None:
        try:
            self.health = ask()
        finally:
            self.answered.set()
