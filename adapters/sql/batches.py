"""Batches and receipts: what was presented at a door, file by file, and what became of each."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from adapters.sql import tables as t
from adapters.sql.prepared import Prepared, columns
from adapters.sql.store import insert_one, moment, stamp
from consent.deposit import Code, Outcome
from mappings.failures import Conflict
from mappings.report import Receipt

_b, _r = t.batch.c, t.receipt.c


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch with the dataset and provider it is for."""

    id: int
    key: str
    door: str
    dataset: int
    alias: str
    provider: str
    party: int
    subject: str
    peer: str
    calling: str
    called: str
    attested: bool
    opened: datetime
    closed: datetime | None


_BATCHES = (
    select(t.batch, t.dataset.c.alias, t.party.c.key.label("provider"), t.party.c.id.label("party"))
    .join(t.dataset, _b.dataset == t.dataset.c.id)
    .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
    .join(t.party, t.agreement.c.party == t.party.c.id)
)


def _batch(r: Any) -> BatchRow:
    whose = (r.dataset, r.alias, r.provider, r.party)
    sender = (r.subject, r.peer, r.calling, r.called, r.attested)
    return BatchRow(r.id, r.key, r.door, *whose, *sender, moment(r.opened), None if r.closed is None else moment(r.closed))


def add(connection: Connection, now: datetime, **values: object) -> int:
    """Insert an open batch; its id."""
    return insert_one(connection, t.batch, opened=stamp(now), touched=stamp(now), **values)


def by_key(connection: Connection, key: str) -> BatchRow | None:
    """A batch by the key the API calls it."""
    row = connection.execute(_BATCHES.where(_b.key == key)).one_or_none()
    return None if row is None else _batch(row)


def by_id(connection: Connection, batch: int) -> BatchRow | None:
    """A batch by its id."""
    row = connection.execute(_BATCHES.where(_b.id == batch)).one_or_none()
    return None if row is None else _batch(row)


def keys(connection: Connection, rows: Collection[int]) -> dict[int, str]:
    """What the API calls these batches, by their ids."""
    return {row.id: row.key for row in connection.execute(select(_b.id, _b.key).where(_b.id.in_(set(rows))))}


def recent(connection: Connection, provider: str | None, limit: int = 100) -> list[BatchRow]:
    """The newest batches, of one provider or of all."""
    newest = _BATCHES.order_by(_b.id.desc()).limit(limit)
    return [_batch(r) for r in connection.execute(newest if provider is None else newest.where(t.party.c.key == provider))]


def quiet(connection: Connection, before: datetime, ahead_of: datetime) -> list[int]:
    """Open batches that nothing has touched since `before`, or touched later than `ahead_of`: by a clock that was ahead."""
    touched = (_b.touched < stamp(before)) | (_b.touched > stamp(ahead_of))
    return list(connection.execute(select(_b.id).where(_b.closed.is_(None), touched)).scalars())


def close(connection: Connection, batch: int, now: datetime) -> bool:
    """Close an open batch; False where it was closed already."""
    return connection.execute(update(t.batch).where(_b.id == batch, _b.closed.is_(None)).values(closed=stamp(now))).rowcount == 1


_TOUCH = Prepared(update(t.batch).where(_b.id == bindparam("row"), _b.closed.is_(None)).values(touched=bindparam("now")))


def touch(connection: Connection, batch: int, now: datetime) -> bool:
    """Say that an open batch is being filled; False where it is closed."""
    return _TOUCH.count(connection, {"row": batch, "now": stamp(now)}) == 1


def add_receipt(connection: Connection, batch: int, receipt: Receipt) -> None:
    """Append one file's receipt to an open batch and touch it. Raises Conflict where the batch was closed meanwhile."""
    at = stamp(receipt.at)
    if not touch(connection, batch, receipt.at):
        raise Conflict("batch-closed", "The batch was closed meanwhile; open another and send again.", "batch")
    findings = json.dumps(receipt.findings, separators=(",", ":"))
    insert_one(connection, t.receipt, **(columns(receipt) | {"batch": batch, "findings": findings, "at": at}))


def has_receipt(connection: Connection, batch: int, sop_uid: str, outcome: str) -> bool:
    """Whether a batch has a receipt of this outcome for an object already."""
    same = select(_r.id).where(_r.batch == batch, _r.sop_uid == sop_uid, _r.outcome == outcome).limit(1)
    return connection.execute(same).first() is not None


def receipts(connection: Connection, batch: int) -> list[Receipt]:
    """Every receipt of a batch, in the order the files came."""
    return [r for _, r in page(connection, batch, 0, None)]


def page(connection: Connection, batch: int, after: int, limit: int | None) -> list[tuple[int, Receipt]]:
    """The next receipts of a batch behind the row `after`, each with its row."""
    rows = select(t.receipt).where(_r.batch == batch, _r.id > after).order_by(_r.id).limit(limit)
    return [(r.id, _receipt(r)) for r in connection.execute(rows)]


def _receipt(r: Any) -> Receipt:
    findings = tuple((str(rule), str(where)) for rule, where in json.loads(r.findings))
    return Receipt(r.name, r.study_uid, r.sop_uid, r.size, r.outcome, r.rule, findings, moment(r.at), r.digest)


def presented(connection: Connection, batch: int, names: Collection[str]) -> set[str]:
    """Which of these files have a receipt in the batch already, by the name each was presented under."""
    return set(connection.execute(select(_r.name).where(_r.batch == batch, _r.name.in_(names))).scalars())


def counts(connection: Connection, batch: int) -> dict[tuple[str, str], int]:
    """(outcome, rule) → number of files, for one batch."""
    rows = connection.execute(select(_r.outcome, _r.rule, func.count()).where(_r.batch == batch).group_by(_r.outcome, _r.rule))
    return {(outcome, rule): n for outcome, rule, n in rows}


def digest(connection: Connection, batch: int) -> bytes:
    """SHA-256 over the batch's receipts in order: what a closed batch's ledger entry commits to."""
    total = sha256()
    rows = select(_r.sop_uid, _r.digest, _r.outcome, _r.rule).where(_r.batch == batch).order_by(_r.id)
    for uid, content, outcome, rule in connection.execute(rows):
        total.update(f"{uid or ''}\t{(content or b'').hex()}\t{outcome}\t{rule}\n".encode())
    return total.digest()


def studies(connection: Connection, batch: int) -> list[str]:
    """The studies of which the batch brought something into our care, every one of them, by their UIDs' order."""
    taken = _r.outcome.in_([Outcome.PASS, Outcome.REVIEW]) & (_r.rule != Code.WAITING)
    named = select(_r.study_uid).distinct().where(_r.batch == batch, taken, _r.study_uid.is_not(None))
    return list(connection.execute(named.order_by(_r.study_uid)).scalars())
