"""The ledger's rows: entries written in the transaction they record, leaves put in order, and the tree's roots.

Leaves are append-only (the database refuses more than giving a leaf its position once); bodies and nonces may be erased. The
worker alone orders leaves, so writers never wait for each other.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from adapters.sql import tables as t
from adapters.sql.store import added, moment, stamp
from consent import entries, merkle

DIGEST = 32


@dataclass(frozen=True, slots=True)
class About:
    """Whom and what an entry is about, for those who may read it: ids of the party whose data it is, dataset, batch."""

    party: int | None = None
    dataset: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A recorded entry: its leaf id, position in the tree (None until ordered), and body as canonical bytes (None: erased)."""

    id: int
    position: int | None
    leaf: bytes
    nonce: bytes | None
    body: bytes | None


def record(connection: Connection, kind: str, at: datetime, actor: str, facts: Mapping[str, object], about: About) -> int:
    """Append an entry inside the caller's transaction; returns its id."""
    body = entries.canonical(entries.entry(kind, at, actor, facts))
    nonce = os.urandom(entries.NONCE_BYTES)
    leaf = added(connection, t.ledger_leaf, leaf=entries.leaf_hash(nonce, body))
    values = {"id": leaf, "nonce": nonce, "body": body, "kind": str(kind), "at": stamp(at), "actor": actor}
    connection.execute(insert(t.ledger_body).values(**values, party=about.party, dataset=about.dataset, batch=about.batch))
    return leaf


_PLACE = update(t.ledger_leaf).where(t.ledger_leaf.c.id == bindparam("leaf_id")).values(position=bindparam("place"))


def order(connection: Connection, limit: int = 4096) -> int:
    """Give waiting leaves the next positions, oldest first; returns how many. One transaction at a time."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(4712)"))
    pending = select(t.ledger_leaf.c.id).where(t.ledger_leaf.c.position.is_(None)).order_by(t.ledger_leaf.c.id).limit(limit)
    waiting = connection.execute(pending).scalars().all()
    first = int(connection.execute(select(func.coalesce(func.max(t.ledger_leaf.c.position) + 1, 0))).scalar_one())
    if waiting:
        connection.execute(_PLACE, [{"leaf_id": leaf, "place": place} for place, leaf in enumerate(waiting, first)])
    return len(waiting)


def newest_checkpoint(connection: Connection) -> tuple[int, bytes, tuple[bytes, ...], datetime | None]:
    """(size, root, frontier, at) of the newest checkpoint; an empty tree before the first."""
    row = connection.execute(select(t.checkpoint).order_by(t.checkpoint.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        return 0, merkle.EMPTY_ROOT, (), None
    return row.size, row.root, _split(row.frontier), moment(row.at)


def _split(frontier: bytes) -> tuple[bytes, ...]:
    return tuple(frontier[i : i + DIGEST] for i in range(0, len(frontier), DIGEST))


def extend(connection: Connection, now: datetime) -> int:
    """Grow the tree over every ordered leaf and keep its root; returns the tree's size."""
    size, _, frontier, _ = newest_checkpoint(connection)
    newer = select(t.ledger_leaf.c.leaf).where(t.ledger_leaf.c.position >= size).order_by(t.ledger_leaf.c.position)
    leaves = connection.execute(newer).scalars().all()
    if leaves:
        frontier, size = merkle.grow(frontier, size, leaves)
        root = merkle.root(frontier)
        connection.execute(insert(t.checkpoint).values(size=size, root=root, frontier=b"".join(frontier), at=stamp(now)))
    return size


def all_entries(connection: Connection) -> Iterator[Entry]:
    """Every entry in the tree's order, then those that wait for a position."""
    joined = select(t.ledger_leaf, t.ledger_body.c.nonce, t.ledger_body.c.body).outerjoin(
        t.ledger_body, t.ledger_body.c.id == t.ledger_leaf.c.id
    )
    ordered = joined.order_by(t.ledger_leaf.c.position.is_(None), t.ledger_leaf.c.position, t.ledger_leaf.c.id)
    for row in connection.execute(ordered.execution_options(yield_per=2000)):
        yield Entry(row.id, row.position, row.leaf, row.nonce, row.body)


def checkpoints(connection: Connection) -> list[tuple[int, bytes]]:
    """Every kept (size, root), smallest first."""
    return [(r.size, r.root) for r in connection.execute(select(t.checkpoint).order_by(t.checkpoint.c.size))]
