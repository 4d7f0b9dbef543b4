"""The demo's way in: whoever holds this run's token may be any of its people, on this machine and in the demo's own database.

The token lies in a file that `accord demo` writes when it starts and removes when it ends, so nothing else ever has this door.
"""

import secrets
from pathlib import Path

from adapters.sql import person as people
from adapters.sql.person import PersonRow
from mappings.failures import NotFound
from server.usecases.runtime import Runtime
from server.usecases.session import open_session

FILE = "demo-token"
HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def token_file(runtime: Runtime) -> Path:
    """Where this run's token is, if this is a demo."""
    return runtime.settings.data_dir.absolute() / FILE


def list_demo_people(runtime: Runtime, token: str, host: str) -> tuple[PersonRow, ...]:
    """The demo's people. Raises NotFound, as for any path that is not there, unless all is this demo's."""
    settings = runtime.settings
    try:
        kept = token_file(runtime).read_text()
    except OSError:
        kept = ""
    is_here = host in HOSTS and settings.takes_people and not settings.is_secure and not settings.database_url
    if not (kept and is_here and secrets.compare_digest(kept.encode(), token.encode("utf-8", "surrogatepass"))):
        raise NotFound("http-404", "There is nothing at this path.")
    with runtime.store.read() as connection:
        return tuple(row for row in people.read_all(connection) if row.key.startswith("demo-") and not row.blocked)


def sign_in_to_demo(runtime: Runtime, token: str, host: str, key: str, agent: str) -> str:
    """The secret of a session of one of the demo's people. Raises NotFound."""
    row = next((row for row in list_demo_people(runtime, token, host) if row.key == key), None)
    if row is None:
        raise NotFound("person-unknown", "There is no such person in the demo.")
    with runtime.store.write() as connection:
        return open_session(runtime, connection, row, agent=agent)
