"""Jobs: work that is asked for in the transaction that needs it and done after it, by one worker at a time.

A job waits until it is due, runs under a lease that its worker's heartbeats extend, and ends with a sentence. One that waits
stands for every asking of its kind and subject; what is asked for while such a job runs waits for its end, since the running one
may not have seen what it is for. A worker that is lost loses its lease, and the next one begins the job anew.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, or_, select, update

from adapters.sql import tables as t
from adapters.sql.custody import Lease
from adapters.sql.store import insert_of, moment, stamp

_j = t.job.c


class JobState(StrEnum):
    """Where a job stands; the last three are ends."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (JobState.WAITING, JobState.RUNNING)
_ENDS = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job: how often it was begun, how far it is (`done` of `total`, where that is known), and what was said at its end.

    `cancelled`: somebody asked for its end. `at`: when it came into its state.
    """

    id: int
    kind: str
    subject: str
    state: JobState
    due: datetime
    attempts: int
    holder: str | None
    cancelled: bool
    done: int
    total: int | None
    outcome: str
    at: datetime


def _row(r: Any) -> JobRow:
    stands = (JobState(r.state), moment(r.due), r.attempts, r.holder, r.cancelled)
    return JobRow(r.id, r.kind, r.subject, *stands, r.done, r.total, r.outcome, moment(r.at))


# --- asking


_LIKE = and_(_j.kind == bindparam("like_kind"), _j.subject == bindparam("like_subject"), _j.state == JobState.WAITING)
_HASTEN = update(t.job).where(_LIKE, _j.due > bindparam("wanted")).values(due=bindparam("wanted"))
_HOLD = select(_j.id).where(_LIKE).with_for_update(read=True)
_UNBEGUN: dict[str, object] = {"state": JobState.WAITING, "attempts": 0, "cancelled": False, "done": 0, "outcome": ""}


def enqueue(connection: Connection, kind: str, subject: str, now: datetime, due: datetime | None = None) -> None:
    """Have this done after this transaction has been committed, and not before it is `due` (None: at once).

    A job of the same kind and subject that waits already is enough, and is due no later than this one. It is held here, in share
    with others that ask: a worker that began it before this commit would not see what it is asked for.
    """
    like, wanted = {"like_kind": kind, "like_subject": subject}, stamp(due or now)
    while True:
        connection.execute(_HASTEN, like | {"wanted": wanted})
        if connection.execute(_HOLD, like).first():
            return
        values = {"kind": kind, "subject": subject, "due": wanted, "at": stamp(now)} | _UNBEGUN
        added = insert_of(connection)(t.job).values(**values).on_conflict_do_nothing().returning(_j.id)
        if connection.execute(added).first():
            return


# --- running


def is_due(connection: Connection, kind: str, now: datetime) -> bool:
    """Whether a job of this kind may be begun now: a look that writes nothing."""
    return connection.execute(_due(kind, now)).first() is not None


def claim(connection: Connection, kind: str, lease: Lease, now: datetime) -> JobRow | None:
    """The job of this kind that has been due for longest, begun under this lease; None where there is none that is free."""
    key = connection.execute(_due(kind, now).with_for_update(skip_locked=True, of=t.job)).scalar_one_or_none()
    if key is None:
        return None
    values = {"state": JobState.RUNNING, "holder": lease.holder, "lease": stamp(lease.until), "attempts": _j.attempts + 1}
    begun = update(t.job).where(_j.id == key).values(**values, done=0, total=None, at=stamp(now)).returning(t.job)
    return _row(connection.execute(begun).one())


def _due(kind: str, now: datetime) -> Any:
    """The first job that is due, or whose worker was lost; one whose like is running waits for that."""
    other = t.job.alias("other")
    same = and_(other.c.kind == _j.kind, other.c.subject == _j.subject, other.c.state == JobState.RUNNING)
    due = and_(_j.state == JobState.WAITING, _j.due <= stamp(now), ~exists().where(same))
    lost = and_(_j.state == JobState.RUNNING, _j.lease <= stamp(now))
    return select(_j.id).where(_j.kind == kind, or_(due, lost)).order_by(_j.due, _j.id).limit(1)


def _ours(job: JobRow) -> Any:
    """A job as its holder began it: not ended, and not begun again since."""
    return and_(_j.id == job.id, _j.state == JobState.RUNNING, _j.holder == job.holder, _j.attempts == job.attempts)


def beat(connection: Connection, job: JobRow, lease: Lease, done: int, total: int | None) -> JobRow | None:
    """Extend a job's lease and say how far it is; the job as it stands, or None where it is its holder's no more."""
    values = {"lease": stamp(lease.until), "done": done, "total": total}
    row = connection.execute(update(t.job).where(_ours(job)).values(**values).returning(t.job)).one_or_none()
    return None if row is None else _row(row)


def end(connection: Connection, job: JobRow, state: JobState, outcome: str, now: datetime) -> bool:
    """End a job; False, and nothing is changed, where it is its holder's no more. What was said of its like before goes."""
    values = {"state": state, "outcome": outcome, "holder": None, "lease": None, "at": stamp(now)}
    if not connection.execute(update(t.job).where(_ours(job)).values(**values)).rowcount:
        return False
    like = and_(_j.kind == job.kind, _j.subject == job.subject, _j.id != job.id, _j.state.in_(_ENDS))
    connection.execute(delete(t.job).where(like))
    return True


