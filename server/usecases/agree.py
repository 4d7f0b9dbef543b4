"""What the operator does with governance: parties, nodes, terms, agreements, datasets, senders, clients, permits and studies.

Each verb is one durable transaction: the change, the moved counter (so it binds the next statement everywhere) and its ledger
entry. Illegal moves and unknown names raise; nothing is half done.
"""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters.identity import registered_jwks
from adapters.sql import custody, governance, index
from adapters.sql.ledger import About, record
from adapters.sql.store import stamp
from consent.agreement import MOVES, NODE_MOVES, AgreementState, Hosting, moved
from consent.conditions import GRANTABLE, AccessClass, Purpose, Visibility
from consent.entries import Kind
from consent.terms import is_version, terms_hash
from mappings import smart
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.hall import Hall

ALIAS = re.compile(r"[A-Z0-9_-]{1,16}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
RESERVED = "repository"
"""The party key under which FHIR shows the repository itself."""
PARTY_ROLES = ("provider", "user", "repository", "operator")
NODE_KINDS = ("folder", "orthanc")
EVERY_PURPOSE = tuple(str(p) for p in Purpose)


def _record(
    hall: Hall, connection: Connection, actor: str, noun: str, verb: str, facts: Mapping[str, object], about: About
) -> None:
    record(connection, f"{Kind.GOVERN}.{noun}.{verb}", hall.clock(), actor, facts, about)


def _id(connection: Connection, noun: str, name: str) -> int:
    found = governance.id_of(connection, noun, name)
    if found is None:
        raise NotFound(f"{noun}-unknown", f"There is no {noun} called {name}.", noun)
    return found


def _new(connection: Connection, noun: str, name: str, pattern: re.Pattern[str] = NAME) -> None:
    if not pattern.fullmatch(name):
        raise Invalid(f"{noun}-name", f"A {noun} is called by {pattern.pattern}.", noun)
    if governance.id_of(connection, noun, name) is not None:
        raise Conflict(f"{noun}-exists", f"There is a {noun} called {name} already.", noun)


def _words(words: Sequence[str], allowed: Sequence[str], what: str) -> str:
    for word in words:
        if word not in allowed:
            raise Invalid(f"{what}-unknown", f"{what} must be among: {', '.join(allowed)}.", what)
    return " ".join(sorted(set(words)))


def add_party(hall: Hall, actor: str, key: str, name: str, role: str, *, approved: bool = True) -> None:
    """Register an organisation: a provider, an approved user, another repository, or the operator's own."""
    _words([role], PARTY_ROLES, "role")
    if key == RESERVED:
        raise Conflict("party-reserved", f"{RESERVED} is the repository itself; choose another key.", "party")
    with hall.store.write() as connection:
        _new(connection, "party", key)
        party = governance.add(connection, "party", hall.clock(), key=key, name=name, role=role, approved=approved)
        _record(hall, connection, actor, "party", "add", {"party": key, "role": role, "approved": int(approved)}, About(party))


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
    _words([kind], NODE_KINDS, "kind")
    _words([hosting], [str(h) for h in Hosting], "hosting")
    with hall.store.write() as connection:
        _new(connection, "node", name)
        values = {"kind": kind, "hosting": hosting, "url": url, "secret_file": secret_file, "state": "linked"}
        cidrs = " ".join(str(_network(n)) for n in networks)
        governance.add(connection, "node", hall.clock(), name=name, networks=cidrs, allow=" ".join(allow), **values)
        _record(
            hall,
            connection,
            actor,
            "node",
            "add",
            {"node": name, "kind": kind, "hosting": hosting, "allow": " ".join(allow)},
            About(),
        )


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
        key = _id(connection, "node", name)
        governance.change(connection, "node", key, hall.clock(), state=str(NODE_MOVES[verb]))
        _record(hall, connection, actor, "node", verb, {"node": name, "state": str(NODE_MOVES[verb])}, About())


def add_terms(hall: Hall, actor: str, version: str, text: bytes) -> str:
    """Publish a version of the terms, immutable; returns its SHA-256."""
    if not is_version(version):
        raise Invalid("terms-version", "A terms version is MAJOR.MINOR.PATCH.", "version")
    with hall.store.write() as connection:
        if governance.id_of(connection, "terms", version) is not None:
            raise Conflict("terms-immutable", f"Terms {version} are published; publish changes under a new version.", "version")
        digest, now = terms_hash(text), hall.clock()
        governance.add(connection, "terms", now, version=version, sha256=digest, text=text, at=stamp(now))
        _record(hall, connection, actor, "terms", "add", {"terms": version, "sha256": digest}, About())
    return digest


def add_agreement(
    hall: Hall,
    actor: str,
    key: str,
    *,
    provider: str,
    node: str,
    terms: str,
    starts: datetime | None = None,
    ends: datetime | None = None,
    access_class: str = "default",
    listed: bool = True,
    actions: Sequence[str] = ("query",),
    visibility: str = "none",
    purposes: Sequence[str] = EVERY_PURPOSE,
) -> None:
    """Draft an agreement between a provider and the repository; nothing moves under it until it is active."""
    values: dict[str, Any] = {
        "access_class": _words([access_class], [str(c) for c in AccessClass], "class"),
        "listed": listed,
        "actions": _words(actions, [str(a) for a in sorted(GRANTABLE)], "action"),
        "visibility": _words([visibility], [str(v) for v in Visibility], "visibility"),
        "purposes": _words(purposes, [str(p) for p in Purpose], "purpose"),
    }
    begins = starts or hall.clock()
    if ends is not None and ends <= begins:
        raise Invalid("period-empty", "The agreement's period ends before it starts.", "ends")
    with hall.store.write() as connection:
        _new(connection, "agreement", key)
        party = _id(connection, "party", provider)
        links = {"party": party, "node": _id(connection, "node", node), "terms": _id(connection, "terms", terms)}
        period = {"starts": stamp(begins), "ends": None if ends is None else stamp(ends)}
        governance.add(connection, "agreement", hall.clock(), key=key, version=1, state="draft", **links, **period, **values)
        said = {"agreement": key, "version": 1, "state": "draft", "provider": provider, "node": node, "terms": terms}
        period_said = {"starts": begins.isoformat(), "ends": ends.isoformat() if ends else None}
        _record(hall, connection, actor, "agreement", "add", said | period_said | {**values, "listed": int(listed)}, About(party))


def move_agreement(hall: Hall, actor: str, key: str, verb: str) -> AgreementState:
    """Propose, activate, suspend, resume or terminate: only legal moves, each a new version."""
    with hall.store.write() as connection:
        row = governance.row(connection, "agreement", key)
        if row is None:
            raise NotFound("agreement-unknown", f"There is no agreement called {key}.", "agreement")
        target = moved(AgreementState(row["state"]), verb)
        if target is None:
            origins = ", ".join(sorted(MOVES[verb][0]))
            raise Conflict(
                "agreement-move", f"An agreement that is {row['state']} can't {verb}; only one that is {origins}.", "agreement"
            )
        version = row["version"] + 1
        governance.change(connection, "agreement", row["id"], hall.clock(), state=str(target), version=version)
        said = {"agreement": key, "version": version, "state": str(target), "provider": _party_key(connection, row["party"])}
        _record(hall, connection, actor, "agreement", verb, said, About(row["party"]))
    return target


def _party_key(connection: Connection, party: int) -> str:
    return next(str(p["key"]) for p in governance.rows(connection, "party") if p["id"] == party)


def add_dataset(hall: Hall, actor: str, alias: str, agreement: str, title: str, description: str = "") -> None:
    """Open a dataset under an agreement; its alias is also the called AE title."""
    with hall.store.write() as connection:
        _new(connection, "dataset", alias, ALIAS)
        row = governance.row(connection, "agreement", agreement)
        if row is None:
            raise NotFound("agreement-unknown", f"There is no agreement called {agreement}.", "agreement")
        values = {"alias": alias, "agreement": row["id"], "title": title, "description": description, "details": "{}"}
        dataset = governance.add(connection, "dataset", hall.clock(), **values)
        _record(
            hall, connection, actor, "dataset", "add", {"dataset": alias, "agreement": agreement}, About(row["party"], dataset)
        )


def set_dataset(hall: Hall, actor: str, alias: str, details: Mapping[str, str]) -> None:
    """Set what the catalogue needs and the index can't give; an empty value clears one. Keys are checked by the caller's table."""
    with hall.store.write() as connection:
        row = governance.row(connection, "dataset", alias)
        if row is None:
            raise NotFound("dataset-unknown", f"There is no dataset called {alias}.", "dataset")
        named = {k: details[k] for k in ("title", "description") if k in details}
        kept = {k: v for k, v in (json.loads(row["details"]) | dict(details)).items() if v and k not in named}
        governance.change(connection, "dataset", row["id"], hall.clock(), details=json.dumps(kept, sort_keys=True), **named)
        _record(hall, connection, actor, "dataset", "set", {"dataset": alias, **details}, _about(connection, alias))


def _about(connection: Connection, alias: str) -> About:
    dataset = next(d for d in governance.datasets(connection) if d.alias == alias)
    return About(governance.id_of(connection, "party", dataset.provider), dataset.id)


def add_sender(hall: Hall, actor: str, alias: str, aet: str, network: str) -> None:
    """Register a calling AE title from a network as a sender, for this dataset only."""
    if not 1 <= len(aet) <= 16 or not aet.isascii() or "\\" in aet or not aet.strip() == aet:
        raise Invalid(
            "aet-illegal", "An AE title has 1 to 16 characters of the default repertoire, no backslash (PS3.5 6.2).", "aet"
        )
    with hall.store.write() as connection:
        dataset = _id(connection, "dataset", alias)
        cidr = str(_network(network))
        if any(s.alias == alias and (s.aet, s.network) == (aet, cidr) for s in governance.senders(connection)):
            raise Conflict("sender-exists", f"{aet} from {cidr} is a sender of {alias} already.", "sender")
        governance.add(connection, "sender", hall.clock(), dataset=dataset, aet=aet, network=cidr)
        _record(hall, connection, actor, "sender", "add", {"dataset": alias, "aet": aet, "from": cidr}, _about(connection, alias))


def attest_sender(hall: Hall, actor: str, alias: str, aet: str, person: str, on: str) -> None:
    """Record that a responsible person attested on a date: what this sender sends is de-identified."""
    with hall.store.write() as connection:
        found = [s for s in governance.senders(connection) if s.alias == alias and s.aet == aet]
        if not found:
            raise NotFound("sender-unknown", f"{aet} is no sender of {alias}.", "sender")
        for sender in found:
            governance.change(connection, "sender", sender.id, hall.clock(), attested_by=person, attested_on=on)
        said = {"dataset": alias, "aet": aet, "attested_by": person, "attested_on": on}
        _record(hall, connection, actor, "sender", "attest", said, _about(connection, alias))


def remove_sender(hall: Hall, actor: str, alias: str, aet: str) -> None:
    """Take a sender's registration away: its next association is rejected."""
    with hall.store.write() as connection:
        found = [s for s in governance.senders(connection) if s.alias == alias and s.aet == aet]
        if not found:
            raise NotFound("sender-unknown", f"{aet} is no sender of {alias}.", "sender")
        for sender in found:
            governance.change(connection, "sender", sender.id, hall.clock(), removed=True)
        _record(hall, connection, actor, "sender", "remove", {"dataset": alias, "aet": aet}, _about(connection, alias))


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
    granted = _words(purposes, [str(p) for p in Purpose], "purpose")
    keys = registered_jwks(jwks)
    smart.parse(" ".join(scopes))
    with hall.store.write() as connection:
        _new(connection, "client", client_id)
        links = {
            "party": _id(connection, "party", party),
            "node": _id(connection, "node", node) if node else None,
            "terms": _id(connection, "terms", terms) if terms else None,
        }
        values = {
            "client_id": client_id,
            "name": name or client_id,
            "purposes": granted,
            "scopes": " ".join(scopes),
            "enabled": True,
        }
        governance.add(connection, "client", hall.clock(), **values, **links, jwks=json.dumps(keys))
        said = {
            "client": client_id,
            "party": party,
            "purposes": granted,
            "scopes": " ".join(scopes),
            "node": node,
            "terms": terms,
        }
        _record(hall, connection, actor, "client", "add", said, About(links["party"]))


def set_client(hall: Hall, actor: str, client_id: str, *, enabled: bool | None = None, terms: str | None = None) -> None:
    """Enable or disable a client, or record the terms version it accepted."""
    with hall.store.write() as connection:
        key = _id(connection, "client", client_id)
        changes: dict[str, object] = {} if enabled is None else {"enabled": enabled}
        if terms is not None:
            changes["terms"] = _id(connection, "terms", terms)
        governance.change(connection, "client", key, hall.clock(), **changes)
        said = {"client": client_id, "enabled": None if enabled is None else int(enabled), "terms": terms}
        _record(hall, connection, actor, "client", "set", said, About())


def add_permit(hall: Hall, actor: str, alias: str, party: str, ends: datetime | None = None) -> None:
    """Permit an organisation the use of a dataset shared under conditions."""
    with hall.store.write() as connection:
        dataset, holder = _id(connection, "dataset", alias), _id(connection, "party", party)
        period = {"starts": stamp(hall.clock()), "ends": None if ends is None else stamp(ends)}
        governance.add(connection, "permit", hall.clock(), dataset=dataset, party=holder, **period)
        said = {"dataset": alias, "party": party, "ends": ends.isoformat() if ends else None}
        _record(hall, connection, actor, "permit", "add", said, _about(connection, alias))


def revoke_permit(hall: Hall, actor: str, alias: str, party: str) -> None:
    """Take every permit of an organisation for a dataset back."""
    with hall.store.write() as connection:
        dataset, holder = _id(connection, "dataset", alias), _id(connection, "party", party)
        held = [
            p
            for p in governance.rows(connection, "permit")
            if (p["dataset"], p["party"], p["revoked"]) == (dataset, holder, None)
        ]
        if not held:
            raise NotFound("permit-unknown", f"{party} holds no permit for {alias}.", "permit")
        for permit in held:
            governance.change(connection, "permit", permit["id"], hall.clock(), revoked=stamp(hall.clock()))
        _record(hall, connection, actor, "permit", "revoke", {"dataset": alias, "party": party}, _about(connection, alias))


def withdraw_study(hall: Hall, actor: str, study_uid: str, *, replace: bool = False) -> int:
    """Take a study out at once; its bytes are purged after. A block keeps it out unless a replacement is to come. Returns objects."""
    now = hall.clock()
    with hall.store.write() as connection:
        custody.lock_study(connection, study_uid)
        objects = custody.of_study(connection, study_uid)
        if not objects:
            raise NotFound("study-unknown", "No object of this study is in care.", "study")
        dataset = objects[0].dataset
        index.remove_study(connection, study_uid)
        for kept in objects:
            custody.move(connection, kept.id, kept.state, "withdrawn" if kept.state == "held" else "refusing", now)
        if not replace:
            custody.add_block(connection, dataset, "withdrawn", now, study_uid=study_uid)
        alias = next(d.alias for d in governance.datasets(connection) if d.id == dataset)
        said = {"study": study_uid, "dataset": alias, "objects": len(objects), "replace": int(replace)}
        _record(hall, connection, actor, "study", "withdraw", said, _about(connection, alias))
    return len(objects)


def lift_block(hall: Hall, actor: str, uid: str) -> int:
    """Let what was withdrawn or refused under this UID come again; returns how many blocks were lifted."""
    with hall.store.write() as connection:
        lifted = custody.lift_block(connection, uid, hall.clock())
        if not lifted:
            raise NotFound("block-unknown", "No block in force names this UID.", "block")
        _record(hall, connection, actor, "block", "lift", {"uid": uid, "blocks": lifted}, About())
    return lifted
