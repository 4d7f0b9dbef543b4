"""Where held instances rest and what is kept of them, for those who may reach them; and whose a study is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from adapters.sql import tables as t
from adapters.sql.custody import Copy
from adapters.sql.images import statement
from adapters.sql.kept import Questions
from adapters.sql.keyset import LIMIT
from adapters.sql.prepared import Prepared
from consent.custody import State
from consent.policy import VisibleDatasets
from mappings.failures import TooLarge
from mappings.query import Query

MOST_METADATA = 128 << 20
"""Bytes of metadata in one answer, which is held whole."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One held instance a caller may reach: what it is and where it rests."""

    custody: int
    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    frames: int
    transfer_syntax: str
    size: int
    dataset_start: int
    file_digest: bytes
    node: int
    place: str
    damaged: int | None
    crc32: int | None
    number: int | None

    @property
    def copy(self) -> Copy:
        """What reading it back needs."""
        return Copy(self.custody, self.node, False, self.place, self.size, self.file_digest)


_COLUMNS = (
    t.custody.c.id,
    t.study.c.study_uid,
    t.series.c.series_uid,
    t.instance.c.sop_uid,
    t.instance.c.sop_class,
    t.instance.c.frames,
    t.custody.c.transfer_syntax,
    t.custody.c.size,
    t.custody.c.dataset_start,
    t.custody.c.file_digest,
    t.custody.c.node,
    t.custody.c.place,
    t.custody.c.damaged,
    t.custody.c.crc32,
    t.instance.c.number,
)


def locate(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[StoredInstance]:
    """Where the instances that match rest, in series and arrival order."""
    return [StoredInstance(*r) for r in _located.told(connection, query, visible, now, limit=query.page.limit)]


@Questions
def _located(query: Query, visible: VisibleDatasets) -> Select[Any]:
    rows = _instances(query, list(_COLUMNS), visible).join(t.custody, t.instance.c.custody == t.custody.c.id)
    return rows.where(t.custody.c.state == State.HELD)


def metadata(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """The full metadata objects of the instances that match (PS3.18 10.4.1.1.2). Raises TooLarge for more than fit an answer."""
    ((size,),) = _weighed.told(connection, query, visible, now, limit=query.page.limit)
    if (size or 0) > MOST_METADATA:
        raise TooLarge(
            "metadata-too-large", f"This is more than {MOST_METADATA >> 20} MB of metadata: ask by series or instance."
        )
    return [row[0] for row in _described.told(connection, query, visible, now, limit=query.page.limit)]


@Questions
def _weighed(query: Query, visible: VisibleDatasets) -> Select[Any]:
    sizes = _instances(query, [func.length(t.instance.c.metadata).label("size")], visible).subquery()
    return select(func.sum(sizes.c.size))


@Questions
def _described(query: Query, visible: VisibleDatasets) -> Select[Any]:
    return _instances(query, [t.instance.c.metadata], visible)


def _instances(query: Query, columns: list[Any], visible: VisibleDatasets) -> Select[Any]:
    return statement(query, columns, visible).order_by(t.instance.c.series, t.instance.c.id).limit(LIMIT)


def dataset_of(connection: Connection, study_uid: str) -> int | None:
    """The dataset a study belongs to, whoever asks; None for a study that is not in the index."""
    row = _DATASET_OF.first(connection, {"uid": study_uid})
    return None if row is None else int(row.dataset)


_DATASET_OF = Prepared(select(t.study.c.dataset).where(t.study.c.study_uid == bindparam("uid")))
