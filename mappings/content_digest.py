"""A representation's SHA-256 as HTTP says it: `Repr-Digest: sha-256=:BASE64:` (RFC 9530, a dictionary of RFC 9651)."""

import re
from base64 import b64decode, b64encode

from mappings.digests import DIGEST_SIZE

_SHA256 = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?=$|,|;)")


def write_sha256(digest: bytes) -> str:
    """The header's value."""
    return f"sha-256=:{b64encode(digest).decode('ascii')}:"


def read_sha256(value: str) -> bytes | None:
    """The SHA-256 that a header's value says, among others maybe; None where it says none that can be read."""
    said = _SHA256.search(value)
    digest = b64decode(said[1]) if said else b""
    return digest if len(digest) == DIGEST_SIZE else None
