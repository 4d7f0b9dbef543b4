"""Application entities: which AE titles a client asks under on the DICOM network, and where what it asks for may be sent."""

from collections.abc import Sequence

from adapters.sql import client as clients
from adapters.sql import entity as entities
from adapters.sql import party as parties
from adapters.sql.entity import EntityRow
from adapters.sql.ledger import About, record
from consent.entries import EntityAdded, EntityRemoved
from mappings.failures import Conflict, Invalid
from server.usecases.naming import check_aet, require
from server.usecases.peering import ANYBODY, Peering, read_peering
from server.usecases.runtime import Runtime


def add_entity(
    runtime: Runtime,
    actor: str,
    aet: str,
    *,
    client: str,
    networks: Sequence[str] = (),
    purpose: str | None = None,
    scp: str | None = None,
    peering: Peering = ANYBODY,
) -> None:
    """Let a client ask under an AE title, from these networks (CIDRs), for one of its purposes.

    `scp` (address:port) is where what it asks for may be sent: without one nothing is. An AE title is one client's.
    Raises Invalid, NotFound or Conflict.
    """
    check_aet(aet)
    bound = read_peering(networks, scp, peering)
    address, port = bound.scp or (None, None)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(clients.find(connection, client), "client", client)
        if entities.find(connection, aet) is not None:
            raise Conflict("ae-exists", f"There is an AE called {aet} already.", "aet")
        if purpose is not None and purpose not in row.purposes:
            raise Invalid("purpose-not-registered", f"{client} is not registered for this purpose.", "purpose")
        named = {"networks": bound.networks, "address": address, "port": port, "certificates": bound.certificates}
        limits = {"tls": bound.tls, "associations": bound.associations}
        entities.add(connection, now, aet=aet, client=row.id, purpose=purpose, **named, **limits)  # type: ignore[arg-type]
        cidrs = " ".join(bound.networks) or None
        added = EntityAdded(client=client, aet=aet, networks=cidrs, purpose=purpose, **bound.told)
        record(connection, added, now, actor, About(parties.find_id(connection, row.party)))


def remove_entity(runtime: Runtime, actor: str, aet: str) -> None:
    """Take an AE title away: its next question is refused, and its next association rejected."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(entities.find(connection, aet), "AE", aet)
        entities.remove(connection, row)
        record(connection, EntityRemoved(client=row.client, aet=aet), now, actor, About())


def list_entities(runtime: Runtime) -> tuple[EntityRow, ...]:
    """Every application entity."""
    with runtime.store.read() as connection:
        return entities.read_all(connection)
