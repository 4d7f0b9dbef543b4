"""Custody rows: one for each SOP Instance UID in our care, and the one function that moves them.

`consent.custody` says what the moves are. A partial unique index over the states in care is what lets only one of two doors win
a UID.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, func, or_, select, text, update

from adapters.sql import tables as t
from adapters.sql.prepared import Prepared, columns
from adapters.sql.store import insert_one, stamp
from consent.custody import AT_REST, AWAITING_DELETION, IN_CARE, MOVES, PURGES, RETURNS, Move, State

_c = t.custody.c


@dataclass(frozen=True, slots=True)
class SopInstance:
    """A SOP instance as it came in a file: who it is, its digests (of the data set and the file) and the file's size in bytes.

    `crc32` of the file is None where it came before that was kept. Its fields and a placement's are columns of the same names.
    """

    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    digest: bytes
    file_digest: bytes
    size: int
    dataset_start: int
    transfer_syntax: str
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an object is to rest: its dataset, its node, the place there or in quarantine; the batch and name it came under."""

    dataset: int
    node: int
    batch: int
    quarantined: bool
    place: str
    name: str


@dataclass(frozen=True, slots=True)
class Lease:
    """Who is at work on a row, and until when that is believed."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Copy:
    """A file at rest: its custody row, where it lies, and what it must be: its size in bytes and its SHA-256."""

    custody: int
    node: int
    quarantined: bool
    place: str
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class CustodyRow:
    """One custody row. `holder` and `lease` (a stamp) are None while nobody is at work on it.

    `damaged`, a stamp: since when its copy is known not to be what came.
    """

    id: int
    instance: SopInstance
    dataset: int
    node: int
    batch: int
    state: State
    quarantined: bool
    place: str
    name: str
    rule: str
    holder: str | None
    lease: int | None
    damaged: int | None = None
    kept_until: int | None = None

    @property
    def copy(self) -> Copy:
        """What reading it back needs."""
        return Copy(self.id, self.node, self.quarantined, self.place, self.instance.size, self.instance.file_digest)


def _row(r: Any) -> CustodyRow:
    named = (r.sop_uid, r.series_uid, r.study_uid, r.patient_id)
    instance = SopInstance(*named, r.digest, r.file_digest, r.size, r.dataset_start, r.transfer_syntax, r.crc32)
    placed = (r.dataset, r.node, r.batch, State(r.state), r.quarantined, r.place, r.name)
    return CustodyRow(r.id, instance, *placed, r.rule, r.holder, r.lease, r.damaged, r.kept_until)


# --- moving


def lock_study(connection: Connection, study_uid: str) -> None:
    """Let one transaction at a time claim within a study, so that it can't come to belong to two datasets."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:uid, 0))"), {"uid": study_uid})


def claim(connection: Connection, instance: SopInstance, placement: Placement, rule: str, lease: Lease, now: datetime) -> int:
    """Make the row of what has come; its id. Raises IntegrityError where another row in care has the UID."""
    values = {"rule": rule, "holder": lease.holder, "lease": stamp(lease.until), "at": stamp(now)}
    state = MOVES[Move.CLAIM].target
    return insert_one(connection, t.custody, **columns(instance), **columns(placement), **values, state=state)


def move(
    connection: Connection, by: Move, row: int, now: datetime, *, holder: str | None = None, lease: Lease | None = None
) -> bool:
    """Make a move on a row, which is `lease`'s afterwards or nobody's.

    False, and nothing is changed, where the row is not in the move's origin or not `holder`'s (None: somebody is at work on it).
    """
    after = (None, None) if lease is None else (lease.holder, stamp(lease.until))
    named = {"row": row, "mine": holder, "now": stamp(now), "next_holder": after[0], "next_lease": after[1]}
    return _moving(by, held=holder is not None).count(connection, named) == 1


@cache
def _moving(by: Move, *, held: bool) -> Prepared:
    origin, target = MOVES[by]
    mine = _c.holder == bindparam("mine") if held else _c.holder.is_(None)
    where = and_(_c.id == bindparam("row"), _c.state == origin, mine)
    if target is None:
        return Prepared(delete(t.custody).where(where))
    values = {"state": target, "at": bindparam("now"), "holder": bindparam("next_holder"), "lease": bindparam("next_lease")}
    return Prepared(update(t.custody).where(where).values(values))


# --- leases: who is at work on a row, which stays in its state


