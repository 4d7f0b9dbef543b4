"""Who called the DICOM door of late: a row for each pair of AE titles, address and outcome, and the newest of them only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_

from adapters.sql import tables as t
from adapters.sql.store import insert_of, moment, stamp

_a = t.association.c
_KEY = (_a.calling, _a.called, _a.address, _a.reason)
_NEWEST = (_a.at.desc(), *_KEY)
KEPT = 500
"""Rows that are kept: a stranger can make as many as it has AE titles to try."""


@dataclass(frozen=True, slots=True)
class AssociationRow:
    """Associations that were alike: AE titles, address, why they were refused ("": they were not), how many, and the last."""

    calling: str
    called: str
    address: str
    reason: str
    times: int
    at: datetime


def note(connection: Connection, rows: Iterable[AssociationRow]) -> None:
    """Add these to what is known of their like, and forget what is older than the newest."""
    for row in rows:
        values = {"calling": row.calling, "called": row.called, "address": row.address, "reason": row.reason}
        said = insert_of(connection)(t.association).values(**values, times=row.times, at=stamp(row.at))
        more = {"times": _a.times + row.times, "at": stamp(row.at)}
        connection.execute(said.on_conflict_do_update(index_elements=[*_KEY], set_=more))
    newest = select(*_KEY).order_by(*_NEWEST).limit(KEPT)
    connection.execute(delete(t.association).where(tuple_(*_KEY).not_in(newest)))


def read_all(connection: Connection) -> tuple[AssociationRow, ...]:
    """All that are kept, the newest first."""
    rows = connection.execute(select(t.association).order_by(*_NEWEST))
    return tuple(AssociationRow(r.calling, r.called, r.address, r.reason, r.times, moment(r.at)) for r in rows)
