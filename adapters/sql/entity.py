"""Application entities: under which AE title, from which networks, a client asks on the DICOM network; and where it listens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from adapters.sql import governance
from adapters.sql import tables as t

_c = t.application_entity.c


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An AE title of a client, and the one purpose it asks for; `address` and `port` are its own SCP's, None if there is none.

    `networks`: none is any. `certificates`, `tls` and `associations` are as a sender's (`adapters.sql.sender`).
    """

    id: int
    aet: str
    client: str
    networks: tuple[str, ...]
    purpose: str | None
    address: str | None
    port: int | None
    certificates: tuple[str, ...] = ()
    tls: bool = False
    associations: int | None = None

    @property
    def scp(self) -> tuple[str, int] | None:
        """(address, port) where its own SCP listens."""
        return (self.address, self.port or 0) if self.address else None


def add(
    connection: Connection,
    now: datetime,
    *,
    aet: str,
    client: int,
    networks: Sequence[str],
    purpose: str | None,
    address: str | None,
    port: int | None,
    certificates: Sequence[str] = (),
    tls: bool = False,
    associations: int | None = None,
) -> int:
    """Insert an application entity; its id."""
    shown = {"certificates": "\n".join(certificates) or None, "associations": associations}
    reached = {"networks": " ".join(networks), "address": address, "port": port, "tls": tls, **shown}
    return governance.insert_row(connection, t.application_entity, now, aet=aet, client=client, purpose=purpose, **reached)


def remove(connection: Connection, row: EntityRow) -> None:
    """Forget an application entity; the ledger has what it was."""
    governance.touch(connection)
    connection.execute(delete(t.application_entity).where(_c.id == row.id))


_ROWS = select(t.application_entity, t.client.c.client_id).join(t.client, _c.client == t.client.c.id)


def find(connection: Connection, aet: str) -> EntityRow | None:
    """The application entity of this title."""
    row = connection.execute(_ROWS.where(_c.aet == aet)).one_or_none()
    return None if row is None else _row(row)


def read_all(connection: Connection) -> tuple[EntityRow, ...]:
    """Every application entity, in the order they were added."""
    return tuple(_row(row) for row in connection.execute(_ROWS.order_by(_c.id)))


def networks(connection: Connection) -> frozenset[str]:
    """The networks from which somebody may ask who shows no certificate."""
    rows = connection.execute(select(_c.networks).where(_c.certificates.is_(None))).scalars()
    return frozenset(cidr for kept in rows for cidr in kept.split())


def _row(row: Any) -> EntityRow:
    named = row.id, row.aet, row.client_id, tuple(row.networks.split()), row.purpose, row.address, row.port
    return EntityRow(*named, tuple((row.certificates or "").splitlines()), row.tls, row.associations)
