"""What is agreed: organisations, terms, agreements and the datasets under them."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters.sql import governance
from adapters.sql.ledger import About, record
from adapters.sql.store import stamp
from consent.agreement import MOVES, AgreementState, moved
from consent.conditions import GRANTABLE, AccessClass, Action, Purpose, Visibility
from consent.entries import AgreementDrafted, AgreementMoved, DatasetAdded, DatasetDescribed, PartyAdded, TermsPublished
from consent.terms import is_version, terms_hash
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.govern import about, among, known, new
from server.usecases.hall import Hall

ALIAS = re.compile(r"[A-Z0-9_-]{1,16}")
RESERVED = "repository"
"""The party key under which FHIR shows the repository itself."""
PARTY_ROLES = ("provider", "user", "repository", "operator")
EVERY_PURPOSE = tuple(str(p) for p in Purpose)


def add_party(hall: Hall, actor: str, key: str, name: str, role: str, *, approved: bool = True) -> None:
    """Register an organisation: a provider, an approved user, another repository, or the operator's own."""
    among([role], PARTY_ROLES, "role")
    if key == RESERVED:
        raise Conflict("party-reserved", f"{RESERVED} is the repository itself; choose another key.", "party")
    with hall.store.write() as connection:
        new(connection, "party", key)
        party = governance.add(connection, "party", hall.clock(), key=key, name=name, role=role, approved=approved)
        record(connection, PartyAdded(party=key, role=role, approved=approved), hall.clock(), actor, About(party))


def add_terms(hall: Hall, actor: str, version: str, text: bytes) -> str:
    """Publish a version of the terms, immutable; returns its SHA-256."""
    if not is_version(version):
        raise Invalid("terms-version", "A terms version is MAJOR.MINOR.PATCH.", "version")
    with hall.store.write() as connection:
        if governance.id_of(connection, "terms", version) is not None:
            raise Conflict("terms-immutable", f"Terms {version} are published; publish changes under a new version.", "version")
        digest, now = terms_hash(text), hall.clock()
        governance.add(connection, "terms", now, version=version, sha256=digest, text=text, at=stamp(now))
        record(connection, TermsPublished(terms=version, sha256=digest), now, actor, About())
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
        "access_class": among([access_class], [str(c) for c in AccessClass], "class"),
        "listed": listed,
        "actions": among(actions, [str(a) for a in sorted(GRANTABLE)], "action"),
        "visibility": among([visibility], [str(v) for v in Visibility], "visibility"),
        "purposes": among(purposes, [str(p) for p in Purpose], "purpose"),
    }
    begins = starts or hall.clock()
    if ends is not None and ends <= begins:
        raise Invalid("period-empty", "The agreement's period ends before it starts.", "ends")
    with hall.store.write() as connection:
        new(connection, "agreement", key)
        party = known(connection, "party", provider)
        links = {"party": party, "node": known(connection, "node", node), "terms": known(connection, "terms", terms)}
        period = {"starts": stamp(begins), "ends": None if ends is None else stamp(ends)}
        governance.add(connection, "agreement", hall.clock(), key=key, version=1, state="draft", **links, **period, **values)
        draft = AgreementDrafted(
            agreement=key,
            version=1,
            state="draft",
            provider=provider,
            node=node,
            terms=terms,
            starts=begins,
            ends=ends,
            access_class=AccessClass(access_class),
            listed=listed,
            actions=frozenset(map(Action, actions)),
            visibility=Visibility(visibility),
            purposes=frozenset(map(Purpose, purposes)),
        )
        record(connection, draft, hall.clock(), actor, About(party))


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
        provider = _party_key(connection, row["party"])
        act = AgreementMoved(verb=verb, agreement=key, version=version, state=str(target), provider=provider)
        record(connection, act, hall.clock(), actor, About(row["party"]))
    return target


def _party_key(connection: Connection, party: int) -> str:
    return next(str(p["key"]) for p in governance.rows(connection, "party") if p["id"] == party)


def add_dataset(hall: Hall, actor: str, alias: str, agreement: str, title: str, description: str = "") -> None:
    """Open a dataset under an agreement; its alias is also the called AE title."""
    with hall.store.write() as connection:
        new(connection, "dataset", alias, ALIAS)
        row = governance.row(connection, "agreement", agreement)
        if row is None:
            raise NotFound("agreement-unknown", f"There is no agreement called {agreement}.", "agreement")
        values = {"alias": alias, "agreement": row["id"], "title": title, "description": description, "details": "{}"}
        dataset = governance.add(connection, "dataset", hall.clock(), **values)
        record(connection, DatasetAdded(dataset=alias, agreement=agreement), hall.clock(), actor, About(row["party"], dataset))


def set_dataset(hall: Hall, actor: str, alias: str, details: Mapping[str, str]) -> None:
    """Set what the catalogue needs and the index can't give; an empty value clears one. The caller has checked the keys."""
    with hall.store.write() as connection:
        row = governance.row(connection, "dataset", alias)
        if row is None:
            raise NotFound("dataset-unknown", f"There is no dataset called {alias}.", "dataset")
        named = {k: details[k] for k in ("title", "description") if k in details}
        kept = {k: v for k, v in (json.loads(row["details"]) | dict(details)).items() if v and k not in named}
        governance.change(connection, "dataset", row["id"], hall.clock(), details=json.dumps(kept, sort_keys=True), **named)
        record(connection, DatasetDescribed(dataset=alias, details=details), hall.clock(), actor, about(connection, alias))
