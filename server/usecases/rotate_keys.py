"""Rotating the keys that sign access tokens: a new one signs at once, the last one verifies until its tokens have ended."""

from sqlalchemy import Connection

from adapters import identity
from adapters.sql.ledger import About, record
from consent.entries import KeysRotated
from server.usecases.runtime import Runtime

FILE = "keys.json"


def rotate(runtime: Runtime, connection: Connection, actor: str) -> str:
    """Rotate, and record it in the caller's transaction; the new key's id. Raises Unavailable where the keys can't be read."""
    now = runtime.clock()
    key, retired = identity.rotate(runtime.settings.data_dir.absolute() / FILE, now)
    record(connection, KeysRotated(key=key, retired=retired), now, actor, About())
    return key
