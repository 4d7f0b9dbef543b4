"""What is indexed in an older form: found by its study, and made again from what its files say now.

An instance is kept by itself, at once; its study and series when all of it is: a study says its form last, so one that is broken
off is begun again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from adapters.sql import tables as t
from adapters.sql.custody import Copy
from adapters.sql.index import FORM, fitted, insert_items, instance_values, read_header, series_values, study_values
from adapters.sql.store import stamp
from mappings.dicom.fragment import study_fragment
from mappings.dicom.header import Header

_s, _e, _i, _c = t.study.c, t.series.c, t.instance.c, t.custody.c
_KEEP = ("sop_class", "number", "frames", "title", "laterality")
"""Columns of an instance of which its study's document tells."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """An instance as it is indexed: its row, the row of its series, and where its file rests."""

    id: int
    series: int
    copy: Copy


@dataclass(slots=True)
class Reread:
    """What was read again of a study: the headers of its first object and of each series' first, and how many instances.

    `told_otherwise`: whether one of them says other than it did of what the study's document tells.
    """

    first: Header
    series: dict[int, Header]
    count: int = 0
    told_otherwise: bool = False


def count_old(connection: Connection) -> int:
    """How many studies have something in an older form."""
    return int(connection.execute(select(func.count()).select_from(t.study).where(_s.form < FORM)).scalar_one())


def old(connection: Connection, after: int, limit: int) -> list[int]:
    """Studies behind a row that have something in an older form, in the order of their rows."""
    rows = select(_s.id).where(_s.form < FORM, _s.id > after).order_by(_s.id).limit(limit)
    return list(connection.execute(rows).scalars())


def instances(connection: Connection, study: int) -> list[Indexed]:
    """A study's instances in the order they came."""
    copies = (_c.id, _c.node, _c.place, _c.size, _c.file_digest)
    rows = select(_i.id, _i.series, *copies).join(t.custody, _i.custody == _c.id).where(_i.study == study).order_by(_i.id)
    return [Indexed(row[0], row[1], Copy(row[2], row[3], False, *row[4:])) for row in connection.execute(rows)]


def keep_instance(connection: Connection, key: int, header: Header, metadata: bytes) -> bool:
    """Keep what an instance's file says; whether its study's document is to say something else for it."""
    values = instance_values(header)
    before = connection.execute(select(*(_i[name] for name in _KEEP)).where(_i.id == key)).one_or_none()
    connection.execute(update(t.instance).where(_i.id == key).values(**values, metadata=metadata))
    return before is not None and tuple(before) != tuple(values[name] for name in _KEEP)


def keep_study(connection: Connection, key: int, read: Reread, now: datetime) -> None:
    """Keep what the first objects of a study and of its series say; its document is due where that is told otherwise.

    Its form is that of this release where it has as many instances as were read: what came meanwhile may be of another one.
    """
    row = connection.execute(select(t.study).where(_s.id == key).with_for_update()).one_or_none()
    if row is None:
        return
    for table in (t.coded, t.request):
        connection.execute(delete(table).where(table.c.study == key))
    insert_items(connection, read.first, key)
    others = [_keep_series(connection, key, each, own) for each, own in read.series.items()]
    values = fitted(t.study, study_values(read.first)) | {"fragment": _fragment(connection, row, read.first)}
    if row.instances == read.count:
        values["form"] = FORM
    if read.told_otherwise or _is_other(row, read.first) or any(others):
        values |= {"touched": stamp(now), "dirty_since": func.coalesce(_s.dirty_since, stamp(now))}
    connection.execute(update(t.study).where(_s.id == key).values(**values))


def _is_other(row: Any, header: Header) -> bool:
    return read_header(row.header) != header


def _keep_series(connection: Connection, study: int, key: int, header: Header) -> bool:
    """Keep what a series' first object says; whether that is other than it was."""
    row = connection.execute(select(_e.header, _e.instances).where(_e.id == key)).one()
    insert_items(connection, header, study, key)
    values = fitted(t.series, series_values(header, row.instances))
    connection.execute(update(t.series).where(_e.id == key).values(**values))
    return _is_other(row, header)


def _fragment(connection: Connection, row: Any, header: Header) -> bytes:
    named = select(t.party.c.key).join(t.agreement, t.agreement.c.party == t.party.c.id)
    named = named.join(t.dataset, t.dataset.c.agreement == t.agreement.c.id).where(t.dataset.c.id == row.dataset)
    modalities, classes = row.modalities.split(), row.sop_classes.split()
    counts = {"series": row.series, "instances": row.instances}
    provider = connection.execute(named).scalar_one()
    return study_fragment(header, issuer=provider, modalities=modalities, sop_classes=classes, **counts).encode()
