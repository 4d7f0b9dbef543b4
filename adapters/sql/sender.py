"""Registered senders: which calling AE title, from which network or with which certificate, may fill which dataset."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.prepared import Prepared

_c = t.sender.c


@dataclass(frozen=True, slots=True)
class SenderRow:
    """A registered sender of one dataset: a calling AE title from a network ("": any), and who attested to it."""

    id: int
    dataset: int
    alias: str
    party: str
    aet: str
    network: str
    attested_by: str | None
    removed: bool
    scp: tuple[str, int] | None
    """(address, port) where its own SCP listens."""
    certificates: tuple[str, ...] = ()
    """Names of the certificates of which it shows one (`mappings.certificate`); none: it needs none."""
    tls: bool = False
    """Whether its SCP is called by TLS."""
    associations: int | None = None
    """Associations that it may have at once; None: what all share."""

    @property
    def attested(self) -> bool:
        """Whether a person attested that what it sends is de-identified."""
        return self.attested_by is not None


def add(
    connection: Connection,
    now: datetime,
    *,
    dataset: int,
    aet: str,
    network: str,
    scp: tuple[str, int] | None = None,
    certificates: Iterable[str] = (),
    tls: bool = False,
    associations: int | None = None,
) -> int:
    """Register a sender, anew where it was removed; its id."""
    address, port = scp or (None, None)
    named = {"dataset": dataset, "aet": aet, "network": network}
    shown = {"certificates": "\n".join(certificates) or None, "associations": associations}
    reached = {"scp_address": address, "scp_port": port, "scp_tls": tls, **shown}
    gone = select(_c.id).where(*(_c[name] == value for name, value in named.items()), _c.removed.is_(True))
    key: int | None = connection.execute(gone).scalar_one_or_none()
    if key is None:
        return governance.insert_row(connection, t.sender, now, **named, **reached)
    governance.update_row(connection, t.sender, key, now, removed=False, attested_by=None, attested_on=None, **reached)
    return key


def attest(connection: Connection, sender: SenderRow, now: datetime, *, person: str, on: str) -> None:
    """Keep who attested to a sender, and on which date (YYYY-MM-DD)."""
    governance.update_row(connection, t.sender, sender.id, now, attested_by=person, attested_on=on)


def remove(connection: Connection, sender: SenderRow, now: datetime) -> None:
    """Take a registration away."""
    governance.update_row(connection, t.sender, sender.id, now, removed=True)


_ROWS = (
    select(t.sender, t.dataset.c.alias, t.party.c.key.label("party_key"))
    .join(t.dataset, _c.dataset == t.dataset.c.id)
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
)
_REGISTERED = Prepared(  # asked for every object of an association
    _ROWS.where(_c.removed.is_(False), t.dataset.c.alias == bindparam("called"), _c.aet == bindparam("calling")).order_by(_c.id)
)


def read_all(connection: Connection) -> tuple[SenderRow, ...]:
    """Every sender, in the order they were added, removed ones too."""
    return tuple(_row(row) for row in connection.execute(_ROWS.order_by(_c.id)))


def networks(connection: Connection) -> frozenset[str]:
    """The networks from which somebody may send who shows no certificate."""
    kept = select(_c.network).where(_c.removed.is_(False), _c.certificates.is_(None))
    return frozenset(connection.execute(kept.distinct()).scalars())


def registered(connection: Connection, alias: str, aet: str) -> tuple[SenderRow, ...]:
    """The registrations of a calling AE title for a dataset, whatever its networks and certificates."""
    return tuple(_row(row) for row in _REGISTERED.all(connection, {"called": alias, "calling": aet}))


def by_id(connection: Connection, key: int) -> SenderRow | None:
    """The sender with this id, unless it was removed."""
    row = connection.execute(_ROWS.where(_c.id == key, _c.removed.is_(False))).one_or_none()
    return None if row is None else _row(row)


def _row(row: Any) -> SenderRow:
    scp = (row.scp_address, row.scp_port) if row.scp_address else None
    named = row.id, row.dataset, row.alias, row.party_key, row.aet, row.network, row.attested_by, row.removed, scp
    return SenderRow(*named, tuple((row.certificates or "").splitlines()), row.scp_tls, row.associations)
