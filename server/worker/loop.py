"""The worker: one loop of chores, each at its own pace, none of which stops the others when it fails."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from server.usecases import document, reconcile, seal
from server.usecases.hall import Hall

log = logging.getLogger("accord.worker")
TICK = 0.25
BACKOFF = 5.0


@dataclass(slots=True)
class Chore:
    """Something to do again every `seconds`; `due` is when next, on the monotonic clock."""

    name: str
    seconds: float
    run: Callable[[Hall], int]
    due: float = field(default=0.0)


def chores() -> list[Chore]:
    """What there is to do."""
    return [
        Chore("order", 0.5, seal.order),
        Chore("rebuild", 0.5, document.rebuild),
        Chore("recover", 1, reconcile.recover),
        Chore("purge", 1, reconcile.purge),
        Chore("root", 2, seal.keep_root),
        Chore("windows", 5, seal.close_windows),
        Chore("quiet", 5, reconcile.close_quiet),
    ]


def run(hall: Hall, stopping: threading.Event) -> None:
    """Work until told to stop; then order what waits and keep the root once more."""
    todo = chores()
    while not stopping.wait(TICK):
        for chore in todo:
            if chore.due <= time.monotonic():
                chore.due = time.monotonic() + _do(hall, chore)
    _do(hall, todo[0])


def _do(hall: Hall, chore: Chore) -> float:
    try:
        done = chore.run(hall)
    except Exception:
        log.exception("chore failed", extra={"chore": chore.name})
        return BACKOFF
    if done and chore.name not in ("root", "order"):
        log.info("chore", extra={"chore": chore.name, "done": done})
    return chore.seconds
