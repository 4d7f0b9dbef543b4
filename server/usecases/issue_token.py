"""Give a client a token: prove who it is by its assertion, once, then see what it may be given.

A token never widens a decision: what it carries (scopes, purpose) is what was asked and registered, and every request is
decided anew. Refusals here only save a client from tokens that could open nothing. Nothing is recorded: a token is no use.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.identity import Keys, asserted_client, asserted_key, read_assertion
from adapters.sql import client as clients
from adapters.sql.client import ClientRow
from consent.policy import SENTENCES, is_behind, purpose_refusal
from consent.subject import Role, Subject
from mappings import smart
from mappings.failures import Forbidden, Invalid, Unauthenticated
from server.usecases.acceptance import to_accept
from server.usecases.identify import require_enabled, require_included, subject
from server.usecases.runtime import Runtime

NOBODYS_JWKS = '{"keys": []}'
"""The keys of who is not registered: they fit nothing, as another's fit nothing."""
LONGEST_SECONDS = 300
"""SMART backend services: an access token lives for five minutes at most."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, what it carries, and for how many seconds."""

    token: str
    scope: str
    purpose: str | None
    seconds: int


@dataclass(frozen=True, slots=True)
class Proven:
    """A client that proved itself, and what its assertion says it asks for (`hl7-b2b`), if it does."""

    row: ClientRow
    purpose: str | None


def authenticate(runtime: Runtime, assertion: str, audiences: tuple[str, ...], address: str) -> Proven:
    """The client that made this assertion (RFC 7523), which is used up by it. Raises Unauthenticated, or Throttled."""
    claimed = asserted_client(assertion)
    with runtime.throttle.attempt(claimed, address, runtime.clock()):
        return _proven(runtime, claimed, assertion, audiences)


def _proven(runtime: Runtime, claimed: str, assertion: str, audiences: tuple[str, ...]) -> Proven:
    """Whether a client is there, or disabled, is told to nobody but who holds its key."""
    with runtime.store.read() as connection:
        found = clients.find(connection, claimed)
    now, jku = runtime.clock(), found.jwks_url if found else None
    claims = read_assertion(assertion, claimed, _jwks(runtime, found, assertion), audiences, now, jku)
    row = require_enabled(found)
    with runtime.store.write() as connection:  # after the signature: nobody can use up another's jti
        expires = datetime.fromtimestamp(claims["exp"], UTC)
        if not clients.use_assertion(connection, row.client_id, claims["jti"], expires, now):
            raise Unauthenticated("assertion-replayed", "This client assertion was used before. Make a new one for each request.")
    return Proven(row, _stated_purpose(claims))


def _jwks(runtime: Runtime, found: ClientRow | None, assertion: str) -> str:
    if found is None:
        return NOBODYS_JWKS
    return json.dumps(runtime.key_sets.read(found.jwks_url, asserted_key(assertion))) if found.jwks_url else found.jwks


def _stated_purpose(claims: Mapping[str, Any]) -> str | None:
    """The one purpose of use in an assertion's `hl7-b2b` extension (SMART backend services 2.2, UDAP): a code, or system#code."""
    match claims.get("extensions"):
        case {"hl7-b2b": {"purpose_of_use": [str(stated)] | str(stated)}}:
            return stated.rpartition("#")[2]
    return None


def issue(runtime: Runtime, keys: Keys, row: ClientRow, scope: str | None, purpose: str | None) -> Issued:
    """A token for this client, for these scopes and this purpose; who has one purpose only is given that unasked.

    Raises Forbidden, and Invalid for what the request asks.
    """
    asker = subject(row, inside=False)
    with runtime.store.read() as connection:
        require_included(asker, runtime.governance.current(connection))
    if purpose is None and asker.role is Role.USER and len(asker.purposes) == 1:
        (purpose,) = map(str, asker.purposes)
    _entitled(runtime, asker)
    _purposeful(asker, purpose)
    scopes = " ".join(smart.grant_scopes(scope, row.scopes))
    seconds = min(runtime.settings.token_seconds, LONGEST_SECONDS)
    return Issued(keys.mint(_claims(runtime, row, scopes, purpose, seconds)), scopes, purpose, seconds)


def _entitled(runtime: Runtime, asker: Subject) -> None:
    if asker.role is Role.USER and not asker.approved:
        raise Forbidden("not-approved", SENTENCES["not-approved"])
    if asker.role is Role.OPERATOR:
        return
    with runtime.store.read() as connection:
        facts = runtime.governance.current(connection).facts if asker.role is Role.USER else ()
        if is_behind(asker, facts, runtime.clock()):
            raise Forbidden("terms-not-accepted", " ".join(to_accept(runtime, connection, asker)))


def _purposeful(asker: Subject, purpose: str | None) -> None:
    """A user's token carries one purpose, any other caller's none; a clinical one is refused by name, whoever asks."""
    if asker.role is not Role.USER and purpose is None:
        return
    rule = purpose_refusal(asker, purpose)
    if asker.role is not Role.USER and rule not in ("purpose-clinical", "purpose-unknown"):
        raise Invalid("purpose-not-carried", "Tokens of providers and the operator carry no purpose: leave it out.", "purpose")
    if rule:
        raise (Forbidden if rule == "purpose-not-registered" else Invalid)(rule, SENTENCES[rule], "purpose")


def _claims(runtime: Runtime, row: ClientRow, scopes: str, purpose: str | None, seconds: int) -> dict[str, object]:
    issuer, issued = runtime.settings.base_url, int(runtime.clock().timestamp())
    claims = {"iss": issuer, "sub": row.client_id, "client_id": row.client_id, "aud": issuer, "scope": scopes}
    times = {"iat": issued, "exp": issued + seconds, "jti": secrets.token_urlsafe(16)}
    return claims | times | ({"purpose": purpose} if purpose else {})
