"""The ledger: leaves put in sequence, windows of use closed, checkpoints kept, and everything verified by computing it again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from adapters.sql import access, batches
from adapters.sql import ledger as rows
from adapters.sql.ledger import LedgerRow
from consent import merkle
from consent.commitment import leaf_hash
from consent.entries import BatchClosed, NodeAdded, UseClosed, targets_of
from mappings.failures import NotFound
from server.usecases.runtime import Runtime

CHECKPOINT_EVERY = timedelta(seconds=10)


def sequence(runtime: Runtime) -> int:
    """Give waiting leaves the next positions; returns how many. Only the worker does this, one at a time."""
    with runtime.store.write(durable=False) as connection:
        return rows.sequence(connection)


def close_windows(runtime: Runtime) -> int:
    """Close the windows of use that have ended, each with the digest of its access rows."""
    with runtime.store.read() as connection:
        windows = access.ended_windows(connection, runtime.clock())
    for window in windows:
        with runtime.store.write() as connection:
            access.close_window(connection, window, runtime.clock())
    return len(windows)


def checkpoint(runtime: Runtime) -> int:
    """Integrate what is sequenced into the tree and keep its root, at intervals; returns the tree's size."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        size, _, _, at = rows.newest_checkpoint(connection)
    if at is not None and abs(now - at) < CHECKPOINT_EVERY:  # a clock that was ahead for a while must not stop the roots
        return size
    with runtime.store.write() as connection:
        return rows.integrate(connection, now)


@dataclass(frozen=True, slots=True)
class Commitment:
    """What anybody may know of an entry: its leaf's hash and place in the tree, and the newest root, over `size` leaves."""

    leaf: bytes
    position: int | None
    size: int
    root: bytes


def read_commitment(runtime: Runtime, entry: int) -> Commitment:
    """What an entry is committed to by. Raises NotFound where there is no such one."""
    with runtime.store.read() as connection:
        found = rows.find_leaf(connection, entry) if entry < 2**63 else None
        size, root, _, _ = rows.newest_checkpoint(connection)
    if found is None:
        raise NotFound("not-found", "There is no such ledger entry.")
    return Commitment(*found, size, root)


@dataclass(frozen=True, slots=True)
class Verification:
    """How much was computed again, and the first broken entry or root in words (None: all is well)."""

    entries: int
    erased: int
    roots: int
    broken: str | None


def verify(runtime: Runtime) -> Verification:
    """Compute every leaf, position, target and root again, and what entries commit to; stop at the first that differs."""
    with runtime.store.snapshot() as connection:
        roots = dict(rows.checkpoints(connection))
        counted = erased = 0
        frontier: tuple[bytes, ...] = ()
        size = 0
        for row in rows.read_rows(connection):
            if broken := _broken(connection, row, size):
                return Verification(counted, erased, 0, broken)
            if row.position is not None:
                frontier, size = merkle.grow(frontier, size, [row.leaf])
                if size in roots and merkle.root(frontier) != roots[size]:
                    return Verification(counted, erased, 0, _root_broken(size, row.position))
            counted += 1
            erased += row.body is None
        if roots and max(roots) > size:
            return Verification(
                counted, erased, 0, f"The newest kept root is over {max(roots)} entries, but only {size} are there."
            )
    return Verification(counted, erased, len(roots), None)


def _root_broken(size: int, position: int) -> str:
    return f"The kept root of {size} entries is not theirs: an entry up to position {position} was changed."


def _broken(connection: Connection, row: LedgerRow, size: int) -> str | None:
    name = f"Entry {row.id}" + (f" at position {row.position}" if row.position is not None else "")
    if row.position is not None and row.position != size:
        return f"{name} stands where position {size} belongs: an entry is missing or doubled."
    if row.body is None or row.nonce is None:
        return f"{name}: its body is erased, but its targets are not." if row.targets else None
    if not isinstance(row.body, bytes) or leaf_hash(row.nonce, row.body) != row.leaf:  # SQLite keeps any type
        return f"{name}: its body is not what its leaf commits to."
    return next((f"{name}: {what}" for what in _unmatched(connection, row, json.loads(row.body))), None)


def _unmatched(connection: Connection, row: LedgerRow, body: dict[str, Any]) -> Iterator[str]:
    """What the body says of rows elsewhere that these rows no longer say."""
    if row.kind != body["kind"] and (row.kind, body["v"]) != (NodeAdded.KIND, 1):
        yield f"it is filed as {row.kind}, but its body says {body['kind']}."
    if row.targets != frozenset(targets_of(str(row.kind), body)):
        yield "its targets are not those its body names."
    if row.kind == BatchClosed.KIND:
        batch = batches.by_key(connection, body["batch"])
        if batch is None or batches.digest(connection, batch.id).hex() != body["digest"]:
            yield f"the receipts of batch {body['batch']} are not those it was closed with."
    if row.kind == UseClosed.KIND:
        count, digest = access.tally(connection, body["window"])
        if (count, digest.hex()) != (body["accesses"], body["digest"]):
            yield f"the access rows of use window {body['window']} are not those it was closed with."
