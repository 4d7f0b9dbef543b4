"""What commits to an entry: its canonical bytes, and the leaf hash over them and a nonce.

A body is a mapping of ASCII keys to strings, whole numbers below 2^53, lists and mappings of these, so that sorted compact JSON
is the canonical form of RFC 8785. The leaf is SHA-256(0x00 ‖ SHA-256(nonce ‖ canonical bytes)): the tree then publishes
commitments only, and erasing body and nonce leaves it valid while nobody can guess what stood there.
"""

import json
from collections.abc import Mapping
from hashlib import sha256

NONCE_BYTES = 16


def canonical(body: Mapping[str, object]) -> bytes:
    """The body's canonical bytes (RFC 8785 for the values a body may hold; UTF-8)."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def leaf_hash(nonce: bytes, body: bytes) -> bytes:
    """The leaf that commits to `body` under `nonce` (16 random bytes)."""
    return sha256(b"\x00" + sha256(nonce + body).digest()).digest()
