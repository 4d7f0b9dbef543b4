"""The worker: chores, each in a thread of its own and at its own pace, none of which stops the others when it fails or hangs."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from mappings.failures import Failure
from server.usecases import document, ledger, reconcile
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.worker")
BACKOFF = 5.0


@dataclass(slots=True)
class Chore:
    """Something to do again every `seconds`."""

    name: str
    seconds: float
    run: Callable[[Runtime], int]


def chores() -> list[Chore]:
    """What there is to do."""
    return [
        Chore("sequence", 0.5, ledger.sequence),
        Chore("rebuild", 0.5, document.rebuild),
        Chore("recover", 1, reconcile.recover),
        Chore("purge", 1, reconcile.purge),
        Chore("checkpoint", 2, ledger.checkpoint),
        Chore("windows", 5, ledger.close_windows),
        Chore("quiet", 5, reconcile.close_quiet),
    ]


def run(runtime: Runtime, stopping: threading.Event) -> None:
    """Work until told to stop; then order what waits once more. A chore whose node hangs keeps nobody but itself waiting."""
    for chore in chores():
        threading.Thread(target=_repeat, args=(runtime, chore, stopping), name=chore.name, daemon=True).start()
    stopping.wait()
    _do(runtime, chores()[0])


def _repeat(runtime: Runtime, chore: Chore, stopping: threading.Event) -> None:
    pause = 0.0
    while not stopping.wait(pause):
        pause = _do(runtime, chore)


def _do(runtime: Runtime, chore: Chore) -> float:
    try:
        done = chore.run(runtime)
    except Failure as failure:
        log.error("chore failed", extra={"chore": chore.name, "code": failure.code, "said": str(failure)})  # noqa: TRY400 - typed
        return BACKOFF
    except Exception:
        log.exception("chore failed", extra={"chore": chore.name})
        return BACKOFF
    if done and chore.name not in ("checkpoint", "sequence"):
        log.info("chore", extra={"chore": chore.name, "done": done})
    return chore.seconds
