"""The access record: one compact row for each answered request, and the windows of use that the ledger opens and closes.

Reads and searches are written in groups, at most 100 ms after they were answered. What lets bytes or pictures out is written
and durable before its first byte, with an opened entry in the ledger when it is the first of its five minutes.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.sql import tables as t
from adapters.sql.ledger import About, record
from adapters.sql.store import Store, insert_of, moment, stamp
from consent.entries import UseClosed, UseOpened
from mappings.failures import Failure, Full, Unavailable

log = logging.getLogger("accord.access")

SLOT_SECONDS = 300
FLUSH_SECONDS = 0.1
RETRY_SECONDS = 1.0
MOST_WAITING = 50_000
_w = t.window.c


@dataclass(frozen=True, slots=True)
class Access:
    """One answered request: who, what action for which purpose, on what, how it ended, and how many rows or objects left."""

    at: datetime
    subject: str
    action: str
    purpose: str
    target: str
    status: int
    count: int
    request: str


@dataclass(frozen=True, slots=True)
class Under:
    """What a use is done under: the dataset's alias, the agreement as key@version, the terms' version."""

    dataset: str
    agreement: str
    terms: str


def _values(access: Access, window: int | None = None) -> dict[str, object]:
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
    }


class Accesses:
    """The group writer of one process: `note` returns at once, a thread commits what has gathered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiting: list[dict[str, object]] = []
        self._due = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def note(self, access: Access) -> None:
        """Write this row within 100 ms; later where the database can't be written now. Raises Unavailable where too many wait."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable("record-behind", "The record of accesses can't be written, so nothing more is shown now.")
            self._waiting.append(_values(access))
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
        """Commit what waits; False where the database can't be written now, and what is not written waits on."""
        with self._lock:
            groups, self._waiting = [self._waiting] if self._waiting else [], []
        while groups:
            group = groups.pop(0)
            try:
                with self._store.write(durable=False) as connection:
                    connection.execute(insert(t.access), group)
            except (Full, Unavailable) as failure:
                left = [row for rows in (group, *groups) for row in rows]
                log.error("access rows wait", extra={"rows": len(left), "code": failure.code})  # noqa: TRY400
                with self._lock:
                    self._waiting[:0] = left
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
    connection.execute(insert(t.access).values(**_values(access)))


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
    connection.execute(insert(t.access).values(**_values(access, window)))


def _window(connection: Connection, dataset: int | None, slot: int, **named: str) -> tuple[int, bool]:
    """(id, whether it was opened now) of the window that takes this use.

    It is the slot's, or the next that is not closed: after a clock stepped back, the digest of a closed one is not touched.
    Its row is held in share mode, so that a close waits for the use that is being written.
    """
    values = {**named, "slot": slot, "dataset": dataset, "closed": False}
    opening = insert_of(connection)(t.window).values(**values).on_conflict_do_nothing().returning(_w.id)
    window = connection.execute(opening).scalar_one_or_none()
    if window is not None:
        return int(window), True
    joined = select(_w.id, _w.closed).filter_by(**named, slot=slot).with_for_update(read=True)
    row = connection.execute(joined).one()
    return _window(connection, dataset, slot + 1, **named) if row.closed else (int(row.id), False)


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


def recent(connection: Connection, limit: int = 100) -> list[Access]:
    """The newest access rows, for the operator."""
    a = t.access.c
    newest = (
        select(a.at, a.subject, a.action, a.purpose, a.target, a.status, a.count, a.request).order_by(a.id.desc()).limit(limit)
    )
    return [Access(moment(at), *rest) for at, *rest in connection.execute(newest)]
