"""Who asks, at every door: from the credential that a door was shown to a caller, as it is registered at this moment.

A door builds the credential and calls `identify`; nothing else decides who somebody is. A token proves a client for five minutes
at most, an association may stay open for days: whether the client or sender is still registered, enabled, approved, bound to a
linked node and may have the token's scopes is read anew for every request and every object, so that governance binds at once.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection

from adapters.identity import Claims, Keys
from adapters.sql import acceptance
from adapters.sql import client as clients
from adapters.sql import entity as entities
from adapters.sql import person as people
from adapters.sql import sender as senders
from adapters.sql.client import ClientRow
from adapters.sql.entity import EntityRow
from adapters.sql.person import RoleRow
from consent.conditions import Purpose
from consent.exclusion import is_excluded
from consent.node import NodeState
from consent.person import PERSON, Actor, PersonRole, person_id, role_of
from consent.subject import ANONYMOUS, Role, Subject, federation
from mappings.failures import NotFound, Unauthenticated
from mappings.network import canonical, lies_in
from mappings.smart import still_granted
from server.usecases.governance import GovernanceSnapshot
from server.usecases.runtime import Caller, Registration, Runtime
from server.usecases.session import SignedIn, actor_of, find_session

ROLES = {"provider": Role.PROVIDER, "operator": Role.OPERATOR, "user": Role.USER, "repository": Role.USER}
"""The role of a client whose organisation has this one, outside of any node's compute network."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """No credential: what is open to everybody may be asked all the same."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """An access token (RFC 6750) and the address it came from."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The bytes of a whole Authorization header, as the federation's clients send them, and the address it came from."""

    header: bytes
    address: str


@dataclass(frozen=True, slots=True)
class AeTitle:
    """What an association request says (PS3.8 section 9.3.2): the AE titles called and calling; and the address it came from.

    `certificate` is what the verified certificate that was shown is called (`mappings.certificate.names`).
    """

    called: str
    calling: str
    address: str
    certificate: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The secret of a person's session, as a browser keeps it, and the address it came from."""

    secret: str
    address: str


Credential = Nobody | BearerToken | SessionCookie | SharedSecret | AeTitle


class Rejection(StrEnum):
    """The codes of an AE title that proves nothing; a rejection names which of the two it was (PS3.8 Table 9-21).

    Of a certificate that is lacking or another's the operator is told; the caller hears that it is unknown.
    """

    UNKNOWN_CALLED = "unknown-called"
    UNKNOWN_CALLING = "unknown-calling"
    OTHER_CERTIFICATE = "other-certificate"


def identify(runtime: Runtime, credential: Credential, request: str = "", *, keys: Keys | None = None) -> Caller:
    """The caller that this credential proves. `keys` sign the access tokens; a door that takes no tokens needs none.

    Raises Unauthenticated, by a `Rejection` for AE titles; NotFound for a shared secret where none is configured.
    """
    caller = _identified(runtime, credential, request, keys)
    if not _is_let_in(caller):
        unknown = Rejection.UNKNOWN_CALLING if isinstance(credential, AeTitle) else "excluded"
        raise Unauthenticated(unknown, EXCLUDED)
    return caller


def _is_let_in(caller: Caller) -> bool:
    return caller.governance is None or not is_excluded(caller.subject, caller.governance.exclusions)


EXCLUDED = "The repository has blocked who asks, or the organisation asked for. Ask the repository."


def _identified(runtime: Runtime, credential: Credential, request: str, keys: Keys | None) -> Caller:
    match credential:
        case Nobody():
            return Caller(ANONYMOUS, request=request)
        case BearerToken():
            return _bearer(runtime, credential, request, keys)
        case SessionCookie():
            known = find_session(runtime, credential.secret)
            return _person(runtime, known, request, credential.address) if known else Caller(ANONYMOUS, request=request)
        case SharedSecret():
            return _federation(runtime, credential, request)
        case AeTitle(called=runtime.settings.ae_title):
            return _entity(runtime, credential, request)
        case AeTitle():
            return _sender(runtime, credential, request)


def _bearer(runtime: Runtime, token: BearerToken, request: str, keys: Keys | None) -> Caller:
    if keys is None:
        raise Unauthenticated("token-invalid", "No access tokens are taken here.")
    claims = keys.read(token.text, runtime.settings.base_url, runtime.clock())
    if "sid" not in claims:
        return _client(runtime, token, request, claims)
    known = find_session(runtime, str(claims["sid"]), is_key=True)
    if known is None:
        raise Unauthenticated("session-ended", "This session has ended. Sign in again: accord login.")
    return _person(runtime, known, request, token.address)


