"""Where held instances rest and what is kept of them, for those who may reach them; and whose a study is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from adapters.sql import tables as t
from adapters.sql.custody import Copy
from adapters.sql.images import execute, statement
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
)


def locate(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[StoredInstance]:
    """Where the instances that match rest, in series and arrival order."""
    rows = _instances(query, list(_COLUMNS), visible).join(t.custody, t.instance.c.custody == t.custody.c.id)
    return [StoredInstance(*r) for r in execute(connection, rows.where(t.custody.c.state == State.HELD), now).all()]


def metadata(connection: Connection, query: Query, visible: VisibleDatasets, now: datetime) -> list[bytes]:
    """The full metadata objects of the instances that match (PS3.18 10.4.1.1.2). Raises TooLarge for more than fit an answer."""
    sizes = _instances(query, [func.length(t.instance.c.metadata).label("size")], visible).subquery()
    if (execute(connection, select(func.sum(sizes.c.size)), now).scalar_one() or 0) > MOST_METADATA:
        raise TooLarge(
            "metadata-too-large", f"This is more than {MOST_METADATA >> 20} MB of metadata: ask by series or instance."
        )
    return list(execute(connection, _instances(query, [t.instance.c.metadata], visible), now).scalars())


def _instances(query: Query, columns: list[Any], visible: VisibleDatasets) -> Select[Any]:
    return statement(query, columns, visible).order_by(t.instance.c.series, t.instance.c.id).limit(query.page.limit)


def dataset_of(connection: Connection, study_uid: str) -> int | None:
    """The dataset a study belongs to, whoever asks; None for a study that is not in the index."""
    return connection.execute(select(t.study.c.dataset).where(t.study.c.study_uid == study_uid)).scalar_one_or_none()
