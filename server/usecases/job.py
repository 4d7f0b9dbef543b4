"""Doing jobs: one at a time of a kind, under a lease that a heartbeat extends, until it ends, fails for good or is cancelled."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.sql import jobs
from adapters.sql.custody import Lease
from adapters.sql.jobs import JobRow, JobState
from mappings.failures import Conflict, Failure
from server.settings import Settings
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.job")
BEATS = 4
"""Heartbeats in the time of a lease."""
BACKOFF_SECONDS = (5, 30, 300, 1800)
"""Pauses after the first failure, the second …; the last one from then on."""
SOON = timedelta(days=1)
"""When one with a longer period that has failed comes again."""
OVERDUE = timedelta(minutes=10)


class Stopped(Exception):
    """The job is to end here: it was cancelled, is another worker's by now, or this worker leaves."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of job does: the use case, which returns a sentence, and how often it is begun before it has failed.

    One with a period comes again that much later; one that failed, in a day.
    """

    run: Callable[[Runtime, "Work"], str]
    attempts: int = 5
    period: Callable[[Settings], timedelta] | None = None


class Work:
    """A job under way, as the use case is handed it: what it is about, and where it says how far it is."""

    def __init__(self, job: JobRow, leaving: threading.Event) -> None:
        self.job, self.subject = job, job.subject
        self.done, self.total = 0, job.total
        self.stopped, self.leaving = threading.Event(), leaving

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far it is; raises Stopped where it is to end. Costs nothing: the next heartbeat writes it down."""
        self.done, self.total = done, total
        if self.stopped.is_set() or self.leaving.is_set():
            raise Stopped


def do_next(runtime: Runtime, name: str, kind: Kind, leaving: threading.Event) -> bool:
    """Do the job of this kind that has been due for longest; False where none is. One that is `leaving` puts it back."""
    job = _claim(runtime, name)
    if job is None:
        return False
    runtime.reached("job begun")
    if job.attempts > kind.attempts:
        _end(runtime, job, kind, JobState.FAILED, f"Its worker was lost {kind.attempts} times.")
        return True
    work = Work(job, leaving)
    try:
        with _beating(runtime, work):
            outcome = kind.run(runtime, work)
    except Stopped:
        _stop(runtime, work, kind)
    except Failure as failure:
        _fail(runtime, job, kind, str(failure))
    except Exception:
        log.exception("job failed", extra={"job": job.id, "kind": name})
        _fail(runtime, job, kind, "An error that the log has.")
    else:
        runtime.reached("job done")
        _end(runtime, job, kind, JobState.DONE, outcome)
    return True


def _claim(runtime: Runtime, name: str) -> JobRow | None:
    with runtime.store.read() as connection:
        if not jobs.is_due(connection, name, runtime.clock()):
            return None
    with runtime.store.write() as connection:
        return jobs.claim(connection, name, _lease(runtime), runtime.clock())


def _lease(runtime: Runtime) -> Lease:
    return Lease(runtime.holder, runtime.clock() + timedelta(seconds=runtime.settings.lease_seconds))


@contextmanager
def _beating(runtime: Runtime, work: Work) -> Iterator[None]:
    """A heart that beats until the block ends."""
    ended, pause = threading.Event(), runtime.settings.lease_seconds / BEATS

    def live() -> None:
        while not ended.wait(pause):
            beat(runtime, work)

    heart = threading.Thread(target=live, name=f"heart of job {work.job.id}", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()


def beat(runtime: Runtime, work: Work) -> None:
    """Extend the lease and write down how far the work is; tell it to end where it was cancelled or is another's."""
    try:
        with runtime.store.write(durable=False) as connection:
            job = jobs.beat(connection, work.job, _lease(runtime), work.done, work.total)
    except Failure:  # the database does not answer: the next beat may reach it before the lease ends
        log.warning("no heartbeat", extra={"job": work.job.id})
        return
    if job is None or job.cancelled:
        work.stopped.set()


@contextmanager
def result(runtime: Runtime, work: Work) -> Iterator[Connection]:
    """A transaction for what the work came to; raises Stopped, and keeps nothing, where the job is another's by now."""
    with runtime.store.write() as connection:
        if jobs.beat(connection, work.job, _lease(runtime), work.done, work.total) is None:
            work.stopped.set()
            raise Stopped
        yield connection


def _end(runtime: Runtime, job: JobRow, kind: Kind, state: JobState, outcome: str) -> None:
    now = runtime.clock()
    with runtime.store.write() as connection:
        ended = jobs.end(connection, job, state, outcome, now)
        if ended and kind.period is not None:
            later = kind.period(runtime.settings)
            jobs.enqueue(connection, job.kind, job.subject, now, now + (min(later, SOON) if state is JobState.FAILED else later))
    told = {"job": job.id, "kind": job.kind, "subject": job.subject, "state": str(state), "outcome": outcome}
    log.info("job", extra=told | {"ours": ended})


def _stop(runtime: Runtime, work: Work, kind: Kind) -> None:
    if work.stopped.is_set():
        _end(runtime, work.job, kind, JobState.CANCELLED, "Cancelled.")
    else:
        _wait(runtime, work.job, kind, 0, "Its worker was stopped.", counts=False)


def _fail(runtime: Runtime, job: JobRow, kind: Kind, why: str) -> None:
    """Let it be tried again, unless it was often enough or one like it waits, which will do the same."""
    if job.attempts >= kind.attempts:
        _end(runtime, job, kind, JobState.FAILED, why)
    else:
        _wait(runtime, job, kind, BACKOFF_SECONDS[min(job.attempts, len(BACKOFF_SECONDS)) - 1], why)


def _wait(runtime: Runtime, job: JobRow, kind: Kind, seconds: int, why: str, *, counts: bool = True) -> None:
    now = runtime.clock()
    try:
        with runtime.store.write() as connection:
            jobs.put_off(connection, job, now + timedelta(seconds=seconds), why, now, counts=counts)
    except IntegrityError:
        _end(runtime, job, kind, JobState.FAILED, why)


# --- the operator's


def list_jobs(runtime: Runtime) -> list[JobRow]:
    """The newest hundred jobs, open ones first."""
    with runtime.store.read() as connection:
        return jobs.newest(connection)


def cancel_job(runtime: Runtime, key: int) -> JobRow:
    """End a job that waits, and ask a running one to end. Raises Conflict where it is not open."""
    with runtime.store.write() as connection:
        job = jobs.cancel(connection, key, runtime.clock())
    if job is None:
        raise Conflict("job-ended", f"No job {key} waits or runs.", "job")
    return job


def find_troubles(runtime: Runtime) -> list[str]:
    """The jobs that failed or are overdue, in sentences for the operator."""
    with runtime.store.read() as connection:
        rows = jobs.troubled(connection, runtime.clock() - OVERDUE)
    return [_trouble(row) for row in rows]


def _trouble(row: JobRow) -> str:
    named = f"Job {row.id} ({row.kind} {row.subject})"
    if row.state is JobState.FAILED:
        return f"{named} failed: {row.outcome}"
    return f"{named} is overdue since {row.due:%Y-%m-%d %H:%M} UTC: is a worker running?"
