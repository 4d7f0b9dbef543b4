"""The access record: one compact row for each answered request, and the windows of use that the ledger opens and closes.

Beside its row stands what was shown, packed, by whose data it was. Reads and searches are written in groups, at most 100 ms after
they were answered. What lets bytes or pictures out is written and durable before its first byte, with an opened entry in the
ledger when it is the first of its five minutes.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.sql import tables as t
from adapters.sql.ledger import About, record
from adapters.sql.prepared import Prepared
from adapters.sql.seen import pack
from adapters.sql.store import Store, insert_of, insert_one, moment, stamp
from consent.access import Interaction, Seen
from consent.entries import UseClosed, UseOpened
from mappings.failures import Failure, Full, Unavailable

log = logging.getLogger("accord.access")

SLOT_SECONDS = 300
FLUSH_SECONDS = 0.1
RETRY_SECONDS = 1.0
MOST_WAITING = 50_000
MOST_BYTES = 64 * 2**20
"""Of what was asked, and of what was shown, packed, in all rows that wait."""
_w = t.window.c
Shown = tuple[str, int | None, bytes]
Row = tuple[dict[str, object], tuple[Shown, ...]]
"""The columns of an access row, and (type, party, packed ids) of what it showed."""


@dataclass(frozen=True, slots=True)
class Access:
    """One answered request: who, what action for which purpose, on what, how it ended, and how many rows or objects left.

    `seen` are the resources that were shown.
    """

    at: datetime
    subject: str
    action: str
    purpose: str
    target: str
    status: int
    count: int
    request: str
    interaction: Interaction = Interaction.READ
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Under:
    """What a use is done under: the dataset's alias, the agreement as key@version, the terms' version."""

    dataset: str
    agreement: str
    terms: str


def _row(access: Access, window: int | None = None) -> Row:
    return _values(access, window), tuple((each.type, each.party, pack(each.type, each.keys)) for each in access.seen)


def _size(row: Row) -> int:
    return len(str(row[0]["target"])) + sum(len(packed) for _, _, packed in row[1])


def _values(access: Access, window: int | None) -> dict[str, object]:
    return {
        "at": stamp(access.at),
        "subject": access.subject,
        "action": access.action,
        "purpose": access.purpose,
        "target": access.target,
        "status": access.status,
        "count": access.count,
        "request": access.request,
        "window": window,
        "interaction": str(access.interaction),
    }


_ROW = insert(t.access).returning(t.access.c.id, sort_by_parameter_order=True)
_SEEN = insert(t.access_seen)
_COLUMNS = ("access", "type", "party", "packed")


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    """Write access rows in this order, and beside each what it showed."""
    keys = connection.execute(_ROW, [values for values, _ in rows]).scalars().all()
    shown = [(key, *one) for key, (_, all_shown) in zip(keys, rows, strict=True) for one in all_shown]
    if shown:
        connection.execute(_SEEN, [dict(zip(_COLUMNS, each, strict=True)) for each in shown])


def _write_one(connection: Connection, row: Row) -> None:
    """The same of one row, before whose commit somebody waits."""
    key = insert_one(connection, t.access, **row[0])
    for shown in row[1]:
        _ONE_SEEN.count(connection, dict(zip(_COLUMNS, (key, *shown), strict=True)))


_ONE_SEEN = Prepared(insert(t.access_seen).values({name: bindparam(name) for name in _COLUMNS}))


class Accesses:
    """The group writer of one process: `note` returns at once, a thread commits what has gathered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[Row] = []
        self._bytes = 0
        self._due = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def note(self, access: Access) -> None:
        """Write this row within 100 ms; later where the database can't be written now. Raises Unavailable where too many wait."""
        row = _row(access)
        with self._lock:
            if len(self._waiting) >= MOST_WAITING or self._bytes >= MOST_BYTES:
                raise Unavailable("record-behind", "The record of accesses can't be written, so nothing more is shown now.")
            self._waiting.append(row)
            self._bytes += _size(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="accesses", daemon=True)
                self._thread.start()
        self._due.set()

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait()
            self._due.clear()
            time.sleep(FLUSH_SECONDS / 2)
            if not self.flush():
                time.sleep(RETRY_SECONDS)
                self._due.set()

    def flush(self) -> bool:
        """Commit what waits, also what another thread has begun; False where the database can't be written now: it waits on."""
        with self._writing:
            return self._flush()

    def _flush(self) -> bool:
        with self._lock:
            groups, self._waiting, self._bytes = [self._waiting] if self._waiting else [], [], 0
        while groups:
            group = groups.pop(0)
            try:
                with self._store.write(durable=False) as connection:
                    _write(connection, group)
            except (Full, Unavailable) as failure:
                left = [row for rows in (group, *groups) for row in rows]
                log.error("access rows wait", extra={"rows": len(left), "code": failure.code})  # noqa: TRY400
                with self._lock:
                    self._waiting[:0] = left
                    self._bytes += sum(map(_size, left))
                return False
            except (Failure, SQLAlchemyError):
                if len(group) == 1:
                    log.exception("access row not written")
                groups = [[row] for row in group if len(group) > 1]  # one that can't be kept must not take the others with it
        return True

    def close(self) -> None:
        """Commit what waits and stop."""
        self._stopping = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()  # a flush under way must not give its connection back to a store that is closed
        self.flush()


