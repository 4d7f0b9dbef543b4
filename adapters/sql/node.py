"""Nodes: how each is reached, whether it is linked, and the acts that moved it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
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


@dataclass(frozen=True, slots=True)
class NodeAct:
    """What was done to a node, by whom and when."""

    verb: str
    actor: str
    at: datetime


def add(
    connection: Connection,
    now: datetime,
    actor: str,
    *,
    name: str,
    kind: str,
    hosting: Hosting,
    url: str,
    secret_file: str | None,
    networks: Sequence[str],
    allow: Sequence[str],
) -> int:
    """Insert a linked node; its id."""
    values = {"kind": kind, "hosting": str(hosting), "url": url, "secret_file": secret_file, "state": str(NodeState.LINKED)}
    words = {"networks": " ".join(networks), "allow": " ".join(allow)}
    node = governance.insert_row(connection, t.node, now, name=name, **values, **words)
    _record_act(connection, node, "add", actor, now)
    return node


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


def find(connection: Connection, name: str) -> NodeRow | None:
    """The node called so."""
    row = connection.execute(_NODES.where(_c.name == name)).one_or_none()
    return None if row is None else _row(row)


def read_all(connection: Connection) -> tuple[NodeRow, ...]:
    """Every node, in the order they were added."""
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
