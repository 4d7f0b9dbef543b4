"""Nodes whose own content is brought into a dataset: which into which, and how far that is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_of, moment, stamp
from consent.deposit import Code

_s = t.node_sync.c
SYNC = "sync"
"""The door of a batch of what a node held already; its peer is the node's name, a file's name its place there."""
_UNJUDGED = (Code.AGREEMENT_INACTIVE, Code.AGREEMENT_EXPIRED, Code.NODE_NOT_LINKED, Code.RETRY_LATER)


@dataclass(frozen=True, slots=True)
class NodeSync:
    """A node and the dataset its content goes into, who asked for it, and since when what was presented is not asked for again.

    `since`: its feed was read up to here; `swept`: when everything it holds was last gone through, None where that is to be done.
    """

    node: int
    dataset: int
    actor: str
    begun: datetime
    since: int | None
    swept: datetime | None


def _row(r: Any) -> NodeSync:
    return NodeSync(r.node, r.dataset, r.actor, moment(r.begun), r.since, None if r.swept is None else moment(r.swept))


def find(connection: Connection, node: int) -> NodeSync | None:
    """What a node is brought into."""
    row = connection.execute(select(t.node_sync).where(_s.node == node)).one_or_none()
    return None if row is None else _row(row)


def begin(connection: Connection, node: int, dataset: int, actor: str, now: datetime) -> None:
    """Bring a node into a dataset from the beginning: all it holds is presented, also what was before."""
    values = {"dataset": dataset, "actor": actor, "begun": stamp(now), "since": None, "swept": None}
    added = insert_of(connection)(t.node_sync).values(node=node, **values)
    connection.execute(added.on_conflict_do_update(index_elements=["node"], set_=values))


def advance(connection: Connection, sync: NodeSync, since: int | None, swept: datetime | None = None) -> None:
    """Keep how far it is, unless it was begun anew or ended meanwhile; a sweep that is over is kept too where one is given."""
    values = {"since": since} if swept is None else {"since": since, "swept": stamp(swept)}
    mine = (_s.node == sync.node) & (_s.begun == stamp(sync.begun))
    connection.execute(update(t.node_sync).where(mine).values(**values))


def end(connection: Connection, node: int) -> None:
    """Leave a node's own content alone from now on."""
    connection.execute(delete(t.node_sync).where(_s.node == node))


def is_nodes_own(connection: Connection, batch: int) -> bool:
    """Whether what this batch brought lay on its node already: then it is not ours to delete there."""
    return connection.execute(select(t.batch.c.id).where(t.batch.c.id == batch, t.batch.c.door == SYNC)).first() is not None


def presented(connection: Connection, name: str, begun: datetime) -> set[str]:
    """The places on the node of this name whose files were judged since `begun`, whatever became of them."""
    b, r = t.batch.c, t.receipt.c
    judged = (b.door == SYNC, b.peer == name, b.opened >= stamp(begun), r.rule.not_in(_UNJUDGED))
    return set(connection.execute(select(r.name).join(t.batch, r.batch == b.id).where(*judged)).scalars())
