"""What the catalogue says of each dataset, kept as bytes: made by a job, and told where the dataset is open now."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select, update

from adapters.sql import jobs
from adapters.sql import tables as t
from adapters.sql.images import execute, open_datasets
from adapters.sql.store import insert_of, moment, stamp

_d = t.description.c
_PIECES = {"text/turtle": _d.turtle, "application/ld+json": _d.json_ld}
"""Media type → where its bytes are."""
DESCRIBE = "describe"
"""The kind of job that makes a description, whose subject is the dataset's alias."""
DEPOSIT_SECONDS = 20
"""After which what came in or went is counted: a thousand objects, or series, are a few jobs."""


# --- making


def ask(connection: Connection, alias: str, now: datetime, seconds: float = 0) -> None:
    """Have a dataset described anew, this transaction's changes among the rest."""
    jobs.enqueue(connection, DESCRIBE, alias, now, now + timedelta(seconds=seconds))


def find_missing(connection: Connection, basis: str) -> list[str]:
    """The aliases of datasets that are not described on this basis, and for which no job is under way."""
    described = exists().where(_d.dataset == t.dataset.c.id, _d.basis == basis)
    under_way = exists().where(t.job.c.kind == DESCRIBE, t.job.c.subject == t.dataset.c.alias, t.job.c.state.in_(jobs.OPEN))
    missing = select(t.dataset.c.alias).where(~described, ~under_way).order_by(t.dataset.c.alias)
    return list(connection.execute(missing).scalars())


def keep(
    connection: Connection, dataset: int, basis: str, pieces: Mapping[str, bytes], lacking: Iterable[str], now: datetime
) -> bool:
    """Keep what is said of a dataset; False where it was said before, which leaves its moment."""
    said = {_PIECES[media_type].name: piece for media_type, piece in pieces.items()}
    digest = sha256(b"".join(pieces[media_type] for media_type in sorted(pieces))).digest()
    values = dict.fromkeys(c.name for c in _PIECES.values()) | said
    values |= {"basis": basis, "digest": digest, "lacking": json.dumps(list(lacking)), "at": stamp(now)}
    same = and_(_d.dataset == dataset, _d.basis == basis, _d.digest == digest, _d.lacking == values["lacking"])
    if connection.execute(select(_d.dataset).where(same)).first():
        return False
    if not connection.execute(update(t.description).where(_d.dataset == dataset).values(**values)).rowcount:
        connection.execute(insert_of(connection)(t.description).values(dataset=dataset, **values))
    return True


# --- telling


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of one dataset in one format, to be put into a document; and since when."""

    alias: str
    piece: bytes
    at: datetime


def _told(columns: Iterable[Any], datasets: frozenset[int], basis: str) -> Select[Any]:
    """The complete descriptions, on this basis, of those of these datasets that are open at the parameter `at`."""
    complete = and_(_d.basis == basis, _d.turtle.is_not(None))
    rows = select(*columns).select_from(t.description).join(t.dataset, _d.dataset == t.dataset.c.id)
    return rows.where(complete, _d.dataset.in_(open_datasets(datasets)))


def read_page(
    connection: Connection, datasets: frozenset[int], basis: str, media_type: str, after: str, limit: int, now: datetime
) -> list[Description]:
    """The descriptions whose alias comes after another, in the order of aliases."""
    columns = (t.dataset.c.alias, _PIECES[media_type].label("piece"), _d.at)
    page = _told(columns, datasets, basis).where(t.dataset.c.alias > after).order_by(t.dataset.c.alias).limit(limit)
    return [Description(r.alias, bytes(r.piece), moment(r.at)) for r in execute(connection, page, now)]


def count(connection: Connection, datasets: frozenset[int], basis: str, now: datetime) -> int:
    """How many descriptions there are in all pages."""
    return int(execute(connection, _told([func.count()], datasets, basis), now).scalar_one())


def find(
    connection: Connection, datasets: frozenset[int], basis: str, media_type: str, alias: str, now: datetime
) -> Description | None:
    """The description of one dataset."""
    row = execute(
        connection,
        _told((_PIECES[media_type].label("piece"), _d.at), datasets, basis).where(t.dataset.c.alias == alias),
        now,
    ).one_or_none()
    return None if row is None else Description(alias, bytes(row.piece), moment(row.at))


def lacking(connection: Connection, datasets: frozenset[int], basis: str) -> dict[str, list[str] | None]:
    """Alias → the mandatory properties that a dataset lacks; None where it is not described on this basis yet."""
    here = and_(_d.dataset == t.dataset.c.id, _d.basis == basis)
    rows = select(t.dataset.c.alias, _d.lacking).join(t.description, here, isouter=True)
    chosen = rows.where(t.dataset.c.id.in_(sorted(datasets))).order_by(t.dataset.c.id)
    return {alias: None if words is None else json.loads(words) for alias, words in connection.execute(chosen)}
