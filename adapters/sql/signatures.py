"""Signatures under versions of agreements, and the one-time codes that they are made with. Signatures are append-only."""

import json
from datetime import date, datetime

from sqlalchemy import Connection, func, insert, select, update

from adapters.sql import tables as t
from adapters.sql.store import insert_one, moment, stamp
from consent.agreement import Means, Side
from consent.signature import Declarations, DeclaredDocument, Signature

_s, _c = t.agreement_signature.c, t.signing_code.c


def add(connection: Connection, agreement: int, signature: Signature) -> None:
    """Keep a signature."""
    values = {
        "agreement": agreement,
        "version": signature.version,
        "side": str(signature.side),
        "person": signature.person,
        "name": signature.name,
        "means": str(signature.means),
        "file_sha256": signature.file_sha256,
        "sha256": signature.sha256,
        "declarations": _written(signature.declarations),
        "at": stamp(signature.at),
    }
    connection.execute(insert(t.agreement_signature).values(**values))


def read(connection: Connection, agreement: int, version: int) -> tuple[Signature, ...]:
    """The signatures under a version, in the order they were made."""
    rows = connection.execute(
        select(t.agreement_signature).where(_s.agreement == agreement, _s.version == version).order_by(_s.id)
    )
    return tuple(
        Signature(
            row.version,
            Side(row.side),
            row.person,
            row.name,
            Means(row.means),
            row.file_sha256,
            row.sha256,
            _read(row.declarations),
            moment(row.at),
        )
        for row in rows
    )


def _written(declarations: Declarations) -> str:
    documents = [
        [each.kind, each.name, each.owner, *(day and day.isoformat() for day in (each.expires, each.remind))]
        for each in declarations.documents
    ]
    return json.dumps({"words": sorted(declarations.words), "documents": documents})


def _read(kept: str) -> Declarations:
    said = json.loads(kept)
    documents = tuple(DeclaredDocument(*each[:3], *map(_day, each[3:])) for each in said["documents"])
    return Declarations(frozenset(said["words"]), documents)


def _day(kept: str | None) -> date | None:
    return None if kept is None else date.fromisoformat(kept)


# --- codes


def count_codes(connection: Connection, person: str, since: datetime) -> int:
    """How many codes a person was sent since a moment."""
    return int(connection.execute(select(func.count()).where(_c.person == person, _c.at > stamp(since))).scalar_one())


def add_code(
    connection: Connection,
    agreement: int,
    version: int,
    person: str,
    *,
    sha256: str,
    digest: bytes,
    salt: bytes,
    at: datetime,
    ends: datetime,
) -> None:
    """Keep a code by its digest; what a person was sent for this agreement before is void from now."""
    mine = (_c.agreement == agreement, _c.person == person)
    connection.execute(update(t.signing_code).where(*mine).values(used=True))
    code = {"sha256": sha256, "digest": digest, "salt": salt, "at": stamp(at), "ends": stamp(ends)}
    insert_one(connection, t.signing_code, agreement=agreement, version=version, person=person, tries=0, used=False, **code)


def try_code(
    connection: Connection, agreement: int, version: int, person: str, now: datetime, tries: int
) -> tuple[int, bytes, bytes, str] | None:
    """Count a try of the code that stands: its (id, salt, digest, version hash); None where none stands or its tries are over."""
    stands = (
        _c.agreement == agreement,
        _c.version == version,
        _c.person == person,
        _c.used.is_(False),
        _c.ends > stamp(now),
        _c.tries < tries,
    )
    counted = update(t.signing_code).where(*stands).values(tries=_c.tries + 1)
    row = connection.execute(counted.returning(_c.id, _c.salt, _c.digest, _c.sha256)).one_or_none()
    return None if row is None else (row.id, bytes(row.salt), bytes(row.digest), row.sha256)


def use_code(connection: Connection, key: int) -> bool:
    """Use a code up; whether it was there to be used."""
    used = update(t.signing_code).where(_c.id == key, _c.used.is_(False)).values(used=True)
    return connection.execute(used).rowcount == 1
