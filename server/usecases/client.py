"""OAuth clients: registering them by their public keys, and what they may be given."""

from collections.abc import Mapping, Sequence

from adapters.identity import registered_jwks
from adapters.sql import client as clients
from adapters.sql import node as nodes
from adapters.sql import party as parties
from adapters.sql import terms as terms_rows
from adapters.sql.client import ClientRow
from adapters.sql.ledger import About, record
from consent.conditions import Purpose
from consent.entries import ClientAdded, ClientSet
from mappings import smart
from server.usecases.naming import check_new, check_words, require
from server.usecases.runtime import Runtime


def add_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    *,
    party: str,
    jwks: Mapping[str, object],
    scopes: Sequence[str],
    purposes: Sequence[str] = (),
    node: str | None = None,
    terms: str | None = None,
    name: str = "",
) -> None:
    """Register an OAuth client by its public keys; bound to a node, it is inside that node's compute networks."""
    registered = check_words(purposes, [str(p) for p in Purpose], "purpose")
    keys, now = registered_jwks(jwks), runtime.clock()
    smart.parse(" ".join(scopes))
    with runtime.governance_act() as connection:
        check_new(clients.find(connection, client_id), "client", client_id)
        owner = require(parties.find_id(connection, party), "party", party)
        clients.add(
            connection,
            now,
            client_id=client_id,
            name=name or client_id,
            party=owner,
            node=require(nodes.find(connection, node), "node", node).id if node else None,
            terms=require(terms_rows.find_id(connection, terms), "terms", terms) if terms else None,
            purposes=registered,
            scopes=scopes,
            jwks=keys,
        )
        added = ClientAdded(client=client_id, party=party, purposes=registered, scopes=" ".join(scopes), node=node, terms=terms)
        record(connection, added, now, actor, About(owner))


def set_client(runtime: Runtime, actor: str, client_id: str, *, enabled: bool | None = None, terms: str | None = None) -> None:
    """Enable or disable a client, or record the terms version it accepted."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(clients.find(connection, client_id), "client", client_id)
        accepted = require(terms_rows.find_id(connection, terms), "terms", terms) if terms is not None else None
        clients.change(connection, row.id, now, enabled=enabled, terms=accepted)
        record(connection, ClientSet(client=client_id, enabled=enabled, terms=terms), now, actor, About())


def list_clients(runtime: Runtime) -> tuple[ClientRow, ...]:
    """Every client, with its public keys."""
    with runtime.store.read() as connection:
        return clients.read_all(connection)