def lease_for(holder: str, size: int, now: datetime, seconds: int) -> Lease:
    """A lease of the configured time and a second for each megabyte, so that a slow node is not raced."""
    return Lease(holder, now + timedelta(seconds=seconds + size / 1_000_000))


def take_over(connection: Connection, row: CustodyRow, lease: Lease, batch: int, name: str) -> bool:
    """Make a claim another's (the same file has come again, or its lease ended); False where it is not as it was read."""
    as_read = and_(_c.id == row.id, _c.state == State.RECEIVING, _c.holder == row.holder, _c.lease == row.lease)
    values = {"holder": lease.holder, "lease": stamp(lease.until), "batch": batch, "name": name}
    return connection.execute(update(t.custody).where(as_read).values(**values)).rowcount == 1


def end_lease(connection: Connection, row: int, holder: str, now: datetime) -> None:
    """Give our claim up to the worker, who asks the node what became of the object."""
    mine = and_(_c.id == row, _c.state == State.RECEIVING, _c.holder == holder)
    connection.execute(update(t.custody).where(mine).values(lease=stamp(now)))


def keep_until(connection: Connection, study_uid: str, until: datetime) -> int:
    """Let what was withdrawn of a study, and is there yet, go no sooner than this, nor later; returns how many objects."""
    hidden = and_(_c.study_uid == study_uid, _c.state == State.WITHDRAWN)
    return connection.execute(update(t.custody).where(hidden).values(kept_until=stamp(until))).rowcount


_FREE = or_(_c.lease.is_(None), _c.lease <= bindparam("now"))
_DUE = or_(_c.kept_until.is_(None), _c.kept_until <= bindparam("now"), _c.state != State.WITHDRAWN)


def begin_deletion(connection: Connection, row: CustodyRow, lease: Lease, now: datetime) -> bool:
    """Be the one who deletes a row's bytes; False where somebody else does. Nothing comes to rest at their place meanwhile."""
    free = update(t.custody).where(_c.id == row.id, _c.state == row.state, _FREE, _DUE)
    values = {"holder": lease.holder, "lease": stamp(lease.until)}
    return connection.execute(free.values(**values), {"now": stamp(now)}).rowcount == 1


_AT_PLACE = Prepared(
    select(_c.id, _c.state, _c.file_digest).where(
        _c.place == bindparam("place"),
        _c.node == bindparam("node"),
        _c.quarantined == bindparam("quarantined"),
        _c.state.in_(AWAITING_DELETION),
    )
)


def cancel_deletion(connection: Connection, instance: SopInstance, placement: Placement, now: datetime) -> bool:
    """Keep bytes that were to be deleted at this very place, since they are wanted again.

    False where they are being deleted, or are another file's: a node that keeps one file for a UID must lose the old one first.
    """
    named = {"place": placement.place, "node": placement.node, "quarantined": placement.quarantined}
    rows = _AT_PLACE.all(connection, named)
    same = all(r.file_digest == instance.file_digest for r in rows)
    return same and all(move(connection, PURGES[State(r.state)], r.id, now) for r in rows)


def relocate(connection: Connection, row: int, place: str, rule: str) -> None:
    """Say where a released object rests now: on its node, no longer in quarantine."""
    connection.execute(update(t.custody).where(_c.id == row).values(quarantined=False, place=place, rule=rule))


# --- damage: a copy that is not what came


def mark_damaged(connection: Connection, row: int, now: datetime) -> bool:
    """Say that a copy at rest is not what came; False where that is known, or it rests no more."""
    sound = and_(_c.id == row, _c.state.in_(AT_REST), _c.damaged.is_(None))
    return connection.execute(update(t.custody).where(sound).values(damaged=stamp(now))).rowcount == 1


def begin_mending(connection: Connection, row: CustodyRow, now: datetime) -> int | None:
    """Be the one who mends a damaged copy, until another begins; the stamp to end with, or None where another has begun."""
    mine = max(stamp(now), (row.damaged or 0) + 1)
    as_read = and_(_c.id == row.id, _c.state == row.state, _c.damaged == row.damaged)
    return mine if connection.execute(update(t.custody).where(as_read).values(damaged=mine)).rowcount == 1 else None


def mended(connection: Connection, row: int, damaged: int | None) -> bool:
    """Say that a copy is what came, unless anything was found or begun since it was read as `damaged`, or it rests no more."""
    same = _c.damaged.is_(None) if damaged is None else _c.damaged == damaged
    as_read = and_(_c.id == row, _c.state.in_(AT_REST), same)
    return connection.execute(update(t.custody).where(as_read).values(damaged=None)).rowcount == 1


