"""Keeping and checking the ledger: leaves put in order, windows of use closed, roots kept, and everything recomputed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from adapters.sql import access, batches, ledger
from adapters.sql.ledger import Entry
from consent import entries, merkle
from consent.entries import Kind
from server.usecases.hall import Hall

ROOT_EVERY = timedelta(seconds=10)


def order(hall: Hall) -> int:
    """Put waiting leaves in order; returns how many. Only the worker does this, one at a time."""
    with hall.store.write(durable=False) as connection:
        return ledger.order(connection)


def close_windows(hall: Hall) -> int:
    """Close the windows of use that have ended, each with the digest of its access rows."""
    with hall.store.read() as connection:
        windows = access.ended(connection, hall.clock())
    for window in windows:
        with hall.store.write() as connection:
            access.close_window(connection, window, hall.clock())
    return len(windows)


def keep_root(hall: Hall) -> int:
    """Grow the tree over what is ordered and keep its root, at intervals; returns the tree's size."""
    now = hall.clock()
    with hall.store.read() as connection:
        size, _, _, at = ledger.newest_checkpoint(connection)
    if at is not None and abs(now - at) < ROOT_EVERY:  # a clock that was ahead for a while must not stop the roots
        return size
    with hall.store.write() as connection:
        return ledger.extend(connection, now)


@dataclass(frozen=True, slots=True)
class Checked:
    """A verification's result: how much was recomputed, and the first broken entry or root in words (None: all is well)."""

    entries: int
    erased: int
    roots: int
    broken: str | None


def verify(hall: Hall) -> Checked:
    """Recompute every leaf, position and root, and the rows that entries commit to; stop at the first that differs."""
    with hall.store.snapshot() as connection:
        kept = dict(ledger.checkpoints(connection))
        counted = erased = 0
        frontier: tuple[bytes, ...] = ()
        size = 0
        for entry in ledger.all_entries(connection):
            if broken := _broken(connection, entry, size):
                return Checked(counted, erased, 0, broken)
            if entry.position is not None:
                frontier, size = merkle.grow(frontier, size, [entry.leaf])
                if size in kept and merkle.root(frontier) != kept[size]:
                    return Checked(
                        counted,
                        erased,
                        0,
                        f"The kept root of {size} entries is not theirs: an entry up to position {entry.position} was changed.",
                    )
            counted += 1
            erased += entry.body is None
        if kept and max(kept) > size:
            return Checked(counted, erased, 0, f"The newest kept root is over {max(kept)} entries, but only {size} are there.")
    return Checked(counted, erased, len(kept), None)


def _broken(connection: Connection, entry: Entry, size: int) -> str | None:
    name = f"Entry {entry.id}" + (f" at position {entry.position}" if entry.position is not None else "")
    if entry.position is not None and entry.position != size:
        return f"{name} stands where position {size} belongs: an entry is missing or doubled."
    if entry.body is None or entry.nonce is None:
        return None
    if not isinstance(entry.body, bytes) or entries.leaf_hash(entry.nonce, entry.body) != entry.leaf:  # SQLite keeps any type
        return f"{name}: its body is not what its leaf commits to."
    return next((f"{name}: {what}" for what in _unmatched(connection, json.loads(entry.body))), None)


def _unmatched(connection: Connection, body: dict[str, object]) -> Iterator[str]:
    """What the entry says of rows elsewhere that these rows no longer say."""
    if body["kind"] == Kind.BATCH_CLOSED:
        row = batches.by_key(connection, str(body["batch"]))
        if row is None or batches.digest(connection, row.id).hex() != body["digest"]:
            yield f"the receipts of batch {body['batch']} are not those it was closed with."
    if body["kind"] == Kind.USE_CLOSED:
        count, digest = access.tally(connection, int(str(body["window"])))
        if (count, digest.hex()) != (body["accesses"], body["digest"]):
            yield f"the access rows of use window {body['window']} are not those it was closed with."
