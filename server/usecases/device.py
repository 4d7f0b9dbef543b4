"""The device grant (RFC 8628): a command line acts as a person who says so in a browser, until its session ends.

Its refresh tokens are good once (RFC 9700 section 4.14.2): one that comes again was copied, so its session ends, with every token
of it. An access token names its session, which each request finds anew.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.identity import Keys
from adapters.local_account import digest_of, new_token
from adapters.sql import device_grant as grants
from adapters.sql import session as sessions
from adapters.sql.device_grant import DeviceGrantRow
from adapters.sql.session import SessionRow
from consent.person import person_id
from mappings import smart
from mappings.failures import Busy, Forbidden, Invalid, NotFound, Unauthenticated
from mappings.network import counted
from server.usecases.attempts import attempt
from server.usecases.runtime import Caller, Runtime
from server.usecases.session import DEVICE, EVERY_SCOPE, SignedIn, find_session, open_session, signed_in

CLIENT_ID = "accord-cli"
"""The one public client there is: the command line, which keeps no secret and proves nobody by itself."""
SCOPE = "system/*.rs"
MINUTES = 10
INTERVAL, SLOWER = 5, 5
"""Seconds between two polls, and how many more for who comes sooner (RFC 8628 section 3.5)."""
MOST, MOST_OF_ADDRESS = 1000, 10
"""Devices that wait at once: in all, and from one address (or /64)."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no code is a word (RFC 8628 section 6.1)."""
LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a device is told: the code that it keeps, the one that its person types, and where."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class Granted:
    """An access token of a person, what it carries, and the refresh token for the next."""

    token: str
    refresh_token: str
    scope: str
    purpose: str
    seconds: int


def begin(runtime: Runtime, client_id: str, scope: str | None, address: str) -> Waiting:
    """Let a device wait for its person. Raises Invalid, Unauthenticated or Busy."""
    if client_id != CLIENT_ID:
        raise Unauthenticated("client-unknown", f"The device grant is for client_id={CLIENT_ID}.")
    asked = " ".join(smart.grant_scopes(scope or SCOPE, (EVERY_SCOPE,)))
    now, device, place = runtime.clock(), new_token(), counted(address)
    code = "".join(secrets.choice(_LETTERS) for _ in range(8))
    with runtime.store.write(durable=False) as connection:
        grants.forget(connection, now)
        if grants.count(connection) >= MOST or grants.count(connection, place) >= MOST_OF_ADDRESS:
            raise Busy("device-many", "Too many devices wait for their people; try again in some minutes.", 60)
        known = {"scopes": asked, "address": place, "interval": INTERVAL, "expires": now + timedelta(minutes=MINUTES)}
        grants.add(connection, device=digest_of(device), code=digest_of(code), **known)  # type: ignore[arg-type]
    shown = f"{code[:4]}-{code[4:]}"
    return Waiting(device, shown, f"{runtime.settings.base_url}/device", MINUTES * 60, INTERVAL)


def look(runtime: Runtime, caller: Caller, code: str) -> tuple[SignedIn, DeviceGrantRow]:
    """Who is asked, and the device whose code this is. Raises Unauthenticated, NotFound or Throttled."""
    known = signed_in(runtime, caller)
    if known.role is None:
        raise Forbidden("role-needed", "Choose first as what you act: on the page of your account.")
    with runtime.store.read() as connection, attempt(runtime, "user-code", person_id(known.person.key), caller.address):
        found = grants.find_code(connection, digest_of(_normal(code)), runtime.clock())
        if found is None:
            raise Unauthenticated("user-code-unknown", "No command line waits with this code. Look at it again.")
    return known, found


def _normal(code: str) -> str:
    return "".join(c for c in code.upper() if c in _LETTERS)[:16]


def answer(runtime: Runtime, caller: Caller, code: str, *, yes: bool) -> None:
    """Let the device of this code act as its person by the role of this session, or refuse it. Raises as `look`."""
    known, found = look(runtime, caller, code)
    with runtime.store.write() as connection:
        session = None
        if yes:
            agent = f"accord login at {found.address}"
            chosen = {"role": known.role, "purpose": known.session.purpose, "scopes": found.scopes}
            token = open_session(runtime, connection, known.person, agent=agent, kind=DEVICE, **chosen)  # type: ignore[arg-type]
            made = sessions.find(connection, digest_of(token))
            session = made.id if made else None
        if not grants.answer(connection, found.id, session):
            raise NotFound("user-code-unknown", "This code was answered already.", "user_code")


