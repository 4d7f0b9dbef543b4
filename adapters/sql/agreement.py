"""Agreements: the versions of their content, the acts that moved them, where they stand, and the directory's view of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, insert, or_, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf, Within
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, own
from adapters.sql.governance import IN_FORCE, conditions_of, end_of, is_open, latest
from adapters.sql.store import moment, stamp
from consent.agreement import Agreement, AgreementAct, AgreementState, AgreementVersion, Side, Standing
from consent.permit import Permit
from mappings.fields import Kind
from mappings.query import OneOf

_a, _v, _act = t.agreement.c, t.agreement_version.c, t.agreement_act.c
_d, _m, _n, _p = t.dataset.c, t.permit.c, t.node.c, t.party.c
_NO_END = stamp(datetime(9999, 12, 31, tzinfo=UTC))
_STOPS = {Side.PROVIDER: _a.stopped_by_provider, Side.REPOSITORY: _a.stopped_by_repository}


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Where one agreement stands: its provider, the version of its content in force, its state and stops."""

    id: int
    key: str
    party: int
    provider: str
    version: int
    standing: Standing


def add(connection: Connection, now: datetime, *, key: str, party: int) -> int:
    """Insert an agreement without content, as a draft; its id."""
    return governance.insert_row(connection, t.agreement, now, key=key, party=party, version=0, state=str(AgreementState.DRAFT))


def add_version(
    connection: Connection, agreement: AgreementRow, now: datetime, content: AgreementVersion, *, node: int, terms: int
) -> None:
    """Keep a version of an agreement's content and put it in force."""
    conditions = content.conditions
    values = {
        "agreement": agreement.id,
        "version": content.version,
        "node": node,
        "terms": terms,
        "starts": stamp(content.starts),
        "ends": None if content.ends is None else stamp(content.ends),
        "access_class": str(conditions.access_class),
        "listed": conditions.listed,
        "actions": " ".join(sorted(conditions.actions)),
        "visibility": str(conditions.visibility),
        "purposes": " ".join(sorted(conditions.purposes)),
        "at": stamp(now),
    }
    connection.execute(insert(t.agreement_version).values(**values))
    governance.update_row(connection, t.agreement, agreement.id, now, version=content.version)


def record_act(connection: Connection, agreement: AgreementRow, act: AgreementAct, standing: Standing) -> None:
    """Keep what a side did, and where the agreement stands after it."""
    values = {"verb": act.verb, "side": str(act.side), "actor": act.actor, "version": act.version, "at": stamp(act.at)}
    connection.execute(insert(t.agreement_act).values(agreement=agreement.id, **values))
    lifted, begun = agreement.standing.stops - standing.stops, standing.stops - agreement.standing.stops
    stops = {_STOPS[side].name: None for side in lifted} | {_STOPS[side].name: stamp(act.at) for side in begun}
    governance.update_row(connection, t.agreement, agreement.id, act.at, state=str(standing.state), **stops)


_ROWS = select(t.agreement, _p.key.label("provider")).join(t.party, _a.party == _p.id)


def find(connection: Connection, key: str) -> AgreementRow | None:
    """The agreement called so."""
    row = connection.execute(_ROWS.where(_a.key == key)).one_or_none()
    return None if row is None else _row(row)


def read_all(connection: Connection) -> tuple[AgreementRow, ...]:
    """Every agreement, in the order they were drafted."""
    return tuple(_row(row) for row in connection.execute(_ROWS.order_by(_a.id)))


def _row(row: Any) -> AgreementRow:
    stops = frozenset(side for side, since in _STOPS.items() if row._mapping[since.name] is not None)  # noqa: SLF001
    return AgreementRow(row.id, row.key, row.party, row.provider, row.version, Standing(AgreementState(row.state), stops))


def find_version(connection: Connection, agreement: AgreementRow, version: int) -> AgreementVersion | None:
    """The content of one version of an agreement."""
    rows = (
        select(t.agreement_version, _n.name.label("node_name"), t.terms.c.version.label("terms_version"))
        .join(t.node, _v.node == _n.id)
        .join(t.terms, _v.terms == t.terms.c.id)
        .where(_v.agreement == agreement.id, _v.version == version)
    )
    row = connection.execute(rows).mappings().one_or_none()
    if row is None:
        return None
    period = moment(row["starts"]), end_of(row["ends"])
    return AgreementVersion(row["version"], row["terms_version"], row["node_name"], *period, conditions_of(row))


def read_acts(connection: Connection, agreement: AgreementRow) -> tuple[AgreementAct, ...]:
    """Everything that was done on an agreement, in order."""
    rows = connection.execute(select(t.agreement_act).where(_act.agreement == agreement.id).order_by(_act.id))
    return tuple(AgreementAct(r.verb, Side(r.side), r.actor, r.version, moment(r.at)) for r in rows)


