"""What a person decides about quarantined objects: release them through ingest's own steps, or refuse them."""

from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import batches, custody
from adapters.sql.batches import BatchRow
from adapters.sql.custody import Kept
from adapters.sql.ledger import About, record
from consent.deposit import Outcome, Verdict
from consent.entries import BatchDecided
from consent.subject import Role, Subject
from mappings.failures import Conflict, NotFound
from server.usecases import ingest
from server.usecases.arrival import read
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.hall import Hall
from server.usecases.objects import whole


@dataclass(frozen=True, slots=True)
class Decided:
    """How many objects a release or refusal moved, and the key of the batch that says so (a refusal has none of its own)."""

    objects: int
    batch: str


def _batch(hall: Hall, key: str) -> tuple[BatchRow, list[Kept]]:
    with hall.store.read() as connection:
        row = batches.by_key(connection, key)
        if row is None:
            raise NotFound("batch-unknown", "There is no batch with this key.", "batch")
        waiting = custody.in_review(connection, row.id)
    if not waiting:
        raise Conflict("batch-empty", "Nothing of this batch waits for review.", "batch")
    return row, waiting


def release(hall: Hall, actor: str, key: str, sop_uids: frozenset[str] = frozenset()) -> Decided:
    """Release what waits in a batch, or the named objects of it: to its node and into the index, under a batch of its own."""
    row, waiting = _batch(hall, key)
    chosen = [k for k in waiting if not sop_uids or k.object.sop_uid in sop_uids]
    subject = Subject(actor, Role.SENDER, row.provider)
    batch = open_batch(hall, Origin("release", subject, row.dataset, row.alias, "", row.key, "", row.attested))
    try:
        for kept in chosen:
            _release(hall, batch, kept)
    finally:
        close_batch(hall, batch.id)
    with hall.store.write() as connection:
        _record(hall, connection, actor, "release", row, len(chosen))
    return Decided(len(chosen), batch.key)


def _release(hall: Hall, batch: Batch, kept: Kept) -> None:
    arrival = read(kept.name, whole(hall, kept), hall.placeholders)
    ingest.keep_released(hall, batch, arrival, Verdict(Outcome.PASS, "released", arrival.seen.findings, ()), kept)


def refuse(hall: Hall, actor: str, key: str, sop_uids: frozenset[str] = frozenset()) -> Decided:
    """Refuse what waits in a batch: its bytes go, and the same content is rejected by name until the block is lifted."""
    row, waiting = _batch(hall, key)
    chosen = [k for k in waiting if not sop_uids or k.object.sop_uid in sop_uids]
    now = hall.clock()
    with hall.store.write() as connection:
        for kept in chosen:
            if custody.move(connection, kept.id, "review", "refusing", now):
                named = {"sop_uid": kept.object.sop_uid, "digest": kept.object.digest}
                custody.add_block(connection, row.dataset, "refused", now, **named)
        _record(hall, connection, actor, "refuse", row, len(chosen))
    return Decided(len(chosen), row.key)


def _record(hall: Hall, connection: Connection, actor: str, verb: str, row: BatchRow, objects: int) -> None:
    entry = BatchDecided(verb=verb, batch=row.key, dataset=row.alias, objects=objects)
    record(connection, entry, hall.clock(), actor, About(row.party, row.dataset, row.id))
