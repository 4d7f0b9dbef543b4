"""Datasets: their own description, and the directory's views of each: where it is reached, how it is shared, whom it holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, case, exists, func, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf, Within
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, matching, own
from adapters.sql.governance import IN_FORCE, is_shared, latest
from adapters.sql.store import moment, stamp
from consent.agreement import ENDED, AgreementState, Side
from consent.dataset import DatasetEndpoint, PatientsOfDataset, SharedDataset, Sharing
from mappings.dcat.details import said
from mappings.fields import Kind
from mappings.query import OneOf

_a, _d, _n, _p, _v = t.agreement.c, t.dataset.c, t.node.c, t.party.c, t.agreement_version.c
MOST_MEMBERS = 10_000
"""Patients of a dataset who are told by name; of a larger one only their number is."""


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


class Stated(FunctionElement[str]):
    """The condition that is stated for a whole dataset, as SQL over its details; NULL where none is."""

    inherit_cache = True
    name = "stated"
    type = String()


@compiles(Stated, "sqlite")
def _sqlite_stated(element: Stated, compiler: Any, **options: Any) -> str:
    return f"json_extract({compiler.process(element.clauses, **options)}, '$.condition')"


@compiles(Stated, "postgresql")
def _postgresql_stated(element: Stated, compiler: Any, **options: Any) -> str:
    return f"(({compiler.process(element.clauses, **options)})::json ->> 'condition')"


def add(connection: Connection, now: datetime, *, alias: str, agreement: int, title: str, description: str) -> int:
    """Insert a dataset; its id. Its agreement says since then what it covers."""
    governance.update_row(connection, t.agreement, agreement, now)
    values = {"alias": alias, "agreement": agreement, "title": title, "description": description, "details": "{}"}
    return governance.insert_row(connection, t.dataset, now, **values)


def describe(
    connection: Connection, row: DatasetRow, now: datetime, *, title: str, description: str, details: Mapping[str, str]
) -> None:
    """Set what is said of a dataset."""
    values = {"title": title, "description": description, "details": json.dumps(details, sort_keys=True)}
    governance.update_row(connection, t.dataset, row.id, now, **values)


def set_withdrawn(connection: Connection, row: DatasetRow, now: datetime, side: Side | None) -> None:
    """Take the whole of a dataset out of sight for a side; None: let it be seen again."""
    values = {"stopped": None, "stopped_by": None} if side is None else {"stopped": stamp(now), "stopped_by": str(side)}
    governance.update_row(connection, t.dataset, row.id, now, **values)


def withdrawn(connection: Connection, row: DatasetRow) -> tuple[datetime, Side] | None:
    """Since when, and by which side, the whole of a dataset is withdrawn."""
    at, by = connection.execute(select(_d.stopped, _d.stopped_by).where(_d.id == row.id)).one()
    return None if at is None else (moment(at), Side(by))


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


_TOUCHED = latest(_d.updated, _a.updated, _n.updated)
_WRITTEN_TITLE = Column(func.coalesce(func.nullif(func.trim(_d.title), ""), _d.alias), Kind.TEXT)


def _title(title: str, alias: str) -> str:
    return title.strip() or alias


def _titled(connection: Connection, leaf: Leaf, rows: Select[Any]) -> ColumnElement[bool]:
    """Titles are matched folded, which SQL can't do; datasets are few."""
    titles = connection.execute(rows.with_only_columns(_d.id, _d.title, _d.alias))
    return _d.id.in_(matching(leaf, ((key, _title(title, alias)) for key, title, alias in titles)))


def _governed(scope: DirectoryScope, *columns: Any) -> Select[Any]:
    """Every dataset, joined to what governs it."""
    opened = is_shared(stamp(scope.now)).label("is_open")
    return (
        select(_d.id.label("row"), _d.alias, _d.title, _p.key.label("provider"), opened, *columns)
        .join(t.agreement, _d.agreement == _a.id)
        .join(t.agreement_version, IN_FORCE)
        .join(t.party, _a.party == _p.id)
        .join(t.node, _v.node == _n.id)
    )


def _shown(scope: DirectoryScope) -> ColumnElement[bool]:
    """Whether a dataset is on show: its own provider and the operator see it in any state."""
    return or_(own(scope), and_(is_shared(stamp(scope.now)), _d.id.in_(sorted(scope.datasets))))


# where it is reached


def _endpoints(scope: DirectoryScope) -> Select[Any]:
    return _governed(scope, _TOUCHED.label("touched")).where(_shown(scope))


def _endpoint_fields(connection: Connection, scope: DirectoryScope) -> Fields:
    status = case((is_shared(stamp(scope.now)), "active"), else_="suspended")
    return {
        "dataset": Column(_d.alias, Kind.CODE),
        "status": Column(status, Kind.CODE),
        "name": lambda leaf: _titled(connection, leaf, _endpoints(scope)),
        "written_name": _WRITTEN_TITLE,
        "updated": Column(_TOUCHED, Kind.MOMENT),
    }


def _endpoint(_connection: Connection, row: Any, _scope: DirectoryScope) -> DatasetEndpoint:
    return DatasetEndpoint(row.alias, row.title, bool(row.is_open), moment(row.touched))


