"""Putting right what a crash, a lost node or a quiet sender left behind: expired claims, bytes to delete, batches to close."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from adapters.sql import batches, custody, index
from adapters.sql.custody import CustodyRow, Lease
from consent.custody import PURGES, Move
from consent.deposit import Outcome, Verdict
from consent.subject import Role, Subject
from mappings.dicom.part10 import Unreadable
from mappings.failures import Conflict, Failure, NotFound
from server.usecases import receipts
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.hall import Hall
from server.usecases.keep import Changed, abandon, give_up, settle, target_node
from server.usecases.parse import ParsedFile, parse_file
from server.usecases.read_back import node_of, read_back
from server.usecases.receipts import JudgedFile

log = logging.getLogger("accord.reconcile")


def recover(hall: Hall) -> int:
    """Resolve claims whose lease has ended: what the node holds is settled, what it lacks is forgotten. Returns how many."""
    with hall.store.read() as connection:
        expired = custody.expired(connection, hall.clock())
    silent: set[tuple[int, bool]] = set()
    return sum(_resolve(hall, row, silent) for row in expired)


def _resolve(hall: Hall, row: CustodyRow, silent: set[tuple[int, bool]]) -> bool:
    """One claim that can't be resolved must not keep the worker from the others."""
    try:
        return _recover(hall, row, silent)
    except Failure:
        log.exception("claim not resolved", extra={"custody": row.id})
        return False


def _recover(hall: Hall, row: CustodyRow, silent: set[tuple[int, bool]]) -> bool:
    """Resolve one claim, unless its node (or the quarantine) has been silent in this round."""
    if (row.node, row.quarantined) in silent:
        return False
    lease = custody.lease_for(hall.holder, row.instance.size, hall.clock(), hall.settings.lease_seconds)
    with hall.store.write(durable=False) as connection:
        if not custody.take_over(connection, row, lease, row.batch, row.name):
            return False
    try:
        parsed = parse_file(row.name, read_back(hall, row), hall.placeholders)
    except NotFound:
        _forget(hall, row.id)
        return True
    except (Failure, Unreadable) as why:
        log.warning("claim not resolved", extra={"custody": row.id, "why": str(why)})
        silent.add((row.node, row.quarantined))
        give_up(hall, row.id)  # the node does not answer, or gave other bytes: asked again in the next round
        return False
    batch, opened = _batch(hall, row)
    try:
        _settle(hall, batch, parsed, row)
    except Conflict:
        abandon(hall, row.id)
    finally:
        if opened:
            close_batch(hall, batch.id)
    return True


def _settle(hall: Hall, batch: Batch, parsed: ParsedFile, row: CustodyRow) -> None:
    """Settle a claim that a crash left behind, where its bytes were bound for. Raises Conflict where it may not be kept."""
    outcome = Outcome.REVIEW if row.quarantined else Outcome.PASS
    judged = JudgedFile(batch, parsed, Verdict(outcome, row.rule, parsed.seen.findings, ()))
    target = target_node(hall, judged)
    try:
        with hall.store.write() as connection:
            settle(hall, connection, row.id, judged, target)
            if not batches.has_receipt(connection, row.batch, row.instance.sop_uid, outcome):
                receipts.write(hall, connection, judged)
    except (Changed, index.StudyElsewhere):
        raise Conflict("recovery-stopped", "The object may not be kept any more.") from None


def _forget(hall: Hall, claim: int) -> None:
    """Drop our claim: nothing of the object is kept."""
    with hall.store.write(durable=False) as connection:
        custody.move(connection, Move.FORGET, claim, hall.clock(), holder=hall.holder)


def _batch(hall: Hall, claim: CustodyRow) -> tuple[Batch, bool]:
    """The claim's own batch while it is open, else one of the door 'recovery'."""
    with hall.store.read() as connection:
        row = batches.by_id(connection, claim.batch)
    if row is None:
        raise AssertionError("a claim without its batch")
    origin = Origin("recovery", Subject(row.subject, Role.SENDER, row.provider), row.dataset, row.alias, "", "", "", row.attested)
    if row.closed is None:
        return Batch(row.id, row.key, origin), False
    return open_batch(hall, origin), True


def purge(hall: Hall) -> int:
    """Delete the bytes of what was withdrawn, refused or superseded; a node that does not answer is asked again later."""
    with hall.store.read() as connection:
        rows = custody.awaiting_deletion(connection, hall.clock())
    return sum(_purge(hall, row) for row in rows)


def _purge(hall: Hall, row: CustodyRow) -> bool:
    now = hall.clock()
    with hall.store.write() as connection:
        custody.lock_study(connection, row.instance.study_uid)
        shared = custody.place_in_use(connection, row)
        lease = Lease(hall.holder, now + timedelta(seconds=hall.settings.lease_seconds))
        if not custody.begin_deletion(connection, row, lease, now):
            return False
    try:
        if not shared:  # the same bytes have come again and rest there
            node_of(hall, row).delete(row.place)
    except Failure:
        return False
    with hall.store.write() as connection:
        return custody.move(connection, PURGES[row.state], row.id, hall.clock(), holder=hall.holder)


@dataclass(frozen=True, slots=True)
class Compared:
    """A node against custody: objects it holds that custody does not know there, and held ones (SOP Instance UIDs) it lacks."""

    unknown: tuple[str, ...]
    missing: tuple[str, ...]


def compare(hall: Hall, name: str) -> Compared:
    """Compare what a node holds with what custody says rests there; changes nothing. Raises NotFound, Unavailable."""
    with hall.store.read() as connection:
        row = next((n for n in hall.governance(connection).nodes.values() if n.name == name), None)
        if row is None:
            raise NotFound("node-unknown", f"There is no node called {name}.", "node")
        held = custody.places(connection, row.id)
    there = set(hall.node_of(row).places())
    unknown = tuple(sorted(there - held.keys()))
    with hall.store.read() as connection:  # what settled while the node was asked is no stranger
        held |= custody.places(connection, row.id)
    return Compared(tuple(p for p in unknown if p not in held), tuple(sorted(uid for p, uid in held.items() if p not in there)))


def close_quiet(hall: Hall) -> int:
    """Close open batches that nothing has touched for the configured time."""
    now, pause = hall.clock(), timedelta(seconds=hall.settings.quiet_seconds)
    with hall.store.read() as connection:
        quiet = batches.quiet(connection, now - pause, now + pause)
    for batch in quiet:
        close_batch(hall, batch)
    return len(quiet)
