"""Agreements: the versions of their content, the acts that moved them, where they stand, and the directory's view of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, insert, or_, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf, Within
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, own
from adapters.sql.governance import IN_FORCE, conditions_of, conditions_values, end_of, is_open, latest
from adapters.sql.store import moment, stamp
from consent.agreement import (
    ENFORCING,
    OF_VERSIONS,
    SIGNATURES,
    Agreement,
    AgreementAct,
    AgreementState,
    AgreementVersion,
    Application,
    DocumentVersion,
    Means,
    Side,
    Standing,
    drafted,
)
from consent.entries import TargetType
from consent.permit import Permit
from consent.signature import version_hash
from consent.terms import DocumentKind
from mappings.fields import Kind
from mappings.query import OneOf

_a, _v, _act = t.agreement.c, t.agreement_version.c, t.agreement_act.c
_d, _m, _n, _p = t.dataset.c, t.permit.c, t.node.c, t.party.c
_moved = t.dataset_move.c
_NO_END = stamp(datetime(9999, 12, 31, tzinfo=UTC))
_TERMS = (t.terms.c.version.label("terms_version"), t.terms.c.sha256.label("terms_sha256"))
_STOPS = {Side.PROVIDER: _a.stopped_by_provider, Side.REPOSITORY: _a.stopped_by_repository}


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """Where one agreement stands: its provider, the version of its content in force, its state and stops.

    `version` is 0 where nothing was drafted yet; `change` is the version that is to replace the one in force.
    """

    id: int
    key: str
    party: int
    provider: str
    version: int
    standing: Standing
    change: int | None = None

    def acted_on(self, verb: str) -> int:
        """The version that an act is done on: the one being agreed on, for what moves that; else the one in force."""
        return self.change or self.version if verb in OF_VERSIONS else self.version


def add(connection: Connection, now: datetime, *, key: str, party: int, state: AgreementState = AgreementState.DRAFT) -> int:
    """Insert an agreement without content; its id."""
    return governance.insert_row(connection, t.agreement, now, key=key, party=party, version=0, state=str(state))


def find_terms(connection: Connection, version: str) -> tuple[int, str] | None:
    """(id, SHA-256 in hex) of a version of the terms that agreements are under."""
    row = connection.execute(
        select(t.terms.c.id, t.terms.c.sha256).where(t.terms.c.kind == str(DocumentKind.GENERAL), t.terms.c.version == version)
    ).one_or_none()
    return None if row is None else (row.id, row.sha256)


def next_version(connection: Connection, agreement: AgreementRow) -> int:
    """The number of the version that is drafted next: none is given twice, also of those that never came into force."""
    newest = select(func.max(_v.version)).where(_v.agreement == agreement.id)
    return int(connection.execute(newest).scalar_one() or 0) + 1


def add_version(
    connection: Connection, agreement: AgreementRow, now: datetime, content: AgreementVersion, *, node: int, terms: int
) -> None:
    """Keep a version of an agreement's content: a change of what is in force, where something is."""
    values = {
        "agreement": agreement.id,
        "version": content.version,
        "node": node,
        "terms": terms,
        "starts": stamp(content.starts),
        "ends": None if content.ends is None else stamp(content.ends),
        "at": stamp(now),
        "hosting": content.hosting,
        "text": content.text or None,
        "documents": "\n".join(f"{each.kind} {each.version} {each.sha256}" for each in content.documents),
        "circumstances": " ".join(sorted(content.circumstances)),
        "means": str(content.means),
    }
    connection.execute(insert(t.agreement_version).values(**values, **conditions_values(content.conditions)))
    standing = drafted(agreement.standing)
    if standing.change is None:
        governance.update_row(connection, t.agreement, agreement.id, now, version=content.version, **_standing(standing))
    else:  # what is told of it stays as it is, so it does not say that it changed
        governance.touch(connection)
        placed = update(t.agreement).where(_a.id == agreement.id).values(change=content.version, **_standing(standing))
        connection.execute(placed)


def _standing(standing: Standing) -> dict[str, object]:
    return {"state": str(standing.state), "change_state": standing.change and str(standing.change)}


def record_act(connection: Connection, agreement: AgreementRow, act: AgreementAct, standing: Standing) -> None:
    """Keep what a side did, and where the agreement stands after it."""
    values = {"verb": act.verb, "side": str(act.side), "actor": act.actor, "version": act.version, "at": stamp(act.at)}
    connection.execute(insert(t.agreement_act).values(agreement=agreement.id, **values))
    lifted, begun = agreement.standing.stops - standing.stops, standing.stops - agreement.standing.stops
    stops = {_STOPS[side].name: None for side in lifted} | {_STOPS[side].name: stamp(act.at) for side in begun}
    changed = {"change": None} if standing.change is None else {}
    enforced = {"version": act.version} if act.verb in ENFORCING else {}
    governance.update_row(connection, t.agreement, agreement.id, act.at, **_standing(standing), **stops, **changed, **enforced)


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
    change = row.change_state and AgreementState(row.change_state)
    standing = Standing(AgreementState(row.state), stops, change)
    return AgreementRow(row.id, row.key, row.party, row.provider, row.version, standing, row.change)


