"""Ledger entries: what is recorded of a transaction, as canonical bytes and the leaf hash that commits to them.

An entry is a flat or nested mapping of ASCII keys to strings, whole numbers below 2^53, lists and mappings of these, so that
sorted compact JSON is the canonical form of RFC 8785. The leaf is SHA-256(0x00 ‖ SHA-256(nonce ‖ canonical bytes)): the tree
then publishes commitments only, and erasing body and nonce leaves it valid while nobody can guess what stood there.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

NONCE_BYTES = 16
VERSION = 1


class Kind(StrEnum):
    """What an entry is about; a governance act is `govern.<noun>.<verb>`."""

    BATCH_OPENED = "batch.opened"
    BATCH_CLOSED = "batch.closed"
    USE_OPENED = "use.opened"
    USE_CLOSED = "use.closed"
    GOVERN = "govern"


def entry(kind: str, at: datetime, actor: str, facts: Mapping[str, object]) -> dict[str, object]:
    """An entry of one kind; `at` in UTC to the microsecond, None values left out."""
    named = {k: v for k, v in facts.items() if v is not None}
    return {"v": VERSION, "kind": str(kind), "at": at.isoformat(timespec="microseconds"), "actor": actor, **named}


def canonical(body: Mapping[str, object]) -> bytes:
    """The entry's canonical bytes (RFC 8785 for the values entries may hold; UTF-8)."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def leaf_hash(nonce: bytes, body: bytes) -> bytes:
    """The leaf that commits to `body` under `nonce` (16 random bytes)."""
    return sha256(b"\x00" + sha256(nonce + body).digest()).digest()
