"""Datasets: their own description, and the directory's view of where each is reached."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, or_, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.criteria import Column
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, own
from adapters.sql.governance import IN_FORCE, is_open
from adapters.sql.store import moment, stamp
from consent.dataset import DatasetEndpoint
from mappings.fields import Kind

_a, _d, _n, _p, _v = t.agreement.c, t.dataset.c, t.node.c, t.party.c, t.agreement_version.c


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset's own description, for catalogues and listings; `party` is its provider's id."""

    id: int
    alias: str
    party: int
    provider: str
    provider_name: str
    agreement: str
    title: str
    description: str
    details: Mapping[str, Any]
    updated: datetime


def add(connection: Connection, now: datetime, *, alias: str, agreement: int, title: str, description: str) -> int:
    """Insert a dataset; its id."""
    values = {"alias": alias, "agreement": agreement, "title": title, "description": description, "details": "{}"}
    return governance.insert_row(connection, t.dataset, now, **values)


def describe(
    connection: Connection, row: DatasetRow, now: datetime, *, title: str, description: str, details: Mapping[str, str]
) -> None:
    """Set what is said of a dataset."""
    values = {"title": title, "description": description, "details": json.dumps(details, sort_keys=True)}
    governance.update_row(connection, t.dataset, row.id, now, **values)


_ROWS = (
    select(
        t.dataset, _p.id.label("party"), _p.key.label("provider"), _p.name.label("provider_name"), _a.key.label("agreement_key")
    )
    .join(t.agreement, _d.agreement == _a.id)
    .join(t.party, _a.party == _p.id)
)


def find(connection: Connection, alias: str) -> DatasetRow | None:
    """The dataset called so."""
    row = connection.execute(_ROWS.where(_d.alias == alias)).one_or_none()
    return None if row is None else _row(row)


def read_all(connection: Connection) -> tuple[DatasetRow, ...]:
    """Every dataset's description, in the order they were added."""
    return tuple(_row(row) for row in connection.execute(_ROWS.order_by(_d.id)))


def _row(row: Any) -> DatasetRow:
    return DatasetRow(
        id=row.id,
        alias=row.alias,
        party=row.party,
        provider=row.provider,
        provider_name=row.provider_name,
        agreement=row.agreement_key,
        title=row.title,
        description=row.description,
        details=json.loads(row.details),
        updated=moment(row.updated),
    )


# --- the directory


def _latest(*columns: ColumnElement[int]) -> ColumnElement[int]:
    first, *others = columns
    for other in others:
        first = case((first >= other, first), else_=other)
    return first


_TOUCHED = _latest(_d.updated, _a.updated, _n.updated)


def _endpoints(scope: DirectoryScope) -> Select[Any]:
    opened = is_open(stamp(scope.now))
    return (
        select(_d.id.label("row"), _d.alias, _d.title, opened.label("is_open"), _TOUCHED.label("touched"))
        .join(t.agreement, _d.agreement == _a.id)
        .join(t.agreement_version, IN_FORCE)
        .join(t.party, _a.party == _p.id)
        .join(t.node, _v.node == _n.id)
        .where(or_(own(scope), and_(opened, _d.id.in_(sorted(scope.datasets)))))
    )


def _fields(_connection: Connection, scope: DirectoryScope) -> Fields:
    status = case((is_open(stamp(scope.now)), "active"), else_="suspended")
    return {
        "dataset": Column(_d.alias, Kind.CODE),
        "status": Column(status, Kind.CODE),
        "updated": Column(_TOUCHED, Kind.MOMENT),
    }


def _endpoint(_connection: Connection, row: Any, _scope: DirectoryScope) -> DatasetEndpoint:
    return DatasetEndpoint(row.alias, row.title, bool(row.is_open), moment(row.touched))


ENDPOINTS: DirectorySource[DatasetEndpoint] = DirectorySource(_endpoints, _d.id, _fields, _endpoint)
"""The endpoint of each dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""
