"""Storage Commitment: what senders asked us to confirm and were not answered yet; and which of it is in our care."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, stamp
from consent.custody import AT_REST

_c = t.commitment.c
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class CommitmentRow:
    """A request that waits for its report: by which sender, under which transaction, for which (class, instance)s."""

    id: int
    sender: int
    transaction: str
    references: tuple[tuple[str, str], ...]


def keep(connection: Connection, sender: int, transaction: str, references: Sequence[tuple[str, str]], now: datetime) -> int:
    """Keep a request; one under a transaction that waits already is asked anew. Its id."""
    asked = {"asked": json.dumps(references), "at": stamp(now)}
    again = update(t.commitment).where(_c.sender == sender, _c.transaction == transaction).values(**asked).returning(_c.id)
    key = connection.execute(again).scalar_one_or_none()
    return key or insert_one(connection, t.commitment, sender=sender, transaction=transaction, **asked)


def waiting(connection: Connection, sender: int) -> int:
    """How many requests of a sender wait for their report."""
    return int(connection.execute(select(func.count()).where(_c.sender == sender)).scalar_one())


def find(connection: Connection, key: int) -> CommitmentRow | None:
    """The request with this id."""
    row = connection.execute(select(t.commitment).where(_c.id == key)).one_or_none()
    return None if row is None else CommitmentRow(row.id, row.sender, row.transaction, tuple(map(tuple, json.loads(row.asked))))


def forget(connection: Connection, row: CommitmentRow) -> None:
    """Forget a request that was answered, or can't be."""
    connection.execute(delete(t.commitment).where(_c.id == row.id))


def failures(connection: Connection, dataset: int, references: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Why what is not kept for this dataset is not, by SOP Instance UID: unknown, damaged, or of other-class.

    What waits in quarantine is kept too; of that no class is known yet.
    """
    kept: dict[str, tuple[int | None, str | None]] = {}
    uids = [uid for _, uid in references]
    for at in range(0, len(uids), _TOGETHER):
        rows = (
            select(t.custody.c.sop_uid, t.custody.c.damaged, t.instance.c.sop_class)
            .outerjoin(t.instance, t.instance.c.custody == t.custody.c.id)
            .where(t.custody.c.sop_uid.in_(uids[at : at + _TOGETHER]))
            .where(t.custody.c.dataset == dataset, t.custody.c.state.in_(AT_REST))
        )
        kept |= {row.sop_uid: (row.damaged, row.sop_class) for row in connection.execute(rows)}
    found = {uid: _failure(sop_class, *kept[uid]) if uid in kept else "unknown" for sop_class, uid in references}
    return {uid: why for uid, why in found.items() if why is not None}


def _failure(asked: str, damaged: int | None, sop_class: str | None) -> str | None:
    if damaged is not None:
        return "damaged"
    return None if sop_class in (asked, None) else "other-class"
