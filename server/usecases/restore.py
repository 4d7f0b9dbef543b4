"""Undoing a withdrawal within its grace, for whoever withdrew: what was held is held again, from the very bytes that were kept.

The act lifts the block and keeps the bytes; a job then settles each object as any deposit, in one transaction: until that is
committed the object is withdrawn as before.
"""

from datetime import timedelta

from sqlalchemy import Connection

from adapters.sql import batches, blocks, custody, jobs, stops
from adapters.sql.custody import CustodyRow, Lease
from adapters.sql.ledger import record
from adapters.sql.store import stamp
from consent.agreement import Side
from consent.custody import Move
from consent.deposit import Outcome, Verdict
from consent.entries import StudyRestored
from consent.stop import Cause
from consent.subject import Role, Subject
from mappings.failures import Conflict, Forbidden, NotFound, Unavailable
from mappings.study import study_key
from server.usecases.admission import find_stop
from server.usecases.batch import Batch, Origin
from server.usecases.dataset import require_dataset
from server.usecases.job import Work
from server.usecases.keep import Changed, settle, target_node
from server.usecases.naming import check_reason
from server.usecases.parse import parse_file
from server.usecases.read_back import read_back
from server.usecases.receipts import JudgedFile
from server.usecases.runtime import Caller, Runtime
from server.usecases.withdraw import allowed, check_role

KIND = "restore"
ATTEMPTS = 1000
MEANWHILE = timedelta(days=365)
"""How long the bytes of what comes back are kept at least: its agreement may be stopped, or its node down."""


def restore_study(runtime: Runtime, actor: str, study_uid: str, caller: Caller | None = None, reason: str | None = None) -> int:
    """Undo a study's withdrawal, as the operator (None) or this caller; returns the objects that come back.

    Raises NotFound, Forbidden where the other side withdrew it, Conflict where its grace is over.
    """
    why, now = check_reason(reason), runtime.clock()
    check_role(caller)
    with runtime.store.write() as connection:
        custody.lock_study(connection, study_uid)
        rows = custody.withdrawn(connection, study_uid)
        facts = allowed(runtime, connection, rows[0].dataset, caller) if rows else None
        if facts is None:
            raise NotFound("study-unknown", "No object of this study is withdrawn, or none of yours.", "study")
        _check_side(connection, study_uid, caller)
        if not all(row.kept_until is not None and row.kept_until > stamp(now) for row in rows):
            raise Conflict("grace-over", "The grace of this withdrawal is over, and its bytes go.", "study")
        blocks.lift(connection, study_uid, now)
        custody.keep_until(connection, study_uid, now + MEANWHILE)
        jobs.enqueue(connection, KIND, study_uid, now)
        entry = StudyRestored(study=study_uid, dataset=facts.alias, objects=len(rows), reason=why)
        record(connection, entry, now, actor, require_dataset(connection, facts.alias)[1])
    return len(rows)


def _check_side(connection: Connection, study_uid: str, caller: Caller | None) -> None:
    """A provider does not undo what the repository stopped; what a provider asked for, an operator may have done for it."""
    buried = stops.find_withdrawn(connection, study_key(study_uid))
    if caller is not None and buried is not None and buried.stop.cause is Cause.REPOSITORY:
        raise Forbidden("not-own-stop", f"Who withdrew this undoes it: the {Side.REPOSITORY}.")


def restore(runtime: Runtime, work: Work) -> str:
    """Settle what comes back of a study. Raises Unavailable while its dataset takes nothing or its node does not answer."""
    with runtime.store.read() as connection:
        rows = custody.withdrawn(connection, work.subject)
    for done, row in enumerate(rows):
        work.progress(done, len(rows))
        _restore(runtime, row)
    return f"{len(rows)} objects are back"


def _restore(runtime: Runtime, row: CustodyRow) -> None:
    parsed = parse_file(row.name, read_back(runtime, row.copy), runtime.placeholders)
    batch = _batch(runtime, row)
    outcome = Outcome.REVIEW if row.quarantined else Outcome.PASS
    judged = JudgedFile(batch, parsed, Verdict(outcome, row.rule, parsed.seen.findings, ()))
    target = target_node(runtime, judged)
    try:
        with runtime.store.write() as connection:
            custody.lock_study(connection, row.instance.study_uid)
            _claim(runtime, connection, row, batch.origin)
            settle(runtime, connection, row.id, judged, target)
            custody.end_grace(connection, [row])
    except Changed:
        raise Unavailable("restore-waits", "Somebody else has decided about this object meanwhile.") from None


def _claim(runtime: Runtime, connection: Connection, row: CustodyRow, origin: Origin) -> None:
    """Take an object back into care, on its way to where it was. Raises Changed, and Unavailable where it may not go there."""
    if find_stop(runtime, connection, origin):
        raise Unavailable("restore-waits", "The dataset takes nothing now: its agreement or node is stopped.")
    now = runtime.clock()
    lease = Lease(runtime.holder, now + timedelta(seconds=runtime.settings.lease_seconds))
    if not custody.move(connection, Move.RESTORE, row.id, now, lease=lease):
        raise Changed


def _batch(runtime: Runtime, row: CustodyRow) -> Batch:
    """The batch in which it came, as far as settling it needs that."""
    with runtime.store.read() as connection:
        came = batches.by_id(connection, row.batch)
    if came is None:
        raise AssertionError("an object without its batch")
    subject = Subject(came.subject, Role.SENDER, came.provider)
    return Batch(came.id, came.key, Origin("recovery", subject, came.dataset, came.alias, "", "", "", came.attested))
