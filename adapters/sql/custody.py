"""Custody rows: one for each SOP Instance UID in our care, and its moves.

– → receiving → held or review; review → receiving → held, or refusing → refused; held → withdrawn → purged; receiving → gone.
A partial unique index over receiving, held and review is what lets only one of two racing doors win a UID.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, exists, func, or_, select, text, update

from adapters.sql import tables as t
from adapters.sql.store import added, stamp

IN_CARE = ("receiving", "held", "review")
_c = t.custody.c


@dataclass(frozen=True, slots=True)
class Object:
    """An object as custody knows it: who it is, its digests, where it is to rest."""

    sop_uid: str
    series_uid: str
    study_uid: str
    patient_id: str
    digest: bytes
    file_digest: bytes
    size: int
    dataset_start: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Bound:
    """Where an object is to rest: its dataset, its node, the place there or in quarantine; the batch and name it came under."""

    dataset: int
    node: int
    batch: int
    quarantined: bool
    place: str
    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One custody row."""

    id: int
    object: Object
    dataset: int
    node: int
    batch: int
    state: str
    quarantined: bool
    place: str
    name: str
    rule: str
    holder: str | None
    lease: int | None


def lock_study(connection: Connection, study_uid: str) -> None:
    """Let one transaction at a time claim within a study, so that it can't come to belong to two datasets."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:uid, 0))"), {"uid": study_uid})


# Statements of the receiving path are built once: building costs as much as running them.
_UNDER_UID = select(t.custody).where(_c.sop_uid == bindparam("uid"), _c.state.in_(IN_CARE))
_BLOCKS = exists().where(
    t.block.c.dataset == bindparam("owner"),
    t.block.c.lifted.is_(None),
    or_(
        t.block.c.study_uid == bindparam("study"),
        and_(t.block.c.sop_uid == bindparam("uid"), or_(t.block.c.digest.is_(None), t.block.c.digest == bindparam("content"))),
    ),
)
_ELSEWHERE = exists().where(_c.study_uid == bindparam("study"), _c.dataset != bindparam("owner"), _c.state.in_(IN_CARE))
_STANDING = select(_ELSEWHERE.label("elsewhere"), _BLOCKS.label("blocked"))
_SETTLE = (
    update(t.custody)
    .where(_c.id == bindparam("row"), _c.state == "receiving", _c.holder == bindparam("mine"))
    .values(state=bindparam("settled"), holder=None, lease=None, at=bindparam("now"))
)


def in_care(connection: Connection, sop_uid: str) -> Kept | None:
    """The row in our care under this SOP Instance UID."""
    row = connection.execute(_UNDER_UID, {"uid": sop_uid}).one_or_none()
    return None if row is None else _kept(row)


def by_id(connection: Connection, key: int) -> Kept | None:
    """A row by its id."""
    row = connection.execute(select(t.custody).where(_c.id == key)).one_or_none()
    return None if row is None else _kept(row)


def holds(connection: Connection, key: int) -> bool:
    """Whether this row is held now: not withdrawn, whatever still lies on its node."""
    return connection.execute(_HELD, {"row": key}).first() is not None


_HELD = select(_c.id).where(_c.id == bindparam("row"), _c.state == "held")


def _kept(r: Any) -> Kept:
    seen = Object(
        r.sop_uid,
        r.series_uid,
        r.study_uid,
        r.patient_id,
        r.digest,
        r.file_digest,
        r.size,
        r.dataset_start,
        r.transfer_syntax,
    )
    return Kept(r.id, seen, r.dataset, r.node, r.batch, r.state, r.quarantined, r.place, r.name, r.rule, r.holder, r.lease)


def standing(connection: Connection, dataset: int, seen: Object) -> tuple[bool, bool]:
    """(its study is in our care under another dataset, a block in force rejects it by name)."""
    named = {"owner": dataset, "study": seen.study_uid, "uid": seen.sop_uid, "content": seen.digest}
    elsewhere, blocked = connection.execute(_STANDING, named).one()
    return bool(elsewhere), bool(blocked)


def claim(connection: Connection, seen: Object, bound: Bound, *, rule: str, holder: str, lease: datetime, now: datetime) -> int:
    """Insert the receiving row; its id. Raises IntegrityError where another door holds the UID."""
    held = {"state": "receiving", "rule": rule, "holder": holder, "lease": stamp(lease), "at": stamp(now)}
    return added(connection, t.custody, **_columns(seen), **_columns(bound), **held)


def _columns(noun: Object | Bound) -> dict[str, object]:
    return {name: getattr(noun, name) for name in noun.__slots__}


def take_over(connection: Connection, key: int, holder: str, lease: datetime, batch: int, name: str) -> bool:
    """Make a receiving row ours (the same content has arrived again, or its lease ended)."""
    values = {"holder": holder, "lease": stamp(lease), "batch": batch, "name": name}
    return connection.execute(update(t.custody).where(_c.id == key, _c.state == "receiving").values(**values)).rowcount == 1


def settle(connection: Connection, key: int, holder: str, state: str, now: datetime) -> bool:
    """Flip our receiving row to `state`; False where it is no longer ours."""
    named = {"row": key, "mine": holder, "settled": state, "now": stamp(now)}
    return connection.execute(_SETTLE, named).rowcount == 1


def released(connection: Connection, key: int, place: str, rule: str) -> None:
    """Say where a released object rests now: on its node, no longer in quarantine."""
    connection.execute(update(t.custody).where(_c.id == key).values(quarantined=False, place=place, rule=rule))


def drop(connection: Connection, key: int, holder: str) -> bool:
    """Forget our receiving row: nothing of it is kept."""
    return connection.execute(delete(t.custody).where(_c.id == key, _c.state == "receiving", _c.holder == holder)).rowcount == 1


def abandon(connection: Connection, key: int, holder: str, now: datetime) -> bool:
    """Give our receiving row up and its bytes to the purge; False where another door holds or has settled it meanwhile."""
    mine = and_(_c.id == key, _c.state == "receiving", _c.holder == holder)
    values = {"state": "refusing", "holder": None, "lease": None, "at": stamp(now)}
    return connection.execute(update(t.custody).where(mine).values(**values)).rowcount == 1


def expire(connection: Connection, key: int, holder: str, now: datetime) -> None:
    """Give a receiving row up to the worker, who asks the node what became of it."""
    connection.execute(update(t.custody).where(_c.id == key, _c.holder == holder).values(lease=stamp(now)))


def move(connection: Connection, key: int, origin: str, state: str, now: datetime, **values: object) -> bool:
    """Move a row from one state to another; False where it is not in `origin`."""
    moving = update(t.custody).where(_c.id == key, _c.state == origin).values(state=state, at=stamp(now), **values)
    return connection.execute(moving).rowcount == 1


def expired(connection: Connection, now: datetime, limit: int = 100) -> list[Kept]:
    """Receiving rows whose lease has ended."""
    late = select(t.custody).where(_c.state == "receiving", _c.lease <= stamp(now)).order_by(_c.lease).limit(limit)
    return [_kept(r) for r in connection.execute(late)]


PASSING = ("withdrawn", "refusing")
_FREE = or_(_c.lease.is_(None), _c.lease <= bindparam("now"))
_AT_PLACE = and_(
    _c.place == bindparam("at_place"), _c.node == bindparam("at_node"), _c.quarantined == bindparam("is_quarantined")
)
_LEAVING = select(exists().where(_AT_PLACE, _c.state.in_(PASSING)))
_STAYED = (
    update(t.custody)
    .where(_AT_PLACE, _c.state.in_(PASSING), _c.lease.is_(None))
    .values(state=case((_c.state == "withdrawn", "purged"), else_="refused"))
)


def passing(connection: Connection, now: datetime, limit: int = 100) -> list[Kept]:
    """Rows whose bytes are to be deleted where they rest and nobody is deleting now: withdrawn, refused or superseded."""
    found = select(t.custody).where(_c.state.in_(PASSING), _FREE).order_by(_c.id).limit(limit)
    return [_kept(r) for r in connection.execute(found, {"now": stamp(now)})]


def reclaim(connection: Connection, bound: Bound) -> bool:
    """Keep bytes that were to be deleted at this very place, since they are wanted again; False where they are being deleted."""
    named = {"at_place": bound.place, "at_node": bound.node, "is_quarantined": bound.quarantined}
    if not connection.execute(_LEAVING, named).scalar():
        return True
    connection.execute(_STAYED, named)
    return not connection.execute(_LEAVING, named).scalar()


def purge(connection: Connection, kept: Kept, holder: str, lease: datetime, now: datetime) -> bool:
    """Begin to delete a passing row's bytes; False where somebody else does. Nothing comes to rest there meanwhile."""
    mine = update(t.custody).where(_c.id == kept.id, _c.state == kept.state, _FREE).values(holder=holder, lease=stamp(lease))
    return connection.execute(mine, {"now": stamp(now)}).rowcount == 1


