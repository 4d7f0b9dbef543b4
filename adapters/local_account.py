"""Local accounts: passwords by Argon2id (RFC 9106) and one-time codes by TOTP (RFC 6238), for a site without a provider.

A code is good in its own 30 seconds and the ones beside it, and once: its time step is kept.
"""

import secrets
import string
from datetime import datetime
from functools import cache
from hashlib import sha256

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST, MOST = 12, 256
"""Characters of a password (NIST SP 800-63B section 5.1.1.2 asks for 8; passwords here come with a second factor)."""
STEP_SECONDS = 30
_DRIFT = (0, -1, 1)
_ALPHABET = string.ascii_uppercase + "234567"  # of base 32 (RFC 4648 section 6)
_SECRET = 32


@cache
def _hasher() -> PasswordHasher:
    """19 MiB and two passes: what OWASP asks for at least, since several sign in at once."""
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """What is kept of a password."""
    return _hasher().hash(password)


@cache
def nobodys() -> str:
    """The hash of a password that nobody has, so that who is unknown takes as long as who is known."""
    return hash_password(secrets.token_urlsafe(32))


def fits(kept: str, password: str) -> bool:
    """Whether this is the password."""
    try:
        return _hasher().verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


def new_totp() -> str:
    """A new secret of one-time codes, in base 32."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET))


def totp_uri(secret: str, person: str, issuer: str) -> str:
    """What an authenticator reads (Key URI format)."""
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, among the one of now and those beside it; None where it is no such code."""
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return None
    totp, current = pyotp.TOTP(secret), int(now.timestamp()) // STEP_SECONDS
    shown = (current + drift for drift in _DRIFT)
    return next((step for step in shown if secrets.compare_digest(totp.at(step * STEP_SECONDS), code)), None)


def new_token() -> str:
    """A secret that is shown once: 256 bits, in base64url."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> bytes:
    """What is kept of it."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
