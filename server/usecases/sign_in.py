"""Signing in by a local account, and joining by an invitation; each step proves one factor.

Whether a name, a password or neither was wrong is told to nobody, and takes the same time. What an invitation's link shows uses
nothing up: mail scanners follow links, so only its form does.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.local_account import LEAST, MOST, digest_of, fits, hash_password, new_totp, nobodys, step_of, totp_uri
from adapters.openid_provider import Identity
from adapters.sql import invitation as invitations
from adapters.sql import person as people
from adapters.sql import session as sessions
from adapters.sql.invitation import InvitationRow
from adapters.sql.ledger import About, record
from adapters.sql.person import PersonRow
from consent.entries import PersonMoved
from consent.person import person_id
from mappings.failures import Conflict, Gone, Invalid, Unauthenticated
from server.usecases.attempts import attempt
from server.usecases.runtime import Runtime
from server.usecases.session import open_session

MOST_KEY = 64
_REFUSED = "Name and password don't fit together."
_TAKEN = "This invitation is not good any more: it was used, replaced, or is too old. Ask for another."


def prove_password(runtime: Runtime, key: str, password: str, address: str) -> int:
    """The id of the person with this local account. Raises Unauthenticated or Throttled."""
    with attempt(runtime, "password", key[:MOST_KEY], address):
        with runtime.store.read() as connection:
            person = people.find(connection, key[:MOST_KEY])
            account = people.find_account(connection, person.id) if person else None
        proven = fits(account.password if account else nobodys(), password[:MOST])
        if person is None or account is None or not proven or person.blocked:
            raise Unauthenticated("sign-in-refused", _REFUSED)
    return person.id


def prove_code(runtime: Runtime, person: int, code: str, address: str, *, agent: str, ended: str | None = None) -> str:
    """The secret of a new session, by a one-time code after the password; the session of the secret `ended` ends.

    Raises Unauthenticated or Throttled.
    """
    with attempt(runtime, "code", str(person), address), runtime.store.write() as connection:
        account, row = people.find_account(connection, person), people.read(connection, person)
        secret = _opened(runtime, row.key, account.totp) if account else None
        step = step_of(secret, code, runtime.clock()) if secret else None
        if row.blocked or step is None or not people.use_step(connection, person, step):
            raise Unauthenticated("code-refused", "This code is not the one of now, or was used. Wait for the next.")
        _end(runtime, connection, ended)
        return open_session(runtime, connection, row, agent=agent)


def _end(runtime: Runtime, connection: Connection, token: str | None) -> None:
    if token and (row := sessions.find(connection, digest_of(token))):
        sessions.end(connection, [row.id], runtime.clock())


def sign_in_as(runtime: Runtime, identity: Identity, *, agent: str, ended: str | None = None) -> str:
    """The secret of a new session of the person whom a provider proved. Raises Unauthenticated for who is not linked."""
    with runtime.store.write() as connection:
        row = people.find_identity(connection, identity.issuer, identity.subject)
        if row is None or row.blocked:
            told = "Your provider knows you, and this repository does not yet. Open the link of your invitation first."
            raise Unauthenticated("identity-unknown", told)
        people.call_identity(connection, identity.issuer, identity.subject, identity.username)
        _end(runtime, connection, ended)
        return open_session(runtime, connection, row, agent=agent)


# --- invitations


@dataclass(frozen=True, slots=True)
class Joining:
    """What the form of an invitation shows: whom it is for, a fresh secret of one-time codes, and what an authenticator reads."""

    person: str
    name: str
    secret: str
    sealed: str
    uri: str


def read_invitation(runtime: Runtime, token: str) -> Joining:
    """What the form of this invitation shows; nothing is used up or kept. Raises Gone."""
    with runtime.store.read() as connection:
        _, row = _invited(connection, token, runtime.clock())
    secret = new_totp()
    uri = totp_uri(secret, row.key, runtime.settings.repository)
    return Joining(row.key, row.name, secret, _sealed(runtime, row.key, secret), uri)


def show_again(runtime: Runtime, token: str, sealed: str) -> Joining:
    """The same form again, with the secret that it showed before. Raises Gone."""
    with runtime.store.read() as connection:
        _, row = _invited(connection, token, runtime.clock())
    secret = _opened(runtime, row.key, sealed) or new_totp()
    uri = totp_uri(secret, row.key, runtime.settings.repository)
    return Joining(row.key, row.name, secret, _sealed(runtime, row.key, secret), uri)


def _invited(connection: Connection, token: str, now: datetime) -> tuple[InvitationRow, PersonRow]:
    invited = invitations.find(connection, digest_of(token), now)
    if invited is None:
        raise Gone("invitation-gone", _TAKEN)
    row = people.read(connection, invited.person)
    if row.blocked:
        raise Gone("invitation-gone", _TAKEN)
    return invited, row


def join(runtime: Runtime, token: str, *, password: str, sealed: str, code: str, address: str, agent: str) -> str:
    """Make the local account of who was invited, and sign in: the secret of the session. Raises Gone, Invalid or Throttled."""
    if not LEAST <= len(password) <= MOST:
        raise Invalid("password-length", f"A password has {LEAST} to {MOST} characters.", "password")
    kept = hash_password(password)  # takes its time: not in a transaction
    with attempt(runtime, "join", token, address), runtime.governance_act() as connection:
        now = runtime.clock()
        invited, row = _invited(connection, token, now)
        if password.casefold() in (row.key.casefold(), row.name.casefold(), row.email.casefold()):
            raise Invalid("password-known", "A password is none of one's names.", "password")
        secret = _opened(runtime, row.key, sealed)
        step = step_of(secret, code, now) if secret else None
        if secret is None or step is None:
            raise Unauthenticated("code-refused", "This code is not the one of now. Check the clock of your device.")
        _use(connection, invited, row, now)
        people.keep_account(connection, now, person=row.id, password=kept, totp=_sealed(runtime, row.key, secret), step=step)
        record(connection, PersonMoved(verb="join", person=row.key), now, person_id(row.key), About())
        return open_session(runtime, connection, people.read(connection, row.id), agent=agent)


def _use(connection: Connection, invited: InvitationRow, row: PersonRow, now: datetime) -> None:
    if not invitations.use(connection, invited.id, now):
        raise Gone("invitation-gone", _TAKEN)
    sessions.end_of_person(connection, row.id, now)  # factors that were lost may be somebody's


def link(runtime: Runtime, token: str, identity: Identity, *, agent: str) -> str:
    """Link the identity that a provider proved to who was invited, and sign in. Raises Gone, or Conflict for another's."""
    with runtime.governance_act() as connection:
        now = runtime.clock()
        invited, row = _invited(connection, token, now)
        known = people.find_identity(connection, identity.issuer, identity.subject)
        if known is not None and known.id != row.id:
            raise Conflict("identity-taken", "Your provider's account is linked to another person here already.")
        _use(connection, invited, row, now)
        if known is None:
            people.add_identity(connection, now, person=row.id, issuer=identity.issuer, subject=identity.subject)
        people.call_identity(connection, identity.issuer, identity.subject, identity.username)
        record(connection, PersonMoved(verb="join", person=row.key, issuer=identity.issuer), now, person_id(row.key), About())
        return open_session(runtime, connection, people.read(connection, row.id), agent=agent)


def _sealed(runtime: Runtime, key: str, secret: str) -> str:
    return runtime.cursors.seal(_question(key), secret.encode())


def _opened(runtime: Runtime, key: str, sealed: str) -> str | None:
    place = runtime.cursors.opened(_question(key), sealed)
    return None if place is None else place.decode()


def _question(key: str) -> bytes:
    return f"one-time codes of {key}".encode()
