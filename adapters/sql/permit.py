"""Permits: who may use a dataset that is shared under conditions, from when, until when, and when that was taken back."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
from consent.permit import Permit

_c = t.permit.c


def add(
    connection: Connection,
    now: datetime,
    *,
    dataset: int,
    party: int,
    ends: datetime | None,
    export: bool,
    evidence: frozenset[str] = frozenset(),
) -> int:
    """Insert a permit that begins now; its id."""
    values = {"starts": stamp(now), "ends": None if ends is None else stamp(ends), "evidence": " ".join(sorted(evidence))}
    return governance.insert_row(connection, t.permit, now, dataset=dataset, party=party, export=export, **values)


def revoke(connection: Connection, now: datetime, *, dataset: int, party: int) -> int:
    """Take back every permit of a party for a dataset; returns how many there were."""
    held = (_c.dataset == dataset, _c.party == party, _c.revoked.is_(None))
    revoked = connection.execute(update(t.permit).where(*held).values(revoked=stamp(now))).rowcount
    if revoked:
        governance.touch(connection)
    return revoked


def read_all(connection: Connection) -> tuple[tuple[str, Permit, datetime | None], ...]:
    """(alias, permit, when it was revoked) for every permit, in the order they were given."""
    rows = (
        select(t.dataset.c.alias, t.party.c.key, _c.starts, _c.ends, _c.export, _c.evidence, _c.revoked)
        .join(t.dataset, _c.dataset == t.dataset.c.id)
        .join(t.party, _c.party == t.party.c.id)
        .order_by(_c.id)
    )
    return tuple(
        (
            alias,
            Permit(party, moment(starts), governance.end_of(ends), export, frozenset(evidence.split())),
            governance.end_of(revoked),
        )
        for alias, party, starts, ends, export, evidence, revoked in connection.execute(rows)
    )
