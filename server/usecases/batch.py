"""Batches: an association, a request or a push, opened and closed with their entries in the ledger."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from adapters.sql import batches
from adapters.sql.ledger import About, record
from consent.entries import BatchClosed, BatchOpened, study_parts
from consent.policy import SENTENCES
from consent.subject import Subject
from mappings.failures import Forbidden
from server.usecases.runtime import Caller, Runtime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch comes from: door, peer, AE titles, subject, the dataset it is for, and whether its sender is attested."""

    door: str
    subject: Subject
    dataset: int
    alias: str
    peer: str
    calling: str
    called: str
    attested: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """An open batch; `key` is what its provider calls it, `study` the only study that may go into it (None: any).

    `alone`: each of its files is durable when it is taken. Otherwise all are at the end of their `together`.
    """

    id: int
    key: str
    origin: Origin
    study: str | None = None
    alone: bool = True


def sender_origin(caller: Caller) -> Origin:
    """The origin of an association: what this sender may fill by its registration. Raises Forbidden for who has none."""
    registration = caller.registration
    if registration is None:
        raise Forbidden("role", SENTENCES["role"])
    alias, aet = registration.alias, registration.aet
    return Origin("dimse", caller.subject, registration.dataset, alias, caller.address, aet, alias, registration.attested)


def open_batch(runtime: Runtime, origin: Origin) -> Batch:
    """Open a batch, with its entry in the ledger."""
    now, key = runtime.clock(), secrets.token_hex(8)
    with runtime.store.write() as connection:
        facts = runtime.governance.current(connection).dataset(origin.dataset)
        values = {"door": origin.door, "dataset": origin.dataset, "subject": origin.subject.id, "peer": origin.peer}
        names = {"calling": origin.calling, "called": origin.called, "attested": origin.attested, "held_by": runtime.holder}
        batch = batches.add(connection, now, key=key, **values, **names)
        party = runtime.governance.current(connection).parties[facts.provider]
        entry = BatchOpened(
            batch=key, dataset=origin.alias, provider=facts.provider, door=origin.door, calling=origin.calling or None
        )
        record(connection, entry, now, origin.subject.id, About(party, origin.dataset, batch))
    return Batch(batch, key, origin)


@contextmanager
def together(runtime: Runtime, batch: Batch) -> Iterator[Batch]:
    """The same batch for files that are answered together: what became of them is durable when the block has ended, not before.

    One durable commit makes all before it durable. Each file's bytes are durable before its row tells of it, as ever.
    """
    try:
        yield replace(batch, alone=False)
    finally:
        with runtime.store.write() as connection:
            batches.touch(connection, batch.id, runtime.clock())


def close_batch(runtime: Runtime, batch: int) -> None:
    """Close a batch and write what it brought to the ledger; nothing happens where it is closed already."""
    now = runtime.clock()
    with runtime.store.write() as connection:
        row = batches.by_id(connection, batch)
        if row is None or not batches.close(connection, batch, now):
            return
        facts = runtime.governance.current(connection).dataset(row.dataset)
        counts = batches.counts(connection, batch)
        outcomes = {o: sum(n for (outcome, _), n in counts.items() if outcome == o) for o in sorted({o for o, _ in counts})}
        parts = study_parts(batches.studies(connection, batch))
        digest = batches.digest(connection, batch).hex()
        for part, studies in enumerate(parts, 1):
            entry = BatchClosed(
                batch=row.key,
                dataset=row.alias,
                provider=row.provider,
                door=row.door,
                files=sum(outcomes.values()),
                outcomes=outcomes,
                studies=studies,
                part=part,
                parts=len(parts),
                digest=digest,
                agreement=f"{facts.agreement}@{facts.version}",
                terms=facts.terms,
            )
            record(connection, entry, now, row.subject, About(row.party, row.dataset, batch))
