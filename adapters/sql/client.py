"""OAuth clients with their organisation, node and what terms they accepted; and the assertions that were used up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from adapters.sql import acceptance, governance
from adapters.sql import tables as t
from adapters.sql.store import stamp

_c = t.client.c


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A registered OAuth client with its organisation; `jwks` is its public key set as JSON, or `jwks_url` where that is.

    `terms` are the versions of the general terms that it accepted.
    """

    id: int
    client_id: str
    name: str
    party: str
    role: str
    approved: bool
    node: str | None
    networks: tuple[str, ...]
    terms: frozenset[str]
    purposes: frozenset[str]
    scopes: tuple[str, ...]
    jwks: str
    jwks_url: str | None
    enabled: bool
    viewer: bool
    external: bool


def add(
    connection: Connection,
    now: datetime,
    *,
    client_id: str,
    name: str,
    party: int,
    node: int | None,
    purposes: str,
    scopes: Sequence[str],
    jwks: Mapping[str, object],
    jwks_url: str | None = None,
    viewer: bool = False,
) -> int:
    """Insert an enabled client; its id."""
    links = {"party": party, "node": node}
    values = {"purposes": purposes, "scopes": " ".join(scopes), "jwks": json.dumps(jwks), "jwks_url": jwks_url, "viewer": viewer}
    return governance.insert_row(connection, t.client, now, client_id=client_id, name=name, enabled=True, **links, **values)


def change(connection: Connection, key: int, now: datetime, **values: object) -> None:
    """Set these columns of a client."""
    governance.update_row(connection, t.client, key, now, **values)


_ROWS = (
    select(
        t.client,
        t.party.c.key.label("party_key"),
        t.party.c.role.label("party_role"),
        t.party.c.approved,
        t.party.c.external,
        t.node.c.name.label("node_name"),
        t.node.c.networks,
    )
    .join(t.party, _c.party == t.party.c.id)
    .outerjoin(t.node, _c.node == t.node.c.id)
)


def find(connection: Connection, client_id: str) -> ClientRow | None:
    """A client by its public id, enabled or not."""
    row = connection.execute(_ROWS.where(_c.client_id == client_id)).one_or_none()
    return None if row is None else _row(row, acceptance.versions_of(connection, client_id))


def read_all(connection: Connection) -> tuple[ClientRow, ...]:
    """Every client, in the order they were added."""
    accepted = acceptance.read_versions(connection)
    return tuple(_row(row, accepted.get(row.client_id, frozenset())) for row in connection.execute(_ROWS.order_by(_c.id)))


def _row(row: Any, terms: frozenset[str]) -> ClientRow:
    return ClientRow(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        party=row.party_key,
        role=row.party_role,
        approved=row.approved,
        node=row.node_name,
        networks=tuple((row.networks or "").split()),
        terms=terms,
        purposes=frozenset(row.purposes.split()),
        scopes=tuple(row.scopes.split()),
        jwks=row.jwks,
        jwks_url=row.jwks_url,
        enabled=row.enabled,
        viewer=row.viewer,
        external=row.external,
    )


REMEMBERED = timedelta(minutes=10)
"""How long a used assertion is known after its end: a clock that steps back so far makes none fresh again."""


def use_assertion(connection: Connection, issuer: str, jti: str, expires: datetime, now: datetime) -> bool:
    """Use an assertion up; False where it was used before. Those that ended a while ago are forgotten on the way."""
    connection.execute(t.replay.delete().where(t.replay.c.expires < stamp(now - REMEMBERED)))
    try:
        with connection.begin_nested():  # the primary key decides between two at once
            connection.execute(insert(t.replay).values(issuer=issuer, jti=jti, expires=stamp(expires)))
    except IntegrityError:
        return False
    return True