def _person(runtime: Runtime, known: SignedIn, request: str, address: str) -> Caller:
    """A person by the role of the session; who has chosen none asks as anybody, and acts as nobody."""
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        who = person_subject(known.person.key, known.role, acceptance.versions_of(connection, person_id(known.person.key)))
    session, role = known.session, known.role
    scopes = tuple(session.scopes.split()) if role else ()
    found = {"governance": governance, "actor": actor_of(known), "session": session.key}
    return Caller(who, session.purpose or None, scopes, request, address, **found)  # type: ignore[arg-type]


def person_subject(key: str, role: RoleRow | None, accepted: frozenset[str]) -> Subject:
    """The subject that a person is by a role, having accepted these versions of the terms."""
    if role is None:
        return Subject(person_id(key), Role.ANONYMOUS)
    known = frozenset(map(Purpose, role.purposes))
    return Subject(person_id(key), role_of(role.role), role.party, role.approved, accepted, known, external=role.external)


def _client(runtime: Runtime, token: BearerToken, request: str, claims: Claims) -> Caller:
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        row = _client_row(connection, governance, claims["client_id"])
    inside = row.node is not None and _is_linked(governance, row.node) and lies_in(token.address, row.networks)
    scopes = still_granted(claims["scope"], row.scopes)
    known = {"governance": governance, "actor": _machine(row)}
    return Caller(subject(row, inside=inside), claims.get("purpose"), scopes, request, token.address, **known)  # type: ignore[arg-type]


_MACHINES = {
    Role.PROVIDER: PersonRole.DATA_MANAGER,
    Role.OPERATOR: PersonRole.AUDITOR,
    Role.USER: PersonRole.RESEARCHER,
}
"""What a client may do besides using data, as the person with this role: none signs, decides or releases for the repository."""


def _machine(row: ClientRow) -> Actor:
    return Actor(row.client_id, row.party, frozenset({_MACHINES[ROLES[row.role]]}))


def _client_row(connection: Connection, governance: GovernanceSnapshot, client_id: str) -> ClientRow:
    """The client as it is registered; kept with the governance that it was read after, so it is never older than that."""
    row = governance.clients.get(client_id)
    if row is None:
        row = governance.clients[client_id] = require_enabled(clients.find(connection, client_id))
    return row


def recall(
    runtime: Runtime, connection: Connection, client: str, *, inside: bool, purpose: str, scopes: tuple[str, ...]
) -> Caller:
    """The client or person whose work goes on after its request, as it is registered by now. Raises Unauthenticated."""
    governance = runtime.governance.current(connection)
    if (key := client.removeprefix(PERSON)) != client:
        caller = _recalled(connection, governance, key, purpose, scopes)
    else:
        caller = _recalled_client(connection, governance, client, inside=inside, purpose=purpose, scopes=scopes)
    require_included(caller.subject, governance)
    return caller


def _recalled_client(
    connection: Connection, governance: GovernanceSnapshot, client: str, *, inside: bool, purpose: str, scopes: tuple[str, ...]
) -> Caller:
    row = _client_row(connection, governance, client)
    linked = row.node is not None and _is_linked(governance, row.node)
    held = still_granted(" ".join(scopes), row.scopes)
    return Caller(subject(row, inside=inside and linked), purpose or None, held, governance=governance)


def _recalled(connection: Connection, governance: GovernanceSnapshot, key: str, purpose: str, scopes: tuple[str, ...]) -> Caller:
    """A person by the one role that this purpose, or none, can be of."""
    row = people.find(connection, key)
    standing = row.roles if row and not row.blocked else ()
    able = [r for r in standing if (purpose in r.purposes if purpose else role_of(r.role) is Role.PROVIDER)]
    if len(able) != 1:
        raise Unauthenticated("person-unknown", "This person has not exactly one role here that this could be done by.")
    who = person_subject(key, able[0], acceptance.versions_of(connection, person_id(key)))
    return Caller(who, purpose or None, scopes, governance=governance)


def _federation(runtime: Runtime, secret: SharedSecret, request: str) -> Caller:
    callers = runtime.settings.federation
    if not callers:
        raise NotFound("federation-off", "This repository takes no part in federated search.")
    proven = [name for name, secrets in callers.items() for each in secrets if hmac.compare_digest(secret.header, each.encode())]
    with runtime.throttle.attempt("federation", secret.address, runtime.clock()):
        if not proven:
            raise Unauthenticated("federation-secret", "The Authorization header is not the one agreed with the federation.")
    return Caller(federation(proven[0]), request=request)