def delete_again(connection: Connection, row: int, now: datetime) -> None:
    """Have bytes deleted that were put back when their row had left our care, whoever is deleting them now."""
    for by in RETURNS.values():
        move(connection, by, row, now)
    begun = and_(_c.id == row, _c.state.in_(AWAITING_DELETION))
    connection.execute(update(t.custody).where(begun).values(holder=None, lease=None))


# --- reading

_UNDER_UID = Prepared(select(t.custody).where(_c.sop_uid == bindparam("uid"), _c.state.in_(IN_CARE)))
_HELD = Prepared(select(_c.id).where(_c.id == bindparam("row"), _c.state == State.HELD))


def in_care(connection: Connection, sop_uid: str) -> CustodyRow | None:
    """The row in our care under this SOP Instance UID."""
    row = _UNDER_UID.first(connection, {"uid": sop_uid})
    return None if row is None else _row(row)


def by_id(connection: Connection, key: int) -> CustodyRow | None:
    """A row by its id."""
    row = connection.execute(select(t.custody).where(_c.id == key)).one_or_none()
    return None if row is None else _row(row)


def holds(connection: Connection, key: int) -> bool:
    """Whether this row is held now: not withdrawn, whatever still lies on its node."""
    return _HELD.first(connection, {"row": key}) is not None


def expired(connection: Connection, now: datetime, limit: int = 100) -> list[CustodyRow]:
    """Claims whose lease has ended, at most `limit` of each node."""
    late = _some_of_each_node(_c.lease, limit, _c.state == State.RECEIVING, _c.lease <= stamp(now))
    return [_row(r) for r in connection.execute(late)]


def awaiting_deletion(connection: Connection, now: datetime, limit: int = 100) -> list[CustodyRow]:
    """Rows whose bytes are to be deleted where they rest and nobody is deleting now (withdrawn, refused, superseded); so too.

    What has its grace is not among them.
    """
    free = _some_of_each_node(_c.id, limit, _c.state.in_(AWAITING_DELETION), _FREE, _DUE)
    return [_row(r) for r in connection.execute(free, {"now": stamp(now)})]


def _some_of_each_node(first: Any, limit: int, *conditions: Any) -> Select[Any]:
    """The first rows of each node and of the quarantine, so that one that does not answer hides nobody else's."""
    turn = func.row_number().over(partition_by=(_c.node, _c.quarantined), order_by=first)
    ranked = select(_c.id, turn.label("turn")).where(*conditions).subquery()
    return select(t.custody).join(ranked, ranked.c.id == _c.id).where(ranked.c.turn <= limit).order_by(first)


def place_in_use(connection: Connection, row: CustodyRow) -> bool:
    """Whether another row in our care rests at the same place (the same bytes in two rows)."""
    same = and_(_c.place == row.place, _c.quarantined == row.quarantined, _c.node == row.node)
    return bool(connection.execute(select(exists().where(same, _c.id != row.id, _c.state.in_(IN_CARE)))).scalar())


def in_review(connection: Connection, batch: int) -> list[CustodyRow]:
    """The objects of one batch that wait for a person."""
    waiting = select(t.custody).where(_c.batch == batch, _c.state == State.REVIEW).order_by(_c.id)
    return [_row(r) for r in connection.execute(waiting)]


def waiting(connection: Connection, batch: int) -> int:
    """How many objects of a batch wait for a person."""
    return connection.execute(select(func.count()).where(_c.batch == batch, _c.state == State.REVIEW)).scalar_one()


def of_study(connection: Connection, study_uid: str) -> list[CustodyRow]:
    """The objects of one study that are held or in review."""
    return [_row(r) for r in connection.execute(select(t.custody).where(_c.study_uid == study_uid, _c.state.in_(AT_REST)))]


def studies_of_patient(connection: Connection, dataset: int, patient_id: str) -> list[str]:
    """The Study Instance UIDs of a dataset of which an object that is held or in review has this Patient ID, in their order."""
    named = and_(_c.dataset == dataset, _c.patient_id == patient_id, _c.state.in_(AT_REST))
    return list(connection.execute(select(_c.study_uid).where(named).distinct().order_by(_c.study_uid)).scalars())


def count_of_datasets(connection: Connection, datasets: Collection[int]) -> tuple[int, int]:
    """(studies, objects) of these datasets that are held or in review."""
    there = and_(_c.dataset.in_(datasets), _c.state.in_(AT_REST))
    row = connection.execute(select(func.count(_c.study_uid.distinct()), func.count()).where(there)).one()
    return int(row[0]), int(row[1])


