"""The worker: chores and kinds of jobs, each in a thread of its own and at its own pace, none of which stops the others.

A chore is a state of rows that exist anyway (a lease that ended, a study that changed); a job is a row of its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mappings.failures import Failure
from server.usecases import (
    describe,
    document,
    export,
    ledger,
    peer_query,
    reconcile,
    reindex,
    remind,
    sights,
    tell_traces,
    worker,
)
from server.usecases.runtime import Runtime
from server.worker.jobs import KINDS, work_off

log = logging.getLogger("accord.worker")
BACKOFF = 5.0
LEAVE_SECONDS = 5
"""What a job under way is given to put itself back when the worker is stopped."""


@dataclass(slots=True)
class Chore:
    """Something to do again every `seconds`."""

    name: str
    seconds: float
    run: Callable[[Runtime], int]


def chores() -> list[Chore]:
    """What there is to do by the state of rows."""
    return [
        Chore("sequence", 0.5, ledger.sequence),
        Chore("beat", worker.BEAT_SECONDS, worker.beat),
        Chore("rebuild", 0.5, document.rebuild),
        Chore("sights", 20, sights.renew),
        Chore("recover", 1, reconcile.recover),
        Chore("purge", 1, reconcile.purge),
        Chore("checkpoint", 2, ledger.checkpoint),
        Chore("windows", 5, ledger.close_windows),
        Chore("quiet", 5, reconcile.close_quiet),
        Chore("describe", 2, describe.ask_missing),
        Chore("exports", 5, export.remove_over),
        Chore("remind", 3600, remind.remind),
        Chore("peers", 60, peer_query.forget_old),
        Chore("traces", 5, tell_traces.ask),
        Chore("reindex", 3600, reindex.ask_missing),
    ]


def jobs(leaving: threading.Event) -> list[Chore]:
    """A chore for each kind of job: to do what is due of it."""
    return [Chore(f"job {name}", 0.5, partial(work_off, name=name, kind=kind, leaving=leaving)) for name, kind in KINDS.items()]


def run(runtime: Runtime, stopping: threading.Event) -> None:
    """Work until told to stop; then order what waits once more. A chore whose node hangs keeps nobody but itself waiting."""
    _start(runtime, chores(), stopping)
    working = _start(runtime, jobs(stopping), stopping)
    stopping.wait()
    _do(runtime, chores()[0])
    until = time.monotonic() + LEAVE_SECONDS
    for thread in working:
        thread.join(max(0, until - time.monotonic()))


def _start(runtime: Runtime, repeated: list[Chore], stopping: threading.Event) -> list[threading.Thread]:
    threads = [threading.Thread(target=_repeat, args=(runtime, c, stopping), name=c.name, daemon=True) for c in repeated]
    for thread in threads:
        thread.start()
    return threads


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
