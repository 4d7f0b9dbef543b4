"""The ledger's rows: entries written in the transaction they record, leaves put in sequence, and the tree's checkpoints.

Leaves are append-only (the database refuses more than giving a leaf its position once); a body, its nonce and its targets may be
erased together. The worker alone sequences leaves, so writers never wait for each other.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, text, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent import merkle
from consent.commitment import NONCE_BYTES, canonical, leaf_hash
from consent.entries import Entry, Target, TargetType, targets_of

DIGEST = 32
PAGE = 2000


@dataclass(frozen=True, slots=True)
class About:
    """Whom and what an entry is about, for those who may read it: ids of the party whose data it is, dataset, batch."""

    party: int | None = None
    dataset: int | None = None
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An entry as it lies: leaf id, position in the tree (None until sequenced), and unless erased, kind, body and targets."""

    id: int
    position: int | None
    leaf: bytes
    nonce: bytes | None
    body: bytes | None
    kind: str | None
    targets: frozenset[Target]


def record(connection: Connection, entry: Entry, at: datetime, actor: str, about: About) -> int:
    """Append an entry inside the caller's transaction, with its targets; returns its id."""
    facts = entry.body(at, actor)
    body, nonce = canonical(facts), os.urandom(NONCE_BYTES)
    leaf = insert_one(connection, t.ledger_leaf, leaf=leaf_hash(nonce, body))
    values = {"id": leaf, "nonce": nonce, "body": body, "kind": entry.kind, "at": stamp(at), "actor": actor}
    connection.execute(_BODY, {**values, "party": about.party, "dataset": about.dataset, "batch": about.batch})
    if targets := targets_of(entry.kind, facts):
        connection.execute(_TARGET, [{"entry": leaf, "type": str(target.type), "key": target.key} for target in targets])
    return leaf


_BODY = insert(t.ledger_body)
_TARGET = insert(t.entry_target)
_PLACE = update(t.ledger_leaf).where(t.ledger_leaf.c.id == bindparam("leaf_id")).values(position=bindparam("place"))


def sequence(connection: Connection, limit: int = 4096) -> int:
    """Give waiting leaves the next positions, oldest first; returns how many. One transaction at a time."""
    _alone(connection)
    pending = select(t.ledger_leaf.c.id).where(t.ledger_leaf.c.position.is_(None)).order_by(t.ledger_leaf.c.id).limit(limit)
    waiting = connection.execute(pending).scalars().all()
    first = int(connection.execute(select(func.coalesce(func.max(t.ledger_leaf.c.position) + 1, 0))).scalar_one())
    if waiting:
        connection.execute(_PLACE, [{"leaf_id": leaf, "place": place} for place, leaf in enumerate(waiting, first)])
    return len(waiting)


def _alone(connection: Connection) -> None:
    """Let one transaction at a time order leaves or grow the tree: there may be several workers."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(4712)"))


def newest_checkpoint(connection: Connection) -> tuple[int, bytes, tuple[bytes, ...], datetime | None]:
    """(size, root, frontier, at) of the newest checkpoint; an empty tree before the first."""
    row = connection.execute(select(t.checkpoint).order_by(t.checkpoint.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        return 0, merkle.EMPTY_ROOT, (), None
    return row.size, row.root, _split(row.frontier), moment(row.at)


def unrooted(connection: Connection) -> tuple[int, datetime | None]:
    """How many entries no checkpoint is over yet, and when the first of them was made."""
    size = newest_checkpoint(connection)[0]
    waiting = t.ledger_leaf.c.position.is_(None) | (t.ledger_leaf.c.position >= size)
    first = select(func.count(), func.min(t.ledger_body.c.at)).select_from(t.ledger_leaf)
    count, at = connection.execute(first.outerjoin(t.ledger_body, t.ledger_body.c.id == t.ledger_leaf.c.id).where(waiting)).one()
    return count, None if at is None else moment(at)


def _split(frontier: bytes) -> tuple[bytes, ...]:
    return tuple(frontier[i : i + DIGEST] for i in range(0, len(frontier), DIGEST))


def integrate(connection: Connection, now: datetime) -> int:
    """Grow the tree over every sequenced leaf and keep its root as a checkpoint; returns the tree's size."""
    _alone(connection)
    size, _, frontier, _ = newest_checkpoint(connection)
    newer = select(t.ledger_leaf.c.leaf).where(t.ledger_leaf.c.position >= size).order_by(t.ledger_leaf.c.position)
    leaves = connection.execute(newer).scalars().all()
    if leaves:
        frontier, size = merkle.grow(frontier, size, leaves)
        root = merkle.root(frontier)
        connection.execute(insert(t.checkpoint).values(size=size, root=root, frontier=b"".join(frontier), at=stamp(now)))
    return size


def read_rows(connection: Connection) -> Iterator[LedgerRow]:
    """Every entry in the tree's order, then those that wait for a position."""
    l, b = t.ledger_leaf.c, t.ledger_body.c  # noqa: E741 - as the tables' other users call them
    joined = select(l.id, l.position, l.leaf, b.nonce, b.body, b.kind).outerjoin(t.ledger_body, b.id == l.id)
    ordered = joined.order_by(l.position.is_(None), l.position, l.id).execution_options(yield_per=PAGE)
    for page in connection.execute(ordered).partitions():
        targets = _targets(connection, [row.id for row in page])
        yield from (LedgerRow(*row, targets.get(row.id, frozenset())) for row in page)


def _targets(connection: Connection, entries: Sequence[int]) -> dict[int, frozenset[Target]]:
    c = t.entry_target.c
    targets: dict[int, frozenset[Target]] = {}
    for entry, kind, key in connection.execute(select(c.entry, c.type, c.key).where(c.entry.in_(entries))):
        targets[entry] = targets.get(entry, frozenset()) | {Target(TargetType(kind), key)}
    return targets


def find_leaf(connection: Connection, entry: int) -> tuple[bytes, int | None] | None:
    """(leaf hash, position in the tree) of an entry; None where there is no such one."""
    l = t.ledger_leaf.c  # noqa: E741 - as the tables' other users call them
    row = connection.execute(select(l.leaf, l.position).where(l.id == entry)).one_or_none()
    return None if row is None else (row.leaf, row.position)


def checkpoints(connection: Connection) -> list[tuple[int, bytes]]:
    """Every kept (size, root), smallest first."""
    return [(r.size, r.root) for r in connection.execute(select(t.checkpoint).order_by(t.checkpoint.c.size))]
