"""Reading the terms of use: every published version, by anybody, for ever."""

from dataclasses import dataclass

from adapters.sql import governance
from mappings.failures import NotFound
from server.usecases.hall import Hall


@dataclass(frozen=True, slots=True)
class Published:
    """A version of the terms, with the SHA-256 of its bytes."""

    version: str
    sha256: str
    text: bytes


def published(hall: Hall, version: str | None = None) -> Published:
    """The named version, or the newest. Raises NotFound."""
    with hall.store.read() as connection:
        rows = governance.rows(connection, "terms")
    found = [r for r in rows if version in (None, r["version"])]
    if not found:
        raise NotFound("terms-unknown", "There is no such version of the terms.", "version")
    return Published(found[-1]["version"], found[-1]["sha256"], bytes(found[-1]["text"]))
