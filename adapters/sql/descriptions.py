"""What the catalogue says of each dataset, kept as bytes: made by a job, and told where the dataset is open now."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, case, delete, exists, func, or_, select, update

from adapters.sql import jobs
from adapters.sql import tables as t
from adapters.sql.governance import IN_FORCE
from adapters.sql.images import execute, open_datasets
from adapters.sql.store import insert_of, moment, stamp
from consent.agreement import AgreementState
from consent.custody import State
from mappings.dcat.profiles import Form

_d, _p = t.description.c, t.description_piece.c
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
    described = exists().where(_d.dataset == t.dataset.c.id, _d.basis == basis, _d.agreement_version == t.agreement.c.version)
    under_way = exists().where(t.job.c.kind == DESCRIBE, t.job.c.subject == t.dataset.c.alias, t.job.c.state.in_(jobs.OPEN))
    missing = select(t.dataset.c.alias).join(t.agreement).where(~described, ~under_way).order_by(t.dataset.c.alias)
    return list(connection.execute(missing).scalars())


def size_of(connection: Connection, dataset: int) -> int:
    """The bytes of a dataset's files in our care that are no quarantined ones."""
    mine = select(func.coalesce(func.sum(t.custody.c.size), 0)).join(t.instance, t.instance.c.custody == t.custody.c.id)
    mine = mine.join(t.study, t.instance.c.study == t.study.c.id)
    return int(connection.execute(mine.where(t.study.c.dataset == dataset, t.custody.c.state == State.HELD)).scalar_one())


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a dataset: the digest of what is said, what that lacks, and on which basis and version of the agreement.

    `at` is since when that is said, `issued` since when anybody may read a description; None: nobody yet.
    """

    basis: str
    agreement_version: int
    digest: bytes
    lacking: tuple[str, ...]
    at: datetime
    issued: datetime | None


def find_kept(connection: Connection, dataset: int) -> Kept | None:
    """What is kept of a dataset."""
    r = connection.execute(select(t.description).where(_d.dataset == dataset)).one_or_none()
    if r is None:
        return None
    issued = None if r.issued is None else moment(r.issued)
    return Kept(r.basis, r.agreement_version, bytes(r.digest), tuple(json.loads(r.lacking)), moment(r.at), issued)


def keep(connection: Connection, dataset: int, kept: Kept, pieces: Mapping[Form, bytes]) -> None:
    """Keep what is said of a dataset, in place of what was."""
    values = {"basis": kept.basis, "agreement_version": kept.agreement_version, "digest": kept.digest, "at": stamp(kept.at)}
    values |= {"lacking": json.dumps(kept.lacking), "issued": None if kept.issued is None else stamp(kept.issued)}
    if not connection.execute(update(t.description).where(_d.dataset == dataset).values(**values)).rowcount:
        connection.execute(insert_of(connection)(t.description).values(dataset=dataset, **values))
    connection.execute(delete(t.description_piece).where(_p.dataset == dataset))
    rows = [{"dataset": dataset, "graph": f.graph, "media_type": f.media_type, "piece": piece} for f, piece in pieces.items()]
    if rows:
        connection.execute(t.description_piece.insert(), rows)


# --- telling


@dataclass(frozen=True, slots=True)
class Description:
    """What is said of one dataset in one form, to be put into a document; and since when."""

    alias: str
    piece: bytes
    at: datetime


def _told(columns: Iterable[Any], datasets: frozenset[int], basis: str) -> Select[Any]:
    """The complete descriptions of those of these datasets that are open at the parameter `at`.

    On this basis, and on the version of the agreement that is in force: an older one tells conditions that are no longer so.
    """
    current = and_(_d.basis == basis, _d.lacking == "[]", _d.agreement_version == t.agreement.c.version)
    rows = select(*columns).select_from(t.description).join(t.dataset, _d.dataset == t.dataset.c.id).join(t.agreement)
    return rows.where(current, _d.dataset.in_(open_datasets(datasets)))


def _written(form: Form, datasets: frozenset[int], basis: str) -> Select[Any]:
    here = and_(_p.dataset == _d.dataset, _p.graph == form.graph, _p.media_type == form.media_type)
    return _told((t.dataset.c.alias, _p.piece, _d.at), datasets, basis).join(t.description_piece, here)


def read_page(
    connection: Connection, datasets: frozenset[int], basis: str, form: Form, after: str, limit: int, now: datetime
) -> list[Description]:
    """The descriptions whose alias comes after another, in the order of aliases."""
    page = _written(form, datasets, basis).where(t.dataset.c.alias > after).order_by(t.dataset.c.alias).limit(limit)
    return [Description(r.alias, bytes(r.piece), moment(r.at)) for r in execute(connection, page, now)]


def read_aliases(connection: Connection, datasets: frozenset[int], basis: str, now: datetime) -> tuple[str, ...]:
    """The aliases of all that are told, in order."""
    rows = _told([t.dataset.c.alias], datasets, basis).order_by(t.dataset.c.alias)
    return tuple(execute(connection, rows, now).scalars())


def read_gone(connection: Connection, after: str, last: str | None, emptied: datetime) -> list[tuple[str, datetime]]:
    """Alias, and since when, of what was told and never will be again: its agreement let it be harvested till it was ended.

    Those after an alias, up to the `last` (None: all), in order. What is stopped is not among them, since it may come back; what
    was withdrawn whole is, from when that was `emptied`: by then its grace was over.
    """
    shared = and_(t.agreement_version.c.listed, t.agreement_version.c.federated)
    is_empty = t.dataset.c.stopped <= stamp(emptied)
    over = and_(_d.issued.is_not(None), or_(t.agreement.c.state == AgreementState.TERMINATED, is_empty), shared)
    rows = (
        select(t.dataset.c.alias, case((is_empty, t.dataset.c.stopped), else_=t.agreement.c.updated))
        .join(t.description)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    )
    rows = rows.join(t.agreement_version, IN_FORCE).where(over, t.dataset.c.alias > after).order_by(t.dataset.c.alias)
    ended = rows if last is None else rows.where(t.dataset.c.alias <= last)
    return [(alias, moment(at)) for alias, at in connection.execute(ended)]


def count(connection: Connection, datasets: frozenset[int], basis: str, now: datetime) -> int:
    """How many descriptions there are in all pages."""
    return int(execute(connection, _told([func.count()], datasets, basis), now).scalar_one())


def find(
    connection: Connection, datasets: frozenset[int], basis: str, form: Form, alias: str, now: datetime
) -> Description | None:
    """The description of one dataset."""
    row = execute(connection, _written(form, datasets, basis).where(t.dataset.c.alias == alias), now).one_or_none()
    return None if row is None else Description(alias, bytes(row.piece), moment(row.at))


def lacking(connection: Connection, datasets: frozenset[int], basis: str) -> dict[str, list[str] | None]:
    """Alias → the mandatory properties that a dataset lacks; None where it is not described on this basis yet."""
    here = and_(_d.dataset == t.dataset.c.id, _d.basis == basis, _d.agreement_version == t.agreement.c.version)
    rows = select(t.dataset.c.alias, _d.lacking).join(t.agreement).join(t.description, here, isouter=True)
    chosen = rows.where(t.dataset.c.id.in_(sorted(datasets))).order_by(t.dataset.c.id)
    return {alias: None if words is None else json.loads(words) for alias, words in connection.execute(chosen)}
