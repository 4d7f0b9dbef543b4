"""Putting right what a crash, a lost node or a quiet sender left behind: expired claims, bytes to delete, batches to close."""

import logging
from collections.abc import Iterable
from datetime import timedelta

from adapters.nodes.port import SILENT
from adapters.sql import batches, custody, index, node_syncs, part_digests
from adapters.sql.custody import CustodyRow, Lease
from consent.custody import PURGES, Move
from consent.deposit import Outcome, Verdict
from consent.subject import Role, Subject
from mappings.dicom.part10 import Unreadable
from mappings.failures import Conflict, Failure, NotFound
from server.usecases import receipts
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.keep import Changed, abandon, give_up, settle, target_node
from server.usecases.parse import ParsedFile, parse_file
from server.usecases.read_back import node_of, read_back
from server.usecases.receipts import JudgedFile
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.reconcile")


def recover(runtime: Runtime) -> int:
    """Resolve claims whose lease has ended: what the node holds is settled, what it lacks is forgotten. Returns how many."""
    with runtime.store.read() as connection:
        expired = custody.expired(connection, runtime.clock())
    silent: set[tuple[int, bool]] = set()
    return sum(_resolve(runtime, row, silent) for row in expired)


def _resolve(runtime: Runtime, row: CustodyRow, silent: set[tuple[int, bool]]) -> bool:
    """One claim that can't be resolved must not keep the worker from the others."""
    try:
        return _recover(runtime, row, silent)
    except Failure:
        log.exception("claim not resolved", extra={"custody": row.id})
        return False


def _recover(runtime: Runtime, row: CustodyRow, silent: set[tuple[int, bool]]) -> bool:
    """Resolve one claim, unless its node (or the quarantine) has been silent in this round."""
    if (row.node, row.quarantined) in silent:
        return False
    lease = custody.lease_for(runtime.holder, row.instance.size, runtime.clock(), runtime.settings.lease_seconds)
    with runtime.store.write(durable=False) as connection:
        if not custody.take_over(connection, row, lease, row.batch, row.name):
            return False
    try:
        parsed = parse_file(row.name, read_back(runtime, row.copy), runtime.placeholders)
    except NotFound:
        _forget(runtime, row.id)
        return True
    except (Failure, Unreadable) as why:
        log.warning("claim not resolved", extra={"custody": row.id, "why": str(why)})
        if isinstance(why, Failure) and why.code == SILENT:
            silent.add((row.node, row.quarantined))
        give_up(runtime, row.id)  # the node does not answer, or gave other bytes: asked again in the next round
        return False
    try:
        _settle(runtime, row, parsed)
    except (Changed, index.StudyElsewhere):  # it may not be kept any more
        abandon(runtime, row.id)
    return True


def _settle(runtime: Runtime, row: CustodyRow, parsed: ParsedFile) -> None:
    """Settle a claim that a crash left behind, in its batch, or in one of its own where that is closed by now.

    Raises Changed and `index.StudyElsewhere` where it may not be kept.
    """
    batch, opened = _batch(runtime, row)
    try:
        _settle_in(runtime, batch, parsed, row)
    except Conflict:  # it was closed since it was looked at, and says so for ever
        batch, opened = _batch(runtime, row)
        _settle_in(runtime, batch, parsed, row)
    finally:
        if opened:
            close_batch(runtime, batch.id)


def _settle_in(runtime: Runtime, batch: Batch, parsed: ParsedFile, row: CustodyRow) -> None:
    """Settle a claim where its bytes were bound for. Raises Conflict where its batch is closed, and as `_settle`."""
    outcome = Outcome.REVIEW if row.quarantined else Outcome.PASS
    judged = JudgedFile(batch, parsed, Verdict(outcome, row.rule, parsed.seen.findings, ()))
    target = target_node(runtime, judged)
    with runtime.store.write() as connection:
        settle(runtime, connection, row.id, judged, target)
        if not batches.has_receipt(connection, row.batch, row.instance.sop_uid, outcome):
            receipts.write(runtime, connection, judged)


def _forget(runtime: Runtime, claim: int) -> None:
    """Drop our claim: nothing of the object is kept."""
    with runtime.store.write(durable=False) as connection:
        custody.move(connection, Move.FORGET, claim, runtime.clock(), holder=runtime.holder)


def _batch(runtime: Runtime, claim: CustodyRow) -> tuple[Batch, bool]:
    """The claim's own batch while it is open, else one of the door 'recovery'."""
    with runtime.store.read() as connection:
        row = batches.by_id(connection, claim.batch)
    if row is None:
        raise AssertionError("a claim without its batch")
    origin = Origin("recovery", Subject(row.subject, Role.SENDER, row.provider), row.dataset, row.alias, "", "", "", row.attested)
    if row.closed is None:
        return Batch(row.id, row.key, origin), False
    return open_batch(runtime, origin), True


def purge(runtime: Runtime) -> int:
    """Delete the bytes of what was withdrawn, refused or superseded; a node that does not answer is asked again later."""
    with runtime.store.read() as connection:
        rows = custody.awaiting_deletion(connection, runtime.clock())
    return delete_all(runtime, rows)


def delete_all(runtime: Runtime, rows: Iterable[CustodyRow]) -> int:
    """Delete the bytes of these objects, those that are due; a node that does not answer is not asked again here."""
    silent: set[tuple[int, bool]] = set()
    return sum(_purge(runtime, row, silent) for row in rows)


def _purge(runtime: Runtime, row: CustodyRow, silent: set[tuple[int, bool]]) -> bool:
    """Delete one object's bytes, unless its node has been silent in this round."""
    if (row.node, row.quarantined) in silent:
        return False
    now = runtime.clock()
    with runtime.store.write() as connection:
        custody.lock_study(connection, row.instance.study_uid)
        shared = custody.place_in_use(connection, row)
        theirs = not row.quarantined and node_syncs.is_nodes_own(connection, row.batch)
        lease = Lease(runtime.holder, now + timedelta(seconds=runtime.settings.lease_seconds))
        if not custody.begin_deletion(connection, row, lease, now):
            return False
    try:
        if not (shared or theirs):  # the same bytes have come again and rest there, or lay there before
            node_of(runtime, row).delete(row.place)
    except Failure:
        silent.add((row.node, row.quarantined))
        return False
    with runtime.store.write() as connection:
        part_digests.forget(connection, row.id)
        return custody.move(connection, PURGES[row.state], row.id, runtime.clock(), holder=runtime.holder)


def close_quiet(runtime: Runtime) -> int:
    """Close open batches that nothing has touched for the configured time."""
    now, pause = runtime.clock(), timedelta(seconds=runtime.settings.quiet_seconds)
    with runtime.store.read() as connection:
        quiet = batches.quiet(connection, now - pause, now + pause)
    for batch in quiet:
        close_batch(runtime, batch)
    return len(quiet)