ENDPOINTS: DirectorySource[DatasetEndpoint] = DirectorySource(_endpoints, _d.id, _endpoint_fields, _endpoint)
"""The endpoint of each dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""


# how it is shared


def _sharing(now: int) -> ColumnElement[str]:
    """How the sharing stands at this moment, as a word of `Sharing`."""
    return case(
        (_a.state.in_(map(str, (AgreementState.DRAFT, AgreementState.PROPOSED, AgreementState.SIGNED))), str(Sharing.IN_REVIEW)),
        (or_(_a.state.in_(map(str, ENDED)), _v.ends <= now), str(Sharing.ENDED)),
        (is_shared(now), str(Sharing.OPEN)),
        (and_(_a.state == str(AgreementState.ACTIVE), _d.stopped.is_(None), _v.starts > now), str(Sharing.AGREED)),
        else_=str(Sharing.STOPPED),
    )


def _shared(scope: DirectoryScope) -> Select[Any]:
    described = and_(_v.listed, exists().where(t.description.c.dataset == _d.id, t.description.c.lacking == "[]"))
    columns = (_d.description, _d.details, t.terms.c.version.label("terms_version"), described.label("is_described"))
    rows = _governed(scope, _TOUCHED.label("touched"), _sharing(stamp(scope.now)).label("sharing"), *columns)
    return rows.join(t.terms, _v.terms == t.terms.c.id).where(_shown(scope))


def _shared_fields(connection: Connection, scope: DirectoryScope) -> Fields:
    return {
        "dataset": Column(_d.alias, Kind.CODE),
        "provider": Column(_p.key, Kind.CODE),
        "sharing": Column(_sharing(stamp(scope.now)), Kind.CODE),
        "title": lambda leaf: _titled(connection, leaf, _shared(scope)),
        "written_title": _WRITTEN_TITLE,
        "condition": lambda leaf: _stated(connection, "condition", leaf, _shared(scope)),
        "updated": Column(_TOUCHED, Kind.MOMENT),
    }


def _stated(connection: Connection, detail: str, leaf: Leaf, rows: Select[Any]) -> ColumnElement[bool]:
    """What an operator stated of a dataset is JSON; any of it, where no value is asked for."""
    stated = connection.execute(rows.with_only_columns(_d.id, _d.details))
    told = ((key, set(said(_details(details), detail))) for key, details in stated)
    asked = set(leaf.values) if isinstance(leaf, OneOf) else None
    return _d.id.in_([key for key, values in told if (values if asked is None else values & asked)])


def _details(kept: str) -> dict[str, str]:
    return {key: str(value) for key, value in json.loads(kept).items()}


def _shared_dataset(_connection: Connection, row: Any, scope: DirectoryScope) -> SharedDataset:
    return SharedDataset(
        alias=row.alias,
        provider=row.provider,
        title=_title(row.title, row.alias),
        description=row.description,
        terms=row.terms_version,
        sharing=Sharing(row.sharing),
        is_described=bool(row.is_described and row.is_open),
        is_queried=bool(row.is_open and row.row in scope.queryable),
        details=_details(row.details),
        updated=moment(row.touched),
    )


SHARED: DirectorySource[SharedDataset] = DirectorySource(_shared, _d.id, _shared_fields, _shared_dataset)
"""Each dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""


# whom it holds


def _of_dataset(column: ColumnElement[Any]) -> Select[Any]:
    return select(column).where(t.study.c.dataset == _d.id).correlate(t.dataset)


_QUANTITY = _of_dataset(func.count(t.study.c.patient.distinct())).scalar_subquery()
_WENT = select(func.max(t.tombstone.c.at)).where(t.tombstone.c.dataset == _d.id).correlate(t.dataset).scalar_subquery()
_CAME = _of_dataset(func.max(t.study.c.updated)).scalar_subquery()
_CHANGED = latest(_TOUCHED, func.coalesce(_CAME, 0), func.coalesce(_WENT, 0))
_MEMBERS = (
    select(func.aggregate_strings(t.patient.c.key, " "))
    .where(t.patient.c.id.in_(_of_dataset(t.study.c.patient)))
    .correlate(t.dataset)
    .scalar_subquery()
)


def _patients(scope: DirectoryScope) -> Select[Any]:
    members = case((_QUANTITY <= MOST_MEMBERS, _MEMBERS)).label("members")
    rows = _governed(scope, _CHANGED.label("touched"), _QUANTITY.label("quantity"), members)
    return rows.where(is_shared(stamp(scope.now)), _d.id.in_(sorted(scope.queryable)))


def _patient_fields(_connection: Connection, _scope: DirectoryScope) -> Fields:
    return {
        "dataset": Column(_d.alias, Kind.CODE),
        "provider": Column(_p.key, Kind.CODE),
        "member": _has_member,
        "updated": Column(_CHANGED, Kind.MOMENT),
    }


def _has_member(leaf: Leaf) -> ColumnElement[bool]:
    """A study of one of these patients; of any, where none is named."""
    of_dataset = _of_dataset(t.study.c.id)
    if isinstance(leaf, OneOf | Within):
        keys = leaf.values if isinstance(leaf, OneOf) else leaf.keys
        of_dataset = of_dataset.join(t.patient, t.study.c.patient == t.patient.c.id).where(t.patient.c.key.in_(keys))
    return exists(of_dataset)


def _patients_of(_connection: Connection, row: Any, _scope: DirectoryScope) -> PatientsOfDataset:
    patients = tuple(sorted((row.members or "").split()))
    return PatientsOfDataset(row.alias, row.provider, _title(row.title, row.alias), row.quantity, patients, moment(row.touched))


def _members_of(_scope: DirectoryScope, datasets: Select[Any]) -> Select[Any]:
    return select(t.patient.c.key).join(t.study, t.study.c.patient == t.patient.c.id).where(t.study.c.dataset.in_(datasets))


PATIENTS: DirectorySource[PatientsOfDataset] = DirectorySource(
    _patients, _d.id, _patient_fields, _patients_of, {"member": _members_of}
)
"""The patients of each dataset whose rows the caller may query, in the order of their ids: it tells nothing of who came first."""
