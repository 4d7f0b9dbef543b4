"""Putting right what a crash, a lost node or a quiet sender left behind: expired claims, bytes to delete, batches to close."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from adapters.sql import batches, custody
from adapters.sql.custody import Kept
from consent.subject import Role, Subject
from mappings.dicom.part10 import Unreadable
from mappings.failures import Conflict, Failure, NotFound
from server.usecases import ingest
from server.usecases.arrival import read
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.hall import Hall
from server.usecases.objects import resting, whole

log = logging.getLogger("accord.reconcile")


def recover(hall: Hall) -> int:
    """Resolve claims whose lease has ended: what the node holds is settled, what it lacks is forgotten. Returns how many."""
    with hall.store.read() as connection:
        expired = custody.expired(connection, hall.clock())
    silent: set[tuple[int, bool]] = set()
    return sum(_recovered(hall, kept, silent) for kept in expired)


def _recovered(hall: Hall, kept: Kept, silent: set[tuple[int, bool]]) -> bool:
    """One claim that can't be resolved must not keep the worker from the others."""
    try:
        return _recover(hall, kept, silent)
    except Failure:
        log.exception("claim not resolved", extra={"custody": kept.id})
        return False


def _recover(hall: Hall, kept: Kept, silent: set[tuple[int, bool]]) -> bool:
    """Resolve one claim, unless its node (or the quarantine) has been silent in this round."""
    if (kept.node, kept.quarantined) in silent:
        return False
    lease = custody.lease_for(kept.object.size, hall.clock(), hall.settings.lease_seconds)
    with hall.store.write(durable=False) as connection:
        if not custody.take_over(connection, kept.id, hall.holder, lease, kept.batch, kept.name):
            return False
    try:
        arrival = read(kept.name, whole(hall, kept), hall.placeholders)
    except NotFound:
        ingest.forget(hall, kept.id)
        return True
    except (Failure, Unreadable) as why:
        log.warning("claim not resolved", extra={"custody": kept.id, "why": str(why)})
        silent.add((kept.node, kept.quarantined))
        ingest.give_up(hall, kept.id)  # the node does not answer, or gave other bytes: asked again in the next round
        return False
    batch, opened = _batch(hall, kept)
    try:
        ingest.settle_recovered(hall, batch, arrival, kept)
    except Conflict:
        ingest.abandon(hall, kept.id)
    finally:
        if opened:
            close_batch(hall, batch.id)
    return True


def _batch(hall: Hall, kept: Kept) -> tuple[Batch, bool]:
    """The claim's own batch while it is open, else one of the door 'recovery'."""
    with hall.store.read() as connection:
        row = batches.by_id(connection, kept.batch)
    if row is None:
        raise AssertionError("a claim without its batch")
    origin = Origin("recovery", Subject(row.subject, Role.SENDER, row.provider), row.dataset, row.alias, "", "", "", row.attested)
    if row.closed is None:
        return Batch(row.id, row.key, origin), False
    return open_batch(hall, origin), True


def purge(hall: Hall) -> int:
    """Delete the bytes of what was withdrawn, refused or superseded; a node that does not answer is asked again later."""
    with hall.store.read() as connection:
        passing = custody.passing(connection, hall.clock())
    return sum(_purge(hall, kept) for kept in passing)


def _purge(hall: Hall, kept: Kept) -> bool:
    now = hall.clock()
    with hall.store.write() as connection:
        custody.lock_study(connection, kept.object.study_uid)
        shared = custody.place_in_use(connection, kept)
        if not custody.purge(connection, kept, hall.holder, now + timedelta(seconds=hall.settings.lease_seconds), now):
            return False
    try:
        if not shared:  # the same bytes have come again and rest there
            resting(hall, kept).delete(kept.place)
    except Failure:
        return False
    state = "purged" if kept.state == "withdrawn" else "refused"
    with hall.store.write() as connection:
        return custody.move(connection, kept.id, kept.state, state, hall.clock(), holder=None, lease=None)


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
