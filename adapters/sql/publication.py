"""Publications: the published work on a dataset, with the DOI that each side wants told."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.agreement import Side
from consent.publication import Publication

_p = t.publication.c
_DOI_OF = {Side.PROVIDER: _p.doi_of_provider, Side.REPOSITORY: _p.doi_of_repository}


def add(connection: Connection, dataset: int, published: Publication) -> None:
    """Keep a publication on a dataset."""
    said = {"key": published.key, "title": published.title, "summary": published.summary, "at": stamp(published.at)}
    dois = {"doi_of_provider": published.doi_of_provider, "doi_of_repository": published.doi_of_repository}
    insert_one(connection, t.publication, dataset=dataset, **said, **dois)


def read(connection: Connection, dataset: int) -> list[Publication]:
    """Those of a dataset that were not removed, in the order they came."""
    rows = connection.execute(select(t.publication).where(_p.dataset == dataset, _p.removed.is_(None)).order_by(_p.id))
    return [Publication(r.key, r.title, r.summary, moment(r.at), r.doi_of_provider, r.doi_of_repository) for r in rows]


def set_doi(connection: Connection, key: str, side: Side, doi: str | None) -> None:
    """Say which DOI a side wants told."""
    connection.execute(update(t.publication).where(_p.key == key).values({_DOI_OF[side]: doi}))


def remove(connection: Connection, key: str, now: datetime) -> None:
    """Tell of it no more."""
    connection.execute(update(t.publication).where(_p.key == key).values(removed=stamp(now)))
