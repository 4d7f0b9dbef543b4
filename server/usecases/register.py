"""Who and what takes part: nodes, senders, clients and permits."""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.identity import registered_jwks
from adapters.sql import governance
from adapters.sql.ledger import About, record
from adapters.sql.store import stamp
from consent.agreement import NODE_MOVES, Hosting
from consent.conditions import Purpose
from consent.entries import (
    ClientAdded,
    ClientSet,
    NodeAdded,
    NodeMoved,
    PermitAdded,
    PermitRevoked,
    SenderAdded,
    SenderAttested,
    SenderRemoved,
)
from mappings import smart
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.govern import about, among, known, new
from server.usecases.hall import Hall

NODE_KINDS = ("folder", "orthanc")


def add_node(
    hall: Hall,
    actor: str,
    name: str,
    *,
    kind: str,
    hosting: str,
    url: str,
    secret_file: str | None = None,
    networks: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> None:
    """Add a node where pixels rest. Its secret stays in its file; `networks` are its compute clients' addresses (CIDRs)."""
    among([kind], NODE_KINDS, "kind")
    among([hosting], [str(h) for h in Hosting], "hosting")
    with hall.store.write() as connection:
        new(connection, "node", name)
        values = {"kind": kind, "hosting": hosting, "url": url, "secret_file": secret_file, "state": "linked"}
        cidrs = " ".join(str(_network(n)) for n in networks)
        governance.add(connection, "node", hall.clock(), name=name, networks=cidrs, allow=" ".join(allow), **values)
        entry = NodeAdded(node=name, node_kind=kind, hosting=hosting, allow=" ".join(allow))
        record(connection, entry, hall.clock(), actor, About())


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise Invalid(
            "network-unreadable", "A network is written as a CIDR, such as 10.1.0.0/16 or 127.0.0.1/32.", "from"
        ) from None


def move_node(hall: Hall, actor: str, name: str, verb: str) -> None:
    """Link, suspend or unlink a node; from the next statement on."""
    with hall.store.write() as connection:
        key = known(connection, "node", name)
        governance.change(connection, "node", key, hall.clock(), state=str(NODE_MOVES[verb]))
        record(connection, NodeMoved(verb=verb, node=name, state=str(NODE_MOVES[verb])), hall.clock(), actor, About())


def add_sender(hall: Hall, actor: str, alias: str, aet: str, network: str) -> None:
    """Register a calling AE title from a network as a sender, for this dataset only."""
    if not 1 <= len(aet) <= 16 or not aet.isascii() or "\\" in aet or not aet.strip() == aet:
        raise Invalid(
            "aet-illegal", "An AE title has 1 to 16 characters of the default repertoire, no backslash (PS3.5 6.2).", "aet"
        )
    with hall.store.write() as connection:
        dataset = known(connection, "dataset", alias)
        cidr = str(_network(network))
        if any(s.alias == alias and (s.aet, s.network) == (aet, cidr) for s in governance.senders(connection)):
            raise Conflict("sender-exists", f"{aet} from {cidr} is a sender of {alias} already.", "sender")
        governance.add(connection, "sender", hall.clock(), dataset=dataset, aet=aet, network=cidr)
        record(connection, SenderAdded(dataset=alias, aet=aet, network=cidr), hall.clock(), actor, about(connection, alias))


def attest_sender(hall: Hall, actor: str, alias: str, aet: str, person: str, on: str) -> None:
    """Record that a responsible person attested on a date: what this sender sends is de-identified."""
    with hall.store.write() as connection:
        found = [s for s in governance.senders(connection) if s.alias == alias and s.aet == aet]
        if not found:
            raise NotFound("sender-unknown", f"{aet} is no sender of {alias}.", "sender")
        for sender in found:
            governance.change(connection, "sender", sender.id, hall.clock(), attested_by=person, attested_on=on)
        entry = SenderAttested(dataset=alias, aet=aet, attested_by=person, attested_on=on)
        record(connection, entry, hall.clock(), actor, about(connection, alias))


def remove_sender(hall: Hall, actor: str, alias: str, aet: str) -> None:
    """Take a sender's registration away: its next object, and its next association, are rejected."""
    with hall.store.write() as connection:
        found = [s for s in governance.senders(connection) if s.alias == alias and s.aet == aet]
        if not found:
            raise NotFound("sender-unknown", f"{aet} is no sender of {alias}.", "sender")
        for sender in found:
            governance.change(connection, "sender", sender.id, hall.clock(), removed=True)
        record(connection, SenderRemoved(dataset=alias, aet=aet), hall.clock(), actor, about(connection, alias))


def add_client(
    hall: Hall,
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
    granted = among(purposes, [str(p) for p in Purpose], "purpose")
    keys = registered_jwks(jwks)
    smart.parse(" ".join(scopes))
    with hall.store.write() as connection:
        new(connection, "client", client_id)
        links = {
            "party": known(connection, "party", party),
            "node": known(connection, "node", node) if node else None,
            "terms": known(connection, "terms", terms) if terms else None,
        }
        values = {
            "client_id": client_id,
            "name": name or client_id,
            "purposes": granted,
            "scopes": " ".join(scopes),
            "enabled": True,
        }
        governance.add(connection, "client", hall.clock(), **values, **links, jwks=json.dumps(keys))
        entry = ClientAdded(client=client_id, party=party, purposes=granted, scopes=" ".join(scopes), node=node, terms=terms)
        record(connection, entry, hall.clock(), actor, About(links["party"]))


def set_client(hall: Hall, actor: str, client_id: str, *, enabled: bool | None = None, terms: str | None = None) -> None:
    """Enable or disable a client, or record the terms version it accepted."""
    with hall.store.write() as connection:
        key = known(connection, "client", client_id)
        changes: dict[str, object] = {} if enabled is None else {"enabled": enabled}
        if terms is not None:
            changes["terms"] = known(connection, "terms", terms)
        governance.change(connection, "client", key, hall.clock(), **changes)
        record(connection, ClientSet(client=client_id, enabled=enabled, terms=terms), hall.clock(), actor, About())


def add_permit(hall: Hall, actor: str, alias: str, party: str, ends: datetime | None = None) -> None:
    """Permit an organisation the use of a dataset shared under conditions."""
    with hall.store.write() as connection:
        dataset, holder = known(connection, "dataset", alias), known(connection, "party", party)
        period = {"starts": stamp(hall.clock()), "ends": None if ends is None else stamp(ends)}
        governance.add(connection, "permit", hall.clock(), dataset=dataset, party=holder, **period)
        record(connection, PermitAdded(dataset=alias, party=party, ends=ends), hall.clock(), actor, about(connection, alias))


def revoke_permit(hall: Hall, actor: str, alias: str, party: str) -> None:
    """Take every permit of an organisation for a dataset back."""
    with hall.store.write() as connection:
        dataset, holder = known(connection, "dataset", alias), known(connection, "party", party)
        held = [
            p
            for p in governance.rows(connection, "permit")
            if (p["dataset"], p["party"], p["revoked"]) == (dataset, holder, None)
        ]
        if not held:
            raise NotFound("permit-unknown", f"{party} holds no permit for {alias}.", "permit")
        for permit in held:
            governance.change(connection, "permit", permit["id"], hall.clock(), revoked=stamp(hall.clock()))
        record(connection, PermitRevoked(dataset=alias, party=party), hall.clock(), actor, about(connection, alias))