def by_file_digest(connection: Connection, dataset: int, digests: Sequence[bytes]) -> dict[bytes, CustodyRow]:
    """Those of these files that this dataset has in care already (held or in review) and sound, by their SHA-256."""
    known = and_(_c.state.in_(AT_REST), _c.damaged.is_(None))
    same = select(t.custody).where(_c.dataset == dataset, _c.file_digest.in_(digests), known)
    return {r.file_digest: _row(r) for r in connection.execute(same)}


def at_rest(connection: Connection, node: int, after: int, limit: int) -> list[CustodyRow]:
    """What rests on a node, and in the quarantine on its way there, by row from the first after this one."""
    there = and_(_c.node == node, _c.state.in_(AT_REST), _c.id > after)
    return [_row(r) for r in connection.execute(select(t.custody).where(there).order_by(_c.id).limit(limit))]


def sample(connection: Connection, node: int, most: int) -> list[tuple[str, int]]:
    """(place, bytes) of so many objects that are held on a node: the last that came."""
    held = select(_c.place, _c.size).where(_c.node == node, _c.state == State.HELD).order_by(_c.id.desc()).limit(most)
    return [(row.place, row.size) for row in connection.execute(held)]


def count_at_rest(connection: Connection, node: int) -> tuple[int, int]:
    """(objects, bytes) of the same."""
    there = and_(_c.node == node, _c.state.in_(AT_REST))
    row = connection.execute(select(func.count(), func.coalesce(func.sum(_c.size), 0)).where(there)).one()
    return int(row[0]), int(row[1])


def damaged(connection: Connection, node: int) -> list[CustodyRow]:
    """The objects at rest on a node, or on their way there, whose copies are known to be lost or changed."""
    known = and_(_c.node == node, _c.damaged.is_not(None), _c.state.in_(AT_REST))
    return [_row(r) for r in connection.execute(select(t.custody).where(known).order_by(_c.id))]


def count_damaged(connection: Connection) -> dict[int, int]:
    """Node → how many copies that are bound for it or rest there are known to be lost or changed."""
    known = select(_c.node, func.count()).where(_c.damaged.is_not(None), _c.state.in_(AT_REST)).group_by(_c.node)
    return {int(node): int(count) for node, count in connection.execute(known)}


def places(connection: Connection, node: int) -> dict[str, str]:
    """Place → SOP Instance UID of everything that rests on a node, or is on its way there or about to go."""
    there = and_(_c.node == node, _c.quarantined.is_(False), _c.state.in_([*IN_CARE, *AWAITING_DELETION]))
    return dict(connection.execute(select(_c.place, _c.sop_uid).where(there)).all())


def held_bytes(connection: Connection) -> tuple[int, int]:
    """(objects, bytes) held, for the operator."""
    row = connection.execute(select(func.count(), func.coalesce(func.sum(_c.size), 0)).where(_c.state == State.HELD)).one()
    return int(row[0]), int(row[1])


# --- what was withdrawn


def withdrawn(connection: Connection, study_uid: str) -> list[CustodyRow]:
    """The objects of a study that were withdrawn and whose bytes are there yet."""
    rows = select(t.custody).where(_c.study_uid == study_uid, _c.state == State.WITHDRAWN).order_by(_c.id)
    return [_row(r) for r in connection.execute(rows)]


def unreceipted(connection: Connection, study_uid: str) -> list[CustodyRow]:
    """The objects of a study that were purged since the last receipt of it."""
    rows = select(t.custody).where(_c.study_uid == study_uid, _c.state == State.PURGED, _c.kept_until.is_not(None))
    return [_row(r) for r in connection.execute(rows.order_by(_c.id))]


def end_grace(connection: Connection, rows: Collection[CustodyRow]) -> None:
    """Say that these have no grace any more: they are in a receipt, or held again."""
    connection.execute(update(t.custody).where(_c.id.in_([row.id for row in rows])).values(kept_until=None))


def studies_of_dataset(connection: Connection, dataset: int, limit: int) -> list[str]:
    """Study Instance UIDs of a dataset of which an object is held or in review, the first of them."""
    there = and_(_c.dataset == dataset, _c.state.in_(AT_REST))
    return list(connection.execute(select(_c.study_uid).where(there).distinct().order_by(_c.study_uid).limit(limit)).scalars())
