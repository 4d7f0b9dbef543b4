"""What a browser keeps for us, and how a form shows that it is ours.

Cookies are `Secure HttpOnly SameSite=Lax`, with the prefix `__Host-` by https (RFC 6265bis section 4.1.3), plain on this machine.
A form's token is a fresh nonce under a key that is the browser's own cookie: no row, and on no two pages the same (BREACH).
"""

import hmac
import secrets
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from flask import Response
from werkzeug.datastructures import Headers

SESSION, FORM, STEP = "accord", "accord-form", "accord-step"
"""The session, what forms before it are bound to, and a step of signing in that waits for the next."""
STEP_SECONDS = 600
_NONCE = 16
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def named(name: str, *, secure: bool) -> str:
    """What a cookie is called."""
    return f"__Host-{name}" if secure else name


def session_of(cookies: Mapping[str, str], *, secure: bool) -> str:
    """The session's secret; empty where there is none."""
    return cookies.get(named(SESSION, secure=secure), "")


def secret_of(cookies: Mapping[str, str], *, secure: bool) -> str:
    """What this browser's forms are bound to: its session, or what it was given before it had one."""
    return session_of(cookies, secure=secure) or cookies.get(named(FORM, secure=secure), "")


def keep(response: Response, name: str, value: str, *, secure: bool, seconds: int | None = None) -> None:
    """Have the browser keep this; for so long, or until it ends."""
    flags = {"httponly": True, "samesite": "Lax", "secure": secure, "path": "/"}
    response.set_cookie(named(name, secure=secure), value, max_age=seconds, **flags)  # type: ignore[arg-type]


def drop(response: Response, name: str, *, secure: bool) -> None:
    """Have the browser forget it."""
    response.delete_cookie(named(name, secure=secure), path="/", secure=secure, httponly=True, samesite="Lax")


def token_for(secret: str) -> str:
    """A token for a form of the browser that keeps this secret."""
    nonce = secrets.token_hex(_NONCE)
    return f"{nonce}.{_mark(secret, nonce)}"


def fits(token: str, secret: str) -> bool:
    """Whether this token was made for this secret."""
    nonce, _, mark = token.partition(".")
    return bool(secret) and token.isascii() and len(nonce) == 2 * _NONCE and hmac.compare_digest(mark, _mark(secret, nonce))


def _mark(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode("utf-8", "surrogatepass"), nonce.encode(), sha256).hexdigest()


def is_own_origin(headers: Headers, base_url: str) -> bool:
    """Whether no other site asks, by what browsers say: Fetch metadata, and Origin (RFC 6454)."""
    if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("Origin")
    return origin is None or _same(origin, base_url)


def _same(origin: str, base_url: str) -> bool:
    """Whether an origin is the base URL's; this machine has several names."""
    try:
        there, here = urlsplit(origin), urlsplit(base_url)
        hosts = {there.hostname, here.hostname}
        return (there.scheme, there.port) == (here.scheme, here.port) and (len(hosts) == 1 or hosts <= _LOOPBACK)
    except ValueError:
        return False