def poll(runtime: Runtime, keys: Keys, client_id: str, device_code: str) -> Granted:
    """The tokens of a device whose person said yes, once. Raises Invalid by the codes of RFC 8628 section 3.5."""
    if client_id != CLIENT_ID:
        raise Unauthenticated("client-unknown", f"The device grant is for client_id={CLIENT_ID}.")
    now, row, made = runtime.clock(), None, new_token()
    with runtime.store.write() as connection:
        found = grants.find_device(connection, digest_of(device_code), now)
        refused = _refusal(found, now)
        if found is not None and refused is not None:
            slower = SLOWER if refused.code == "slow-down" else 0
            grants.poll(connection, found.id, now, found.interval + slower)
        elif found is not None and found.session is not None and grants.take(connection, found.id):
            row = sessions.find_by_id(connection, found.session)
            if row is not None:
                sessions.add_refresh(connection, row.id, digest_of(made))
    if refused is not None:
        raise refused
    return _granted(runtime, keys, row, made)


def _refusal(found: DeviceGrantRow | None, now: datetime) -> Invalid | None:
    if found is None:
        return Invalid("device-expired", "This device code is not known: it expired, or its tokens were given.")
    if found.denied:
        return Invalid("access-denied", "The person refused.")
    if found.polled is not None and now - found.polled < timedelta(seconds=found.interval):
        return Invalid("slow-down", f"Ask every {found.interval + SLOWER} seconds.")
    return Invalid("authorization-pending", "The person has not answered yet.") if found.session is None else None


def _granted(runtime: Runtime, keys: Keys, row: SessionRow | None, refresh: str) -> Granted:
    """An access token of this session, as it stands. Raises Invalid where it has ended."""
    known = find_session(runtime, row.key, is_key=True) if row else None
    if known is None:
        raise spent()
    issuer, issued = runtime.settings.base_url, int(runtime.clock().timestamp())
    seconds = min(runtime.settings.token_seconds, LONGEST_SECONDS)
    who = {"iss": issuer, "aud": issuer, "sub": person_id(known.person.key), "client_id": CLIENT_ID, "sid": known.session.key}
    said = who | {"scope": known.session.scopes, "iat": issued, "exp": issued + seconds, "jti": secrets.token_urlsafe(16)}
    purpose = known.session.purpose
    token = keys.mint(said | ({"purpose": purpose} if purpose else {}))
    return Granted(token, refresh, known.session.scopes, purpose, seconds)


def spent() -> Invalid:
    """What a refresh token hears that gives nothing."""
    return Invalid("grant-spent", "This refresh token is not good: it was used, or its session ended. Sign in again.")


def refresh(runtime: Runtime, keys: Keys, client_id: str, token: str) -> Granted:
    """The next tokens of a session. A refresh token that was used before ends it. Raises Invalid."""
    if client_id != CLIENT_ID:
        raise Unauthenticated("client-unknown", f"Refresh tokens are for client_id={CLIENT_ID}.")
    now, made = runtime.clock(), new_token()
    with runtime.store.write() as connection:
        found = sessions.find_refresh(connection, digest_of(token))
        if found is None:
            raise spent()
        is_first = sessions.use_refresh(connection, found[0], now)
        if is_first:
            sessions.add_refresh(connection, found[1], digest_of(made))
        else:
            sessions.end(connection, [found[1]], now)
        row = sessions.find_by_id(connection, found[1])
    if not is_first:
        raise spent()
    return _granted(runtime, keys, row, made)


def revoke(runtime: Runtime, token: str) -> None:
    """End the session of a refresh token (RFC 7009 section 2); one that is not known is no error (section 2.2)."""
    with runtime.store.write() as connection:
        found = sessions.find_refresh(connection, digest_of(token))
        if found is not None:
            sessions.end(connection, [found[1]], runtime.clock())