def place_in_use(connection: Connection, kept: Kept) -> bool:
    """Whether another row in our care rests at the same place (the same bytes in two rows)."""
    same = and_(_c.place == kept.place, _c.quarantined == kept.quarantined, _c.node == kept.node)
    return bool(connection.execute(select(exists().where(and_(same, _c.id != kept.id, _c.state.in_(IN_CARE))))).scalar())


def in_review(connection: Connection, batch: int) -> list[Kept]:
    """The objects of one batch that wait for a person."""
    return [
        _kept(r) for r in connection.execute(select(t.custody).where(_c.batch == batch, _c.state == "review").order_by(_c.id))
    ]


def of_study(connection: Connection, study_uid: str, dataset: int | None = None) -> list[Kept]:
    """The objects of one study that are held or in review."""
    found = select(t.custody).where(_c.study_uid == study_uid, _c.state.in_(["held", "review"]))
    return [_kept(r) for r in connection.execute(found if dataset is None else found.where(_c.dataset == dataset))]


def known(connection: Connection, dataset: int, digests: Sequence[bytes]) -> dict[bytes, Object]:
    """Those of these files that this dataset has in care already (held or in review), by their SHA-256."""
    found = select(t.custody).where(_c.dataset == dataset, _c.file_digest.in_(digests), _c.state.in_(["held", "review"]))
    return {r.file_digest: _kept(r).object for r in connection.execute(found)}