def put_off(connection: Connection, job: JobRow, due: datetime, outcome: str, now: datetime, *, counts: bool = True) -> bool:
    """Let a job wait again, as an attempt or (`counts` false) as if it had not begun; False where it is its holder's no more.

    Raises IntegrityError where one like it waits already.
    """
    values: dict[str, object] = {} if counts else {"attempts": job.attempts - 1}
    values |= {"state": JobState.WAITING, "outcome": outcome, "holder": None, "lease": None, "due": stamp(due), "at": stamp(now)}
    return connection.execute(update(t.job).where(_ours(job)).values(**values)).rowcount == 1


# --- looking


def cancel(connection: Connection, key: int, now: datetime) -> JobRow | None:
    """Ask for a job's end: one that waits ends now, one that runs at its next heartbeat. None where no such job is open."""
    waiting = update(t.job).where(_j.id == key, _j.state == JobState.WAITING)
    ended = waiting.values(state=JobState.CANCELLED, cancelled=True, outcome="Cancelled before it began.", at=stamp(now))
    running = update(t.job).where(_j.id == key, _j.state == JobState.RUNNING).values(cancelled=True)
    for asked in (ended, running):
        if row := connection.execute(asked.returning(t.job)).one_or_none():
            return _row(row)
    return None


def find_open(connection: Connection, kind: str, subject: str) -> int | None:
    """The id of a job of this kind and subject that waits or runs."""
    named = select(_j.id).where(_j.kind == kind, _j.subject == subject, _j.state.in_(OPEN)).order_by(_j.id.desc()).limit(1)
    return connection.execute(named).scalar_one_or_none()


def newest(connection: Connection, limit: int = 100) -> list[JobRow]:
    """The newest jobs, open ones first."""
    rows = select(t.job).order_by(_j.state.in_(_ENDS), _j.id.desc()).limit(limit)
    return [_row(r) for r in connection.execute(rows)]


def ran_since(connection: Connection, kind: str, moment: datetime) -> bool:
    """Whether a job of this kind is open, or ended after this moment."""
    known = or_(_j.state.in_(OPEN), _j.at > stamp(moment))
    return connection.execute(select(_j.id).where(_j.kind == kind, known).limit(1)).first() is not None


def is_open(connection: Connection, kind: str) -> bool:
    """Whether a job of this kind waits or runs."""
    return connection.execute(select(_j.id).where(_j.kind == kind, _j.state.in_(OPEN)).limit(1)).first() is not None


def troubled(connection: Connection, due_before: datetime) -> list[JobRow]:
    """Jobs that failed for good, and those that should have begun before this moment."""
    late = and_(_j.state == JobState.WAITING, _j.due <= stamp(due_before))
    lost = and_(_j.state == JobState.RUNNING, _j.lease <= stamp(due_before))
    rows = select(t.job).where(or_(_j.state == JobState.FAILED, late, lost)).order_by(_j.id)
    return [_row(r) for r in connection.execute(rows)]
