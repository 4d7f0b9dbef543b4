"""Purging what was withdrawn, when its grace is over: a job for each study, whose receipt names its files and who took them."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import custody, jobs, stops
from adapters.sql.custody import CustodyRow
from adapters.sql.ledger import record
from adapters.sql.stops import Receipt
from adapters.sql.store import stamp
from consent.entries import StudyHastened, StudyPurged
from consent.person import Actor, sees
from mappings.failures import NotFound, Unavailable
from server.usecases.dataset import require_dataset
from server.usecases.job import Work, result
from server.usecases.reconcile import delete_all
from server.usecases.runtime import Runtime
from server.usecases.withdraw import PURGE

ATTEMPTS = 1000
"""A node may be down for weeks: an attempt each half an hour."""
FILES = 400
"""Files that one entry names."""
TAKERS = 200
"""Takers that a receipt names."""
WORKER = "worker"


def purge(runtime: Runtime, work: Work) -> str:
    """Delete what is due of a study's bytes, and write the receipt. Raises Unavailable while a node does not answer."""
    study, now = work.subject, runtime.clock()
    with runtime.store.read() as connection:
        rows = custody.withdrawn(connection, study)
    delete_all(runtime, rows)
    with runtime.store.read() as connection:
        left = [row for row in custody.withdrawn(connection, study) if _is_due(row, now)]
    if left:
        raise Unavailable("purge-waits", f"{len(left)} objects rest on their node yet, which is asked again.")
    with result(runtime, work) as connection:
        purged = custody.unreceipted(connection, study)
        if purged:
            _write_receipt(runtime, connection, study, purged)
            custody.end_grace(connection, purged)
    return f"{len(purged)} objects purged"


def read_receipts(runtime: Runtime, actor: Actor, study_uid: str) -> list[Receipt]:
    """What the record keeps of a study's purge, for its provider and for who reads all. Raises NotFound."""
    with runtime.store.read() as connection:
        receipts = stops.read_receipts(connection, study_uid)
        owners = {facts.alias: facts.provider for facts in runtime.governance.current(connection).facts}
    if not receipts or not sees(actor, owners[receipts[-1].dataset]):
        raise NotFound("receipt-unknown", "Nothing of this study was purged, or it was none of yours.", "study")
    return receipts


def _is_due(row: CustodyRow, now: datetime) -> bool:
    return row.kept_until is None or row.kept_until <= stamp(now)


def _write_receipt(runtime: Runtime, connection: Connection, study: str, purged: list[CustodyRow]) -> None:
    facts = runtime.governance.current(connection).dataset(purged[0].dataset)
    _, about = require_dataset(connection, facts.alias)
    takers, taken = stops.who_took(connection, study, TAKERS)
    kept = sum(custody.place_in_use(connection, row) for row in purged)
    parts = list(_parts(purged))
    for number, files in enumerate(parts, 1):
        named = {"study": study, "dataset": facts.alias, "files": files, "kept": kept}
        entry = StudyPurged(**named, takers=tuple(takers), taken=taken, part=number, parts=len(parts))  # type: ignore[arg-type]
        record(connection, entry, runtime.clock(), WORKER, about)


def _parts(purged: list[CustodyRow]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(purged), FILES):
        yield tuple(row.instance.file_digest.hex() for row in purged[start : start + FILES])


def hasten(runtime: Runtime, connection: Connection, actor: str, study_uid: str, reason: str | None) -> int:
    """End the grace of a withdrawn study now, in the caller's transaction; returns objects. Raises NotFound."""
    now = runtime.clock()
    rows = custody.withdrawn(connection, study_uid)
    if not rows:
        raise NotFound("study-unknown", "No object of this study is withdrawn and not yet purged.", "study")
    custody.lock_study(connection, study_uid)
    custody.keep_until(connection, study_uid, now)
    jobs.enqueue(connection, PURGE, study_uid, now)
    alias = runtime.governance.current(connection).dataset(rows[0].dataset).alias
    entry = StudyHastened(study=study_uid, dataset=alias, objects=len(rows), reason=reason)
    record(connection, entry, now, actor, require_dataset(connection, alias)[1])
    return len(rows)