def find_version(connection: Connection, agreement: AgreementRow, version: int) -> AgreementVersion | None:
    """The content of one version of an agreement."""
    rows = (
        select(t.agreement_version, _n.name.label("node_name"), *_TERMS)
        .join(t.node, _v.node == _n.id)
        .join(t.terms, _v.terms == t.terms.c.id)
        .where(_v.agreement == agreement.id, _v.version == version)
    )
    row = connection.execute(rows).mappings().one_or_none()
    if row is None:
        return None
    return _content(row)


def _content(row: Mapping[Any, Any]) -> AgreementVersion:
    return AgreementVersion(
        version=row["version"],
        terms=row["terms_version"],
        node=row["node_name"],
        starts=moment(row["starts"]),
        ends=end_of(row["ends"]),
        conditions=conditions_of(row),
        hosting=row["hosting"],
        terms_sha256=row["terms_sha256"],
        text=bytes(row["text"] or b""),
        documents=tuple(DocumentVersion(*line.split()) for line in row["documents"].splitlines()),
        circumstances=frozenset(row["circumstances"].split()),
        means=Means(row["means"]),
    )


def add_application(connection: Connection, agreement: AgreementRow, application: Application) -> None:
    """Keep what an organisation asked for."""
    asked = {"contacts": application.contacts, "data": application.data, "deviations": application.deviations}
    values = {"agreement": agreement.id, **asked, "actor": application.actor, "at": stamp(application.at)}
    connection.execute(insert(t.agreement_application).values(**values))


def find_application(connection: Connection, agreement: AgreementRow) -> Application | None:
    """What was asked for; None where an agreement was drafted without."""
    row = connection.execute(
        select(t.agreement_application).where(t.agreement_application.c.agreement == agreement.id)
    ).one_or_none()
    return None if row is None else Application(row.contacts, row.data, row.deviations, row.actor, moment(row.at))


def read_acts(connection: Connection, agreement: AgreementRow) -> tuple[AgreementAct, ...]:
    """Everything that was done on an agreement, in order."""
    rows = connection.execute(select(t.agreement_act).where(_act.agreement == agreement.id).order_by(_act.id))
    return tuple(AgreementAct(r.verb, Side(r.side), r.actor, r.version, moment(r.at)) for r in rows)


def read_statements(connection: Connection, key: str) -> frozenset[str]:
    """The hashes of what was stated by signatures under an agreement, as the ledger has them."""
    body, target = t.ledger_body.c, t.entry_target.c
    named = (
        target.type == str(TargetType.AGREEMENT),
        target.key == key,
        body.kind.in_([f"govern.agreement.{v}" for v in SIGNATURES]),
    )
    rows = select(body.body).join(t.entry_target, target.entry == body.id).where(*named)
    return frozenset(json.loads(kept)["statement"] for kept in connection.execute(rows).scalars())


# --- the directory


def _count(column: ColumnElement[Any], *where: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count(column)).where(*where).correlate(t.agreement).scalar_subquery()


_OF_DATASET = and_(_m.dataset == _d.id, _d.agreement == _a.id)
_PERMITS_CHANGED = (
    select(func.max(func.coalesce(_m.revoked, _m.starts))).where(_OF_DATASET).correlate(t.agreement).scalar_subquery()
)
_LEFT = _count(_moved.id, _moved.left == _a.id, _moved.answer == "confirm")
_CHANGES = _a.version + _count(_act.id, _act.agreement == _a.id) + _count(_d.id, _d.agreement == _a.id) + 2 * _LEFT
"""Versions of the content, acts and datasets: all that changes what anybody is told of an agreement.

A dataset that leaves is a change more, though it is counted no more.
"""
_EVER_OF_DATASET = and_(
    _m.dataset == _d.id,
    or_(_d.agreement == _a.id, exists().where(_moved.dataset == _d.id, _moved.left == _a.id, _moved.answer == "confirm")),
)
_PERMITS = _count(_m.id, _EVER_OF_DATASET) + _count(_m.revoked, _EVER_OF_DATASET)
"""Permits given and taken back: whose holders only its own provider and the operator are told."""


def _updated(scope: DirectoryScope) -> ColumnElement[int]:
    """When what this reader is told last changed."""
    return case((own(scope), latest(_a.updated, func.coalesce(_PERMITS_CHANGED, 0))), else_=_a.updated)


def _agreements(scope: DirectoryScope) -> Select[Any]:
    discovered = exists().where(_d.agreement == _a.id, _d.id.in_(sorted(scope.datasets))).correlate(t.agreement)
    is_own, changes = case((own(scope), 1), else_=0).label("is_own"), case((own(scope), _CHANGES + _PERMITS), else_=_CHANGES)
    told = (*_TERMS, _n.name.label("node_name"), is_own, changes.label("changes"), _updated(scope).label("touched"))
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
    content = _content(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Agreement(
        key=row.key,
        provider=row.provider,
        state=AgreementState(row.state),
        starts=content.starts,
        ends=content.ends,
        terms=content.terms,
        terms_sha256=content.terms_sha256,
        conditions=content.conditions,
        aliases=tuple(aliases),
        updated=moment(row.touched),
        permits=tuple(_permits(connection, row.row)) if row.is_own else (),
        changes=row.changes,
        version=content.version,
        sha256=version_hash(row.key, row.provider, content),
        documents=content.documents,
        is_own=bool(row.is_own),
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
