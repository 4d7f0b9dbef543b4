"""Sessions: rows by the digest of a secret, each acting by one role of its person for one purpose.

An id is new at sign-in and at every change of role, so that who knew the old one has nothing. A session ends when it was idle too
long, at its end, with its role or its person's block, or when its owner or an operator ends it: the next request is not its.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from adapters.local_account import digest_of, new_token
from adapters.sql import person as people
from adapters.sql import session as sessions
from adapters.sql.ledger import About, record
from adapters.sql.person import PersonRow, RoleRow
from adapters.sql.session import SessionRow
from consent.entries import SessionsEnded
from consent.person import Act, Actor, PersonRole, person_id
from mappings.failures import Forbidden, Invalid, NotFound, Unauthenticated
from server.usecases.naming import require, require_act
from server.usecases.runtime import Caller, Runtime

BROWSER, DEVICE = "browser", "device"
EVERY_SCOPE = "system/*.cruds"
"""What a browser's session may ask for: its role and purpose decide, and every request is decided anew."""
MOST_OF_ONE = 20
"""Sessions of a person; the oldest ends for the next."""
MOST_AGENT = 120
TOUCH = timedelta(minutes=1)
DEVICE_DAYS = 30
DEVICE_IDLE_DAYS = 7
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session of a request, its person, and the role it acts by, where one is chosen."""

    session: SessionRow
    person: PersonRow
    role: RoleRow | None


def open_session(
    runtime: Runtime,
    connection: Connection,
    person: PersonRow,
    *,
    agent: str,
    kind: str = BROWSER,
    role: RoleRow | None = None,
    purpose: str = "",
    scopes: str = EVERY_SCOPE,
    expires: datetime | None = None,
) -> str:
    """The secret of a new session of this person, told this once; without a role, by the only one there is. In a transaction."""
    now, token = runtime.clock(), new_token()
    sessions.forget(connection, now - KEPT)
    earlier = [s.id for s in sessions.read_all(connection, now, person.id)]
    if len(earlier) >= MOST_OF_ONE:
        sessions.end(connection, earlier[: len(earlier) - MOST_OF_ONE + 1], now)
    if role is None and len(person.roles) == 1 and len(person.roles[0].purposes) <= 1:
        (role,) = person.roles
    until = expires or now + (timedelta(days=DEVICE_DAYS) if kind == DEVICE else timedelta(hours=runtime.settings.session_hours))
    known = {"agent": _printable(agent), "kind": kind, "scopes": scopes, "expires": until}
    chosen = _purpose(role, purpose) if role else ""
    sessions.add(
        connection,
        now,
        key=secrets.token_hex(8),
        digest=digest_of(token),
        person=person.id,
        role=role.id if role else None,
        purpose=chosen,
        **known,  # type: ignore[arg-type]
    )
    return token


def _printable(agent: str) -> str:
    return "".join(c for c in agent if c.isascii() and c.isprintable())[:MOST_AGENT]


def _purpose(role: RoleRow, purpose: str) -> str:
    """The one purpose of a researcher's session: the only one there is where none is said. Raises Invalid."""
    if role.role is not PersonRole.RESEARCHER:
        return ""
    if not purpose and len(role.purposes) == 1:
        (purpose,) = role.purposes
    if purpose not in role.purposes:
        raise Invalid("purpose-not-registered", f"Choose one purpose: {', '.join(sorted(role.purposes))}.", "purpose")
    return purpose


def find_session(runtime: Runtime, token: str, *, is_key: bool = False) -> SignedIn | None:
    """The session whose secret this is (or, of an access token that we signed, whose key), while it is good; it is used now."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        row = sessions.find_called(connection, token) if is_key else sessions.find(connection, digest_of(token))
        if row is None or not _is_good(runtime, row, now):
            return None
        person = people.read(connection, row.person)
        role = next((r for r in person.roles if r.id == row.role), None)
    if person.blocked or (row.role is not None and role is None):
        return None
    if now - row.touched >= TOUCH:
        with runtime.store.write(durable=False) as connection:
            sessions.touch(connection, row.id, now)
    return SignedIn(row, person, role)


def _is_good(runtime: Runtime, row: SessionRow, now: datetime) -> bool:
    days = timedelta(days=DEVICE_IDLE_DAYS)
    idle = days if row.kind == DEVICE else timedelta(minutes=runtime.settings.session_minutes)
    return now < row.expires and now - row.touched < idle


def signed_in(runtime: Runtime, caller: Caller) -> SignedIn:
    """The session of this caller, with all that a page shows of it. Raises Unauthenticated where it has none."""
    found = find_session(runtime, caller.session, is_key=True) if caller.session else None
    if found is None:
        raise Unauthenticated("sign-in-needed", "Sign in first.")
    return found


def choose_role(runtime: Runtime, caller: Caller, role: int, purpose: str) -> str:
    """The secret of the session that goes on in this one's place, acting by another of its person's roles. Raises Invalid."""
    known = signed_in(runtime, caller)
    chosen = require(next((r for r in known.person.roles if r.id == role), None), "role", str(role))
    with runtime.store.write() as connection:
        sessions.end(connection, [known.session.id], runtime.clock())
        kept = {"agent": known.session.agent, "expires": known.session.expires, "kind": known.session.kind}
        return open_session(runtime, connection, known.person, role=chosen, purpose=purpose, **kept)  # type: ignore[arg-type]


def list_sessions(runtime: Runtime, caller: Caller) -> tuple[SessionRow, ...]:
    """The sessions of the caller's own person that are good."""
    known = signed_in(runtime, caller)
    return of_person(runtime, known.person.id)


def of_person(runtime: Runtime, person: int) -> tuple[SessionRow, ...]:
    """The sessions of a person that are good."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        return tuple(row for row in sessions.read_all(connection, now, person) if _is_good(runtime, row, now))


def end_session(runtime: Runtime, caller: Caller, key: str | None = None) -> None:
    """End a session of one's own, this one unless another is named. Raises NotFound for any other's."""
    known = signed_in(runtime, caller)
    ended = known.session.key if key is None else key
    with runtime.store.write() as connection:
        row = sessions.find_called(connection, ended)
        if row is None or row.person != known.person.id:
            raise NotFound("session-unknown", "You have no session of this key.", "session")
        sessions.end(connection, [row.id], runtime.clock())


def end_sessions_of(runtime: Runtime, actor: Actor, key: str) -> int:
    """End every session of a person, as who may block it; how many there were."""
    require_act(actor, Act.BLOCK, None)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        ended = sessions.end_of_person(connection, row.id, now)
        record(connection, SessionsEnded(person=key, sessions=ended), now, actor.id, About())
    return ended


def actor_of(known: SignedIn) -> Actor:
    """Whom the record calls this person, acting by the role of the session."""
    role = known.role
    return Actor(person_id(known.person.key), role.party if role else None, frozenset({role.role} if role else ()))


def require_person(caller: Caller) -> None:
    """Raises Forbidden where a program asks for what is a person's own."""
    if caller.session is None:
        raise Forbidden("person-needed", "This is for a person who is signed in.")