def waiting(connection: Connection, batch: int) -> int:
    """How many objects of a batch wait for a person."""
    return connection.execute(select(func.count()).where(_c.batch == batch, _c.state == "review")).scalar_one()


def add_block(connection: Connection, dataset: int, reason: str, now: datetime, **named: object) -> int:
    """Reject by name what arrives under a UID, until lifted. `named`: study_uid, or sop_uid and perhaps digest."""
    return added(connection, t.block, dataset=dataset, reason=reason, at=stamp(now), **named)


def lift_block(connection: Connection, uid: str, now: datetime) -> int:
    """Lift every block on a UID; returns how many."""
    b = t.block.c
    named = and_(or_(b.study_uid == uid, b.sop_uid == uid), b.lifted.is_(None))
    return connection.execute(update(t.block).where(named).values(lifted=stamp(now))).rowcount


def places(connection: Connection, node: int) -> dict[str, str]:
    """Place → SOP Instance UID of everything that rests on a node, or is on its way there or about to go."""
    resting = and_(_c.node == node, _c.quarantined.is_(False), _c.state.in_([*IN_CARE, *PASSING]))
    return dict(connection.execute(select(_c.place, _c.sop_uid).where(resting)).all())


def held_bytes(connection: Connection) -> tuple[int, int]:
    """(objects, bytes) held, for the operator."""
    row = connection.execute(select(func.count(), func.coalesce(func.sum(_c.size), 0)).where(_c.state == "held")).one()
    return int(row[0]), int(row[1])


def lease_for(size: int, now: datetime, seconds: int) -> datetime:
    """When a claim ends: the configured time and a second for each megabyte, so that a slow node is not raced."""
    return now + timedelta(seconds=seconds + size / 1_000_000)
