"""OAuth clients: registering them by their public keys, and what they may be given."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from adapters.identity import registered_jwks, thumbprints
from adapters.key_sets import NONE
from adapters.sql import acceptance
from adapters.sql import client as clients
from adapters.sql import node as nodes
from adapters.sql import party as parties
from adapters.sql import terms as terms_rows
from adapters.sql.client import ClientRow as ClientRow  # noqa: PLC0414 - what is returned, for commands to name
from adapters.sql.ledger import About, record
from consent.conditions import Purpose
from consent.entries import ClientAdded, ClientSet
from mappings import smart
from mappings.failures import Invalid
from server.usecases.naming import check_new, check_words, require
from server.usecases.runtime import Runtime

READING = ("system/*.rs",)
DEPOSITING = (*READING, "system/ImagingStudy.cd")
DEFAULT_SCOPES: Mapping[str, Sequence[str]] = {"provider": DEPOSITING, "operator": DEPOSITING}
"""An organisation's role → the scopes its clients need: reports are read, and studies withdrawn, by operators too."""


def add_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    *,
    party: str,
    jwks: Mapping[str, object] | None = None,
    jwks_url: str | None = None,
    scopes: Sequence[str] | None = None,
    purposes: Sequence[str] = (),
    node: str | None = None,
    terms: str | None = None,
    name: str = "",
    viewer: bool = False,
) -> ClientRow:
    """Register an OAuth client by its public keys or their URL; bound to a node, it is inside that node's compute networks.

    Without `scopes` it has what the role of its organisation needs. Raises Invalid where there are both or none.
    """
    registered = check_words(purposes, [str(p) for p in Purpose], "purpose")
    keys, now = _keys(runtime, jwks, jwks_url), runtime.clock()
    with runtime.governance_act() as connection:
        check_new(clients.find(connection, client_id), "client", client_id)
        owner = require(parties.find_id(connection, party), "party", party)
        role = next(each.role for each in parties.read_all(connection) if each.key == party)
        held = _scopes(scopes or DEFAULT_SCOPES.get(role, READING))
        clients.add(
            connection,
            now,
            client_id=client_id,
            name=name or client_id,
            party=owner,
            node=_node(connection, node),
            purposes=registered,
            scopes=held.split(),
            jwks=keys,
            jwks_url=jwks_url,
            viewer=viewer,
        )
        _accept(connection, now, actor, client_id, owner, terms)
        said = {"purposes": registered, "scopes": held, "node": node, "terms": terms, "viewer": viewer}
        added = ClientAdded(client=client_id, party=party, **said)  # type: ignore[arg-type]
        record(connection, added, now, actor, About(owner))
        return require(clients.find(connection, client_id), "client", client_id)


def set_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    *,
    enabled: bool | None = None,
    terms: str | None = None,
    scopes: Sequence[str] | None = None,
    purposes: Sequence[str] | None = None,
    node: str | None = None,
    jwks: Mapping[str, object] | None = None,
    jwks_url: str | None = None,
    viewer: bool | None = None,
) -> ClientRow:
    """Change what a client may ask for, its keys, the node it is inside ("": none), or let it in and out; None leaves that."""
    given = {"enabled": enabled, "node": node, "viewer": viewer}
    words = {
        "scopes": None if scopes is None else _scopes(scopes),
        "purposes": None if purposes is None else check_words(purposes, [str(p) for p in Purpose], "purpose"),
    }
    keys = None if jwks is None and jwks_url is None else _keys(runtime, jwks, jwks_url)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(clients.find(connection, client_id), "client", client_id)
        _accept(connection, now, actor, client_id, require(parties.find_id(connection, row.party), "party", row.party), terms)
        kept = given | words | {"node": _node(connection, node)} | {"jwks": None if keys is None else json.dumps(keys)}
        changed = {column: value for column, value in kept.items() if value is not None} | ({"node": None} if node == "" else {})
        if changed:
            clients.change(connection, row.id, now, **changed)
        if keys is not None:
            clients.change(connection, row.id, now, jwks_url=jwks_url)
        said = keys and (jwks_url or thumbprints(keys))
        entry = ClientSet(client=client_id, terms=terms, **given, **words, keys=said)  # type: ignore[arg-type]
        record(connection, entry, now, actor, About())
        return require(clients.find(connection, client_id), "client", client_id)


def _keys(runtime: Runtime, jwks: Mapping[str, object] | None, jwks_url: str | None) -> dict[str, object]:
    """The keys as a row keeps them: none of those at a URL."""
    if (jwks is None) is (jwks_url is None):
        raise Invalid("keys", "A client is registered by its public keys, or by the URL where they are published.", "jwks")
    if jwks_url is not None:
        runtime.key_sets.check(jwks_url)
        return dict(NONE)
    return registered_jwks(jwks or NONE)


def _scopes(scopes: Sequence[str]) -> str:
    """Scopes as a row keeps them. Raises Invalid for one that can't be served."""
    text = " ".join(scopes)
    smart.parse(text)
    return text


def _accept(connection: Connection, now: datetime, actor: str, client: str, party: int, version: str | None) -> None:
    """Keep the version of the terms that a client is said to have accepted, if one is named; its entry is the caller's."""
    if version is not None:
        accepted = require(terms_rows.find_id(connection, version), "terms", version)
        acceptance.add(connection, now, terms=accepted, subject=client, party=party, actor=actor)


def _node(connection: Connection, name: str | None) -> int | None:
    return require(nodes.find(connection, name), "node", name).id if name else None


def list_clients(runtime: Runtime) -> tuple[ClientRow, ...]:
    """Every client, with its public keys."""
    with runtime.store.read() as connection:
        return clients.read_all(connection)
