"""Blocks: what was withdrawn or refused may not come back into its dataset under the same UID, until an operator lifts that."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, exists, or_, select, update

from adapters.sql import tables as t
from adapters.sql.custody import SopInstance
from adapters.sql.prepared import Prepared
from adapters.sql.store import insert_one, stamp
from consent.custody import IN_CARE, State

_c = t.custody.c


class Blocks(NamedTuple):
    """What keeps an object out: its study is in our care under another dataset; a block in force names it."""

    elsewhere: bool
    blocked: bool


_BLOCKED = exists().where(
    t.block.c.dataset == bindparam("owner"),
    t.block.c.lifted.is_(None),
    or_(
        t.block.c.study_uid == bindparam("study"),
        and_(t.block.c.sop_uid == bindparam("uid"), or_(t.block.c.digest.is_(None), t.block.c.digest == bindparam("content"))),
    ),
)
_ELSEWHERE = exists().where(_c.study_uid == bindparam("study"), _c.dataset != bindparam("owner"), _c.state.in_(IN_CARE))
_BLOCKS = Prepared(select(_ELSEWHERE.label("elsewhere"), _BLOCKED.label("blocked")))


def find_blocks(connection: Connection, dataset: int, instance: SopInstance) -> Blocks:
    """What keeps this object out of this dataset now."""
    named = {"owner": dataset, "study": instance.study_uid, "uid": instance.sop_uid, "content": instance.digest}
    elsewhere, blocked = _BLOCKS.first(connection, named)
    return Blocks(bool(elsewhere), bool(blocked))


def add(connection: Connection, dataset: int, reason: State, now: datetime, **named: object) -> int:
    """Reject by name what arrives under a UID, until lifted; `reason` is what its object came to be.

    `named`: study_uid, or sop_uid and perhaps digest.
    """
    return insert_one(connection, t.block, dataset=dataset, reason=reason, at=stamp(now), **named)


def lift(connection: Connection, uid: str, now: datetime) -> int:
    """Lift every block on a UID; returns how many."""
    b = t.block.c
    named = and_(or_(b.study_uid == uid, b.sop_uid == uid), b.lifted.is_(None))
    return connection.execute(update(t.block).where(named).values(lifted=stamp(now))).rowcount