# --- the directory


def _count(column: ColumnElement[Any], *where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count(column)).where(*where).correlate(t.agreement).scalar_subquery()


_OF_DATASET = and_(_m.dataset == _d.id, _d.agreement == _a.id)
_PERMITS_CHANGED = (
    select(func.max(func.coalesce(_m.revoked, _m.starts))).where(_OF_DATASET).correlate(t.agreement).scalar_subquery()
)
_CHANGES = _a.version + _count(_act.id, _act.agreement == _a.id) + _count(_d.id, _d.agreement == _a.id)
"""Versions of the content, acts and datasets: all that changes what anybody is told of an agreement."""
_PERMITS = _count(_m.id, _OF_DATASET) + _count(_m.revoked, _OF_DATASET)
"""Permits given and taken back: whose holders only its own provider and the operator are told."""


def _updated(scope: DirectoryScope) -> ColumnElement[int]:
    """When what this reader is told last changed."""
    return case((own(scope), latest(_a.updated, func.coalesce(_PERMITS_CHANGED, 0))), else_=_a.updated)


def _agreements(scope: DirectoryScope) -> Select[Any]:
    discovered = exists().where(_d.agreement == _a.id, _d.id.in_(sorted(scope.datasets))).correlate(t.agreement)
    terms = t.terms.c.version.label("terms_version"), t.terms.c.sha256.label("terms_sha256")
    is_own, changes = case((own(scope), 1), else_=0).label("is_own"), case((own(scope), _CHANGES + _PERMITS), else_=_CHANGES)
    told = (*terms, is_own, changes.label("changes"), _updated(scope).label("touched"))
    return (
        select(_a.id.label("row"), _a.key, _a.state, t.agreement_version, _p.key.label("provider"), *told)
        .join(t.agreement_version, IN_FORCE)
        .join(t.party, _a.party == _p.id)
        .join(t.node, _v.node == _n.id)
        .join(t.terms, _v.terms == t.terms.c.id)
        .where(or_(own(scope), and_(is_open(stamp(scope.now)), discovered)))
    )


def _agreement(connection: Connection, row: Any, _scope: DirectoryScope) -> Agreement:
    aliases = connection.execute(select(_d.alias).where(_d.agreement == row.row).order_by(_d.id)).scalars()
    return Agreement(
        key=row.key,
        provider=row.provider,
        state=AgreementState(row.state),
        starts=moment(row.starts),
        ends=end_of(row.ends),
        terms=row.terms_version,
        terms_sha256=row.terms_sha256,
        conditions=conditions_of(row._mapping),  # noqa: SLF001 - SQLAlchemy's public name for it
        aliases=tuple(aliases),
        updated=moment(row.touched),
        permits=tuple(_permits(connection, row.row)) if row.is_own else (),
        changes=row.changes,
    )


def _permits(connection: Connection, agreement: int) -> Iterator[tuple[str, Permit]]:
    """The permits that stand for the datasets of an agreement, in the order they were given."""
    rows = (
        select(_d.alias, _p.key, _m.starts, _m.ends, _m.export)
        .join(t.permit, _m.dataset == _d.id)
        .join(t.party, _m.party == _p.id)
        .where(_d.agreement == agreement, _m.revoked.is_(None))
        .order_by(_m.id)
    )
    for alias, party, starts, ends, export in connection.execute(rows):
        yield alias, Permit(party, moment(starts), end_of(ends), export)


def _fields(_connection: Connection, scope: DirectoryScope) -> Fields:
    return {
        "agreement": Column(_a.key, Kind.CODE),
        "status": Column(_a.state, Kind.CODE),
        "updated": Column(_updated(scope), Kind.MOMENT),
        "starts": Column(_v.starts, Kind.MOMENT),
        "ends": Column(func.coalesce(_v.ends, _NO_END), Kind.MOMENT),
        "provider": Column(_p.key, Kind.CODE),
        "dataset": _covers,
    }


def _covers(leaf: Leaf) -> ColumnElement[bool]:
    """One of these datasets; any, where none is named."""
    covered = exists().where(_d.agreement == _a.id).correlate(t.agreement)
    if isinstance(leaf, OneOf | Within):
        covered = covered.where(_d.alias.in_(leaf.values if isinstance(leaf, OneOf) else leaf.keys))
    return covered


def _covered(_scope: DirectoryScope, agreements: Select[Any]) -> Select[Any]:
    return select(_d.alias).where(_d.agreement.in_(agreements))


AGREEMENTS: DirectorySource[Agreement] = DirectorySource(_agreements, _a.id, _fields, _agreement, {"dataset": _covered})
"""Agreements on a dataset the caller may discover; a provider's own and, for the operator, all of them in any state."""
