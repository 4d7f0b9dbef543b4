"""Nodes: how each is reached, whether it is linked, and the acts that moved it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
from consent.agreement import ENDED
from consent.custody import AWAITING_DELETION, IN_CARE
from consent.node import Hosting, NodeState

_c, _act = t.node.c, t.node_act.c


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as configured: where pixels rest, and the networks its compute clients call from."""

    id: int
    name: str
    kind: str
    hosting: Hosting
    url: str
    secret_file: str | None
    networks: tuple[str, ...]
    allow: frozenset[str]
    state: NodeState
    marker: str
    """What a folder says that is this node's: the name, and when it was added; no other node was called so then."""

    @property
    def is_read_only(self) -> bool:
        """Whether nothing is ever sent there: what it holds is brought in."""
        return self.kind == "dicomweb"


@dataclass(frozen=True, slots=True)
class NodeAct:
    """What was done to a node, by whom and when."""

    verb: str
    actor: str
    at: datetime


def add(connection: Connection, now: datetime, actor: str, *, name: str, **values: str | None) -> int:
    """Insert a linked node with these columns; its id."""
    node = governance.insert_row(connection, t.node, now, name=name, **values, state=str(NodeState.LINKED))
    _record_act(connection, node, "add", actor, now)
    return node


def change(connection: Connection, node: int, actor: str, now: datetime, **values: str | None) -> None:
    """Keep that a node was set, and set these columns of it."""
    _record_act(connection, node, "set", actor, now)
    governance.update_row(connection, t.node, node, now, **values)


def revive(connection: Connection, node: int, actor: str, now: datetime, **values: str | None) -> None:
    """Begin a removed node anew, linked, with these columns: its name is what everything knows it by."""
    _record_act(connection, node, "add", actor, now)
    governance.update_row(connection, t.node, node, now, **values, state=str(NodeState.LINKED))


def move(connection: Connection, node: int, verb: str, state: NodeState, actor: str, now: datetime) -> None:
    """Keep what was done to a node, and put it into this state."""
    _record_act(connection, node, verb, actor, now)
    governance.update_row(connection, t.node, node, now, state=str(state))


def _record_act(connection: Connection, node: int, verb: str, actor: str, now: datetime) -> None:
    connection.execute(insert(t.node_act).values(node=node, verb=verb, actor=actor, at=stamp(now)))


def read_acts(connection: Connection, node: int) -> tuple[NodeAct, ...]:
    """Everything that was done to a node, in order."""
    rows = connection.execute(select(t.node_act).where(_act.node == node).order_by(_act.id))
    return tuple(NodeAct(row.verb, row.actor, moment(row.at)) for row in rows)


def find(connection: Connection, name: str, *, removed: bool = False) -> NodeRow | None:
    """The node called so; a removed one only where that is asked for."""
    row = connection.execute(_NODES.where(_c.name == name)).one_or_none()
    return None if row is None or (row.state == str(NodeState.REMOVED)) is not removed else _row(row)


def read_users(connection: Connection, node: int) -> list[str]:
    """What needs a node, in words: agreements that are not over, clients inside it, objects there or on their way."""
    a, v, c, kept = t.agreement.c, t.agreement_version.c, t.client.c, t.custody.c
    standing = a.state.not_in(map(str, ENDED))
    agreements = select(a.key).join(t.agreement_version, governance.IN_FORCE).where(v.node == node, standing).order_by(a.id)
    clients = select(c.client_id).where(c.node == node).order_by(c.id)
    there = select(func.count()).where(kept.node == node, kept.state.in_([*IN_CARE, *AWAITING_DELETION]))
    objects = connection.execute(there).scalar_one()
    return [
        *(f"agreement {key}" for key in connection.execute(agreements).scalars()),
        *(f"client {key}" for key in connection.execute(clients).scalars()),
        *([f"{objects} objects"] if objects else []),
    ]


def read_all(connection: Connection) -> tuple[NodeRow, ...]:
    """Every node, removed ones too, in the order they were added."""
    return tuple(_row(row) for row in connection.execute(_NODES.order_by(_c.id)))


_ADDED = select(func.min(_act.at)).where(_act.node == _c.id).scalar_subquery()
_NODES = select(t.node, _ADDED.label("added"))


def _row(row: Any) -> NodeRow:
    return NodeRow(
        id=row.id,
        name=row.name,
        kind=row.kind,
        hosting=Hosting(row.hosting),
        url=row.url,
        secret_file=row.secret_file,
        networks=tuple(row.networks.split()),
        allow=frozenset(row.allow.split()),
        state=NodeState(row.state),
        marker=f"{row.name} {row.added or 0}",
    )