def preview(connection: Connection, access: Access) -> None:
    """Write one row in the caller's durable transaction."""
    _write_one(connection, _row(access))


def use(connection: Connection, access: Access, study_uid: str, about: About, under: Under) -> None:
    """Write a use's row; the first in its window opens the window's ledger entry. In the caller's durable transaction."""
    named = {"subject": access.subject, "study_uid": study_uid, "action": access.action, "purpose": access.purpose}
    window, opened = _window(connection, about.dataset, int(access.at.timestamp()) // SLOT_SECONDS, **named)
    if opened:
        entry = UseOpened(
            study=study_uid,
            action=access.action,
            purpose=access.purpose,
            window=window,
            dataset=under.dataset,
            agreement=under.agreement,
            terms=under.terms,
        )
        record(connection, entry, access.at, access.subject, about)
    _write_one(connection, _row(access, window))


def _window(connection: Connection, dataset: int | None, slot: int, **named: str) -> tuple[int, bool]:
    """(id, whether it was opened now) of the window that takes this use.

    It is the slot's, or the next that is not closed: after a clock stepped back, the digest of a closed one is not touched.
    Its row is held in share mode, so that a close waits for the use that is being written.
    """
    at = {**named, "slot": slot}
    if (row := _JOINED.first(connection, at)) is None:
        values = {**at, "dataset": dataset, "closed": False}
        opening = insert_of(connection)(t.window).values(**values).on_conflict_do_nothing().returning(_w.id)
        window = connection.execute(opening).scalar_one_or_none()
        if window is not None:
            return int(window), True
        row = _JOINED.first(connection, at)  # another has opened it
    return _window(connection, dataset, slot + 1, **named) if row.closed else (int(row.id), False)


_JOINED = Prepared(
    select(_w.id, _w.closed)
    .where(*(_w[name] == bindparam(name) for name in ("subject", "study_uid", "action", "purpose", "slot")))
    .with_for_update(read=True)
)


@dataclass(frozen=True, slots=True)
class Window:
    """A window of use that has ended: what its closing entry says."""

    id: int
    subject: str
    study_uid: str
    action: str
    purpose: str
    dataset: int
    party: int


def ended_windows(connection: Connection, now: datetime, grace: int = 20) -> list[Window]:
    """Open windows whose five minutes ended more than `grace` seconds ago."""
    before = int(now.timestamp() - grace) // SLOT_SECONDS
    rows = (
        select(t.window, t.agreement.c.party)
        .join(t.dataset, _w.dataset == t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .where(_w.closed.is_(False), _w.slot < before)
        .order_by(_w.id)
        .limit(500)
    )
    return [Window(r.id, r.subject, r.study_uid, r.action, r.purpose, r.dataset, r.party) for r in connection.execute(rows)]


def close_window(connection: Connection, window: Window, now: datetime) -> None:
    """Write the window's closed entry: how many accesses, and the digest of their rows; nothing where it is closed already."""
    closing = update(t.window).where(_w.id == window.id, _w.closed.is_(False)).values(closed=True)
    if not connection.execute(closing).rowcount:
        return
    total, digest = tally(connection, window.id)
    entry = UseClosed(
        study=window.study_uid,
        action=window.action,
        purpose=window.purpose,
        window=window.id,
        accesses=total,
        digest=digest.hex(),
    )
    record(connection, entry, now, window.subject, About(window.party, window.dataset))


def tally(connection: Connection, window: int) -> tuple[int, bytes]:
    """(number of access rows, SHA-256 over them in order) of one window."""
    rows = connection.execute(select(t.access).where(t.access.c.window == window).order_by(t.access.c.id)).all()
    lines = (f"{r.at}\t{r.target}\t{r.status}\t{r.count}\t{r.request}\n" for r in rows)
    return len(rows), _digest(lines)


def _digest(lines: Iterable[str]) -> bytes:
    total = sha256()
    for line in lines:
        total.update(line.encode())
    return total.digest()


def targets(connection: Connection, subject: str, limit: int) -> list[str]:
    """What this subject's newest answered requests were on."""
    a = t.access.c
    rows = select(a.target).where(a.subject == subject).order_by(a.id.desc()).limit(limit)
    return list(connection.execute(rows).scalars())


def recent(connection: Connection, limit: int = 100) -> list[Access]:
    """The newest access rows, for the operator."""
    a = t.access.c
    newest = (
        select(a.at, a.subject, a.action, a.purpose, a.target, a.status, a.count, a.request).order_by(a.id.desc()).limit(limit)
    )
    return [Access(moment(at), *rest) for at, *rest in connection.execute(newest)]
