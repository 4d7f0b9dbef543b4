"""How far the ledger's tree was told to an outside tracing service, and its entries from there on."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from adapters.sql import tables as t
from adapters.sql.store import insert_of

_c, _l, _b = t.trace_cursor.c, t.ledger_leaf.c, t.ledger_body.c


@dataclass(frozen=True, slots=True)
class TracedRow:
    """An entry at its place in the tree."""

    position: int
    kind: str
    body: bytes
    leaf: bytes


def cursor(connection: Connection) -> int | None:
    """The place in the tree before which all is told; None where nothing was told ever."""
    place: int | None = connection.execute(select(_c.position)).scalar_one_or_none()
    return place


def move(connection: Connection, position: int) -> None:
    """All before this place is told."""
    kept = insert_of(connection)(t.trace_cursor).values(id=1, position=position)
    connection.execute(kept.on_conflict_do_update(index_elements=[_c.id], set_={"position": position}))


def size(connection: Connection) -> int:
    """How many entries have their place in the tree."""
    return int(connection.execute(select(func.coalesce(func.max(_l.position) + 1, 0))).scalar_one())


def entries(connection: Connection, after: int, before: int, kinds: Sequence[str], limit: int) -> list[TracedRow]:
    """Entries of these kinds from one place on to before another, in the tree's order; an erased one is none."""
    found = select(_l.position, _b.kind, _b.body, _l.leaf).join(t.ledger_body, _b.id == _l.id)
    within = found.where(_l.position >= after, _l.position < before, _b.kind.in_(kinds)).order_by(_l.position).limit(limit)
    return [TracedRow(row.position, row.kind, row.body, row.leaf) for row in connection.execute(within)]
