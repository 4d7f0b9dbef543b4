"""Governance rows: parties, nodes, terms, agreements, datasets, senders, clients, permits; read as facts, written by verbs.

Every write moves the one-row counter, so whoever keeps facts knows when to read them again. Nothing here is copied into
data rows: statements join these tables, and a change binds the next statement.
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.sql import tables as t
from adapters.sql.store import added, moment, stamp
from consent.agreement import AgreementState, Facts, NodeState
from consent.conditions import AccessClass, Action, Conditions, Purpose, Visibility
from consent.permits import Permit


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as configured: where pixels rest, and the networks its compute clients call from."""

    id: int
    name: str
    kind: str
    hosting: str
    url: str
    secret_file: str | None
    networks: tuple[str, ...]
    allow: frozenset[str]
    state: NodeState


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A registered OAuth client with its organisation; `jwks` is its public key set as JSON."""

    id: int
    client_id: str
    name: str
    party: str
    role: str
    approved: bool
    node: str | None
    networks: tuple[str, ...]
    terms: str | None
    purposes: frozenset[str]
    scopes: tuple[str, ...]
    jwks: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class SenderRow:
    """A registered sender of one dataset: a calling AE title from a network."""

    id: int
    dataset: int
    alias: str
    party: str
    aet: str
    network: str
    attested: bool


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A dataset's own description, for catalogues and listings."""

    id: int
    alias: str
    provider: str
    provider_name: str
    agreement: str
    node_id: int
    node: str
    title: str
    description: str
    details: Mapping[str, Any]
    updated: datetime


def counter(connection: Connection) -> int:
    """The number that changes with every governance act."""
    return int(connection.exec_driver_sql(_COUNTER).scalar_one())


_COUNTER = "SELECT counter FROM governance"  # asked by every request: nothing is built, looked up or bound for it


def parties(connection: Connection) -> dict[str, int]:
    """Every organisation's key → its id."""
    return {key: party for party, key in connection.execute(select(t.party.c.id, t.party.c.key))}


def touch(connection: Connection) -> None:
    """Say that governance changed."""
    connection.execute(update(t.governance).values(counter=t.governance.c.counter + 1))


def stay(connection: Connection) -> None:
    """Write the governance row as it is: raises Full or Unavailable where nothing can be written."""
    connection.execute(update(t.governance).values(counter=t.governance.c.counter))


_FACTS = (
    select(
        t.dataset.c.id,
        t.dataset.c.alias,
        t.party.c.key,
        t.agreement,
        t.node.c.name.label("node_name"),
        t.node.c.state.label("node_state"),
        t.terms.c.version.label("terms_version"),
    )
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
    .join(t.node, t.agreement.c.node == t.node.c.id)
    .join(t.terms, t.agreement.c.terms == t.terms.c.id)
    .order_by(t.dataset.c.id)
)


def facts(connection: Connection) -> tuple[Facts, ...]:
    """Every dataset as governance stands, for `consent.policy`."""
    permits = _permits(connection)
    return tuple(_facts(row, permits.get(row[t.dataset.c.id], ())) for row in connection.execute(_FACTS).mappings())


def _permits(connection: Connection) -> dict[int, tuple[Permit, ...]]:
    held: dict[int, tuple[Permit, ...]] = {}
    rows = select(t.permit.c.dataset, t.party.c.key, t.permit.c.starts, t.permit.c.ends).join(
        t.party, t.permit.c.party == t.party.c.id
    )
    for dataset, party, starts, ends in connection.execute(rows.where(t.permit.c.revoked.is_(None))):
        held[dataset] = (*held.get(dataset, ()), Permit(party, moment(starts), _until(ends)))
    return held


def _until(ends: int | None) -> datetime | None:
    return None if ends is None else moment(ends)


def _facts(row: Mapping[Any, Any], permits: tuple[Permit, ...]) -> Facts:
    return Facts(
        dataset=row[t.dataset.c.id],
        alias=row[t.dataset.c.alias],
        provider=row[t.party.c.key],
        agreement=row[t.agreement.c.key],
        version=row[t.agreement.c.version],
        state=AgreementState(row[t.agreement.c.state]),
        starts=moment(row[t.agreement.c.starts]),
        ends=_until(row[t.agreement.c.ends]),
        node=row["node_name"],
        node_state=NodeState(row["node_state"]),
        terms=row["terms_version"],
        conditions=conditions(row),
        permits=permits,
    )


def conditions(row: Mapping[Any, Any]) -> Conditions:
    """The conditions of an agreement's row."""
    return Conditions(
        AccessClass(row[t.agreement.c.access_class]),
        row[t.agreement.c.listed],
        frozenset(Action(a) for a in row[t.agreement.c.actions].split()),
        Visibility(row[t.agreement.c.visibility]),
        frozenset(Purpose(p) for p in row[t.agreement.c.purposes].split()),
    )


_DATASETS = (
    select(
        t.dataset,
        t.party.c.key.label("provider"),
        t.party.c.name.label("provider_name"),
        t.agreement.c.key.label("agreement_key"),
        t.node.c.id.label("node_id"),
        t.node.c.name.label("node_name"),
    )
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
    .join(t.node, t.agreement.c.node == t.node.c.id)
    .order_by(t.dataset.c.id)
)


