"""Devices that wait for their person (RFC 8628), by the digests of their two codes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp

_c = t.device_grant.c


@dataclass(frozen=True, slots=True)
class DeviceGrantRow:
    """A device that waits: what it asks for, how often it may ask, when it last did, and what became of it."""

    id: int
    scopes: str
    address: str
    interval: int
    polled: datetime | None
    expires: datetime
    denied: bool
    session: int | None


def add(
    connection: Connection, *, device: bytes, code: bytes, scopes: str, address: str, interval: int, expires: datetime
) -> None:
    """Keep a device that waits."""
    values = {"scopes": scopes, "address": address, "interval": interval, "expires": stamp(expires), "denied": False}
    insert_one(connection, t.device_grant, device=device, code=code, **values)


def forget(connection: Connection, now: datetime) -> None:
    """Delete what waited too long."""
    connection.execute(delete(t.device_grant).where(_c.expires <= stamp(now)))


def count(connection: Connection, address: str | None = None) -> int:
    """How many wait; of those that asked from one address."""
    asked = select(func.count()).select_from(t.device_grant)
    return int(connection.execute(asked if address is None else asked.where(_c.address == address)).scalar_one())


def find_device(connection: Connection, device: bytes, now: datetime) -> DeviceGrantRow | None:
    """What waits under the digest of a device code."""
    return _one(connection, _c.device == device, now)


def find_code(connection: Connection, code: bytes, now: datetime) -> DeviceGrantRow | None:
    """What waits, not answered yet, under the digest of a user code."""
    found = _one(connection, _c.code == code, now)
    return None if found is None or found.denied or found.session is not None else found


def _one(connection: Connection, where: ColumnElement[bool], now: datetime) -> DeviceGrantRow | None:
    row = connection.execute(select(t.device_grant).where(where, _c.expires > stamp(now))).one_or_none()
    return None if row is None else _row(row)


def _row(row: Any) -> DeviceGrantRow:
    polled = None if row.polled is None else moment(row.polled)
    return DeviceGrantRow(
        row.id, row.scopes, row.address, row.interval, polled, moment(row.expires), bool(row.denied), row.session
    )


def poll(connection: Connection, grant: int, now: datetime, interval: int) -> None:
    """Say that the device asked now, and how many seconds it has to wait from now on."""
    connection.execute(update(t.device_grant).where(_c.id == grant).values(polled=stamp(now), interval=interval))


def answer(connection: Connection, grant: int, session: int | None) -> bool:
    """Keep the person's answer: the session that was made for the device, or None for a no. False where there was one."""
    waits = (_c.id == grant, _c.session.is_(None), _c.denied.is_(False))
    told = update(t.device_grant).where(*waits).values(session=session, denied=session is None)
    return bool(connection.execute(told).rowcount)


def take(connection: Connection, grant: int) -> bool:
    """Delete it, since its tokens are given; False where somebody had them."""
    return bool(connection.execute(delete(t.device_grant).where(_c.id == grant)).rowcount)