def _sender(runtime: Runtime, titles: AeTitle, request: str) -> Caller:
    address = canonical(titles.address)
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        if all(facts.alias != titles.called for facts in governance.facts):
            raise Unauthenticated(Rejection.UNKNOWN_CALLED, "No dataset has this AE title.")
        called = senders.registered(connection, titles.called, titles.calling)
    here = [row for row in called if not row.network or lies_in(address, (row.network,))]
    if not here:
        raise Unauthenticated(Rejection.UNKNOWN_CALLING, "No sender of this dataset has this AE title and address.")
    row = max((row for row in here if _shows(titles, row.certificates)), key=lambda row: row.attested, default=None)
    if row is None:
        raise _other()
    registration = Registration(row.dataset, row.alias, row.aet, row.attested, row.id, row.scp)
    sender = Subject(f"sender:{row.id}", Role.SENDER, row.party)
    known = {"address": address, "registration": registration, "associations": row.associations}
    return Caller(sender, request=request, governance=governance, **known)  # type: ignore[arg-type]


def _shows(titles: AeTitle, certificates: Sequence[str]) -> bool:
    """Whether it shows one of the certificates that this registration is bound to; bound to none, it need not."""
    return not certificates or not titles.certificate.isdisjoint(certificates)


def _other() -> Unauthenticated:
    return Unauthenticated(Rejection.OTHER_CERTIFICATE, "Who is registered so shows a certificate, and this is not it.")


def _entity(runtime: Runtime, titles: AeTitle, request: str) -> Caller:
    address = canonical(titles.address)
    unknown = Unauthenticated(Rejection.UNKNOWN_CALLING, "No application entity has this AE title and address.")
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        entity = entities.find(connection, titles.calling)
        if entity is None or (entity.networks and not lies_in(address, entity.networks)):
            raise unknown
        if not _shows(titles, entity.certificates):
            raise _other()
        try:
            row = _client_row(connection, governance, entity.client)
        except Unauthenticated:
            raise unknown from None
    inside = row.node is not None and _is_linked(governance, row.node) and lies_in(address, row.networks)
    known = {"address": address, "associations": entity.associations}
    return Caller(subject(row, inside=inside), entity.purpose, row.scopes, request, governance=governance, **known)  # type: ignore[arg-type]


def destined(runtime: Runtime, caller: Caller, aet: str) -> tuple[Caller, EntityRow]:
    """Where a C-MOVE to this AE title goes, and its caller as far as bytes go there: inside where both are (PS3.4 C.4.2.1.3).

    The destination is an application entity of the caller's own organisation that listens somewhere. Raises NotFound.
    """
    unknown = NotFound("destination-unknown", "No application entity of yours that listens has this AE title.")
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        entity = entities.find(connection, aet)
        if entity is None or entity.address is None:
            raise unknown
        row = _client_row(connection, governance, caller.subject.id)
        if _client_row(connection, governance, entity.client).party != row.party:
            raise unknown
    inside = caller.subject.role is Role.INSIDE and lies_in(entity.address, row.networks)
    return replace(caller, subject=subject(row, inside=inside)), entity


def is_registered(runtime: Runtime, address: str, certificate: frozenset[str]) -> bool:
    """Whether somebody registered calls from this address, or shows a certificate like this, whoever it then says it is."""
    if certificate:  # an authority that the operator trusts has verified it
        return True
    with runtime.store.read() as connection:
        return lies_in(address, runtime.governance.current(connection).callers)


def active(runtime: Runtime, keys: Keys, token: str) -> Claims | None:
    """The claims of a token that would be let in now (RFC 7662's *active*), or None."""
    try:
        claims = keys.read(token, runtime.settings.base_url, runtime.clock())
        if "sid" in claims:
            known = find_session(runtime, str(claims["sid"]), is_key=True)
            return claims if known and _is_let_in(_person(runtime, known, "", "")) else None
        with runtime.store.read() as connection:
            row = require_enabled(clients.find(connection, claims["client_id"]))
            require_included(subject(row, inside=False), runtime.governance.current(connection))
    except Unauthenticated:
        return None
    return claims


def require_enabled(row: ClientRow | None) -> ClientRow:
    """The client. Raises Unauthenticated where it is not registered or was disabled."""
    if row is None:
        raise Unauthenticated("client-unknown", "No client is registered under this client_id.")
    if not row.enabled:
        raise Unauthenticated("client-disabled", "This client has been disabled. Ask the repository.")
    return row


def require_included(asker: Subject, governance: GovernanceSnapshot) -> None:
    """Raises Unauthenticated where who asks, or the organisation asked for, is blocked."""
    if is_excluded(asker, governance.exclusions):
        raise Unauthenticated("excluded", EXCLUDED)


def subject(row: ClientRow, *, inside: bool) -> Subject:
    """The subject a client is; `inside` makes a user of it that may process at its node."""
    role = Role.INSIDE if inside and ROLES[row.role] is Role.USER else ROLES[row.role]
    purposes = frozenset(map(Purpose, row.purposes))
    return Subject(row.client_id, role, row.party, row.approved, row.terms, purposes, row.viewer, row.external)


def _is_linked(governance: GovernanceSnapshot, name: str) -> bool:
    node = governance.node_called(name)
    return node is not None and node.state is NodeState.LINKED