def datasets(connection: Connection) -> tuple[DatasetRow, ...]:
    """Every dataset's description."""
    return tuple(
        DatasetRow(
            r.id,
            r.alias,
            r.provider,
            r.provider_name,
            r.agreement_key,
            r.node_id,
            r.node_name,
            r.title,
            r.description,
            json.loads(r.details),
            moment(r.updated),
        )
        for r in connection.execute(_DATASETS)
    )


def nodes(connection: Connection) -> tuple[NodeRow, ...]:
    """Every node, in the order they were added."""
    rows = connection.execute(select(t.node).order_by(t.node.c.id))
    return tuple(
        NodeRow(
            r.id,
            r.name,
            r.kind,
            r.hosting,
            r.url,
            r.secret_file,
            tuple(r.networks.split()),
            frozenset(r.allow.split()),
            NodeState(r.state),
        )
        for r in rows
    )


_CLIENTS = (
    select(
        t.client,
        t.party.c.key.label("party_key"),
        t.party.c.role.label("party_role"),
        t.party.c.approved,
        t.node.c.name.label("node_name"),
        t.node.c.networks,
        t.terms.c.version.label("terms_version"),
    )
    .join(t.party, t.client.c.party == t.party.c.id)
    .outerjoin(t.node, t.client.c.node == t.node.c.id)
    .outerjoin(t.terms, t.client.c.terms == t.terms.c.id)
)


def client(connection: Connection, client_id: str) -> ClientRow | None:
    """A client by its public id, enabled or not."""
    r = connection.execute(_CLIENTS.where(t.client.c.client_id == client_id)).one_or_none()
    return None if r is None else _client(r)


def clients(connection: Connection) -> tuple[ClientRow, ...]:
    """Every client."""
    return tuple(_client(r) for r in connection.execute(_CLIENTS.order_by(t.client.c.id)))


def _client(r: Any) -> ClientRow:
    return ClientRow(
        r.id,
        r.client_id,
        r.name,
        r.party_key,
        r.party_role,
        r.approved,
        r.node_name,
        tuple((r.networks or "").split()),
        r.terms_version,
        frozenset(r.purposes.split()),
        tuple(r.scopes.split()),
        r.jwks,
        r.enabled,
    )


_SENDERS = (
    select(t.sender, t.dataset.c.alias, t.party.c.key.label("party_key"))
    .join(t.dataset, t.sender.c.dataset == t.dataset.c.id)
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
    .where(t.sender.c.removed.is_(False))
)


def senders(connection: Connection) -> tuple[SenderRow, ...]:
    """Every registered sender."""
    return tuple(_sender(r) for r in connection.execute(_SENDERS.order_by(t.sender.c.id)))


def sender(connection: Connection, alias: str, aet: str, address: str) -> SenderRow | None:
    """The sender registered for this dataset under this calling AE title and address (an attested one first)."""
    peer = ipaddress.ip_address(address)
    found = [_sender(r) for r in connection.execute(_SENDERS.where(and_(t.dataset.c.alias == alias, t.sender.c.aet == aet)))]
    found = [s for s in found if peer in ipaddress.ip_network(s.network)]
    return max(found, key=lambda s: s.attested, default=None)


def _sender(r: Any) -> SenderRow:
    return SenderRow(r.id, r.dataset, r.alias, r.party_key, r.aet, r.network, r.attested_by is not None)


def add(connection: Connection, noun: str, now: datetime, /, **values: object) -> int:
    """Insert one governance row of the table named `noun` and move the counter."""
    touch(connection)
    table = t.metadata.tables[noun]
    if "updated" in table.c:
        values["updated"] = stamp(now)
    return added(connection, table, **values)


def change(connection: Connection, noun: str, key: int, now: datetime, /, **values: object) -> None:
    """Change one governance row and move the counter."""
    touch(connection)
    table = t.metadata.tables[noun]
    if "updated" in table.c:
        values["updated"] = stamp(now)
    connection.execute(update(table).where(table.c.id == key).values(**values))


NAMES = {"party": "key", "node": "name", "terms": "version", "agreement": "key", "dataset": "alias", "client": "client_id"}
"""The column each noun is called by."""


def id_of(connection: Connection, noun: str, name: str) -> int | None:
    """The id of the governance row called `name`."""
    table = t.metadata.tables[noun]
    return connection.execute(select(table.c.id).where(table.c[NAMES[noun]] == name)).scalar_one_or_none()


def row(connection: Connection, noun: str, name: str) -> dict[str, Any] | None:
    """One governance row, column by column, as the operator sees it."""
    table = t.metadata.tables[noun]
    found = connection.execute(select(table).where(table.c[NAMES[noun]] == name)).mappings().one_or_none()
    return None if found is None else dict(found)


def rows(connection: Connection, noun: str) -> list[dict[str, Any]]:
    """Every row of a governance table."""
    table = t.metadata.tables[noun]
    return [dict(r) for r in connection.execute(select(table).order_by(table.c.id)).mappings()]


def used_before(connection: Connection, issuer: str, jti: str, expires: datetime, now: datetime) -> bool:
    """Whether this assertion was used already; if not, it is now. Expired ones are forgotten on the way."""
    connection.execute(t.replay.delete().where(t.replay.c.expires < stamp(now)))
    try:
        with connection.begin_nested():  # the primary key decides between two at once
            connection.execute(insert(t.replay).values(issuer=issuer, jti=jti, expires=stamp(expires)))
    except IntegrityError:
        return True
    return False
