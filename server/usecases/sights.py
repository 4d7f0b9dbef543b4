"""Keeping what each reader has in sight, so that a feed can tell it what it came to see and what it lost.

A reader is whoever has searched or followed a feed. Its sights are compared with the decisions on every dataset when it asks, in
the transaction of every governance act, and by the worker, because time makes no commit when a period or a permit ends.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import client as clients
from adapters.sql import feed, governance
from adapters.sql import sights as rows
from adapters.sql.client import ClientRow
from adapters.sql.sights import Ends, ReaderRow, Seen
from consent.conditions import Action
from consent.dataset import Facts
from consent.person import PERSON
from consent.policy import VisibleDatasets, decide
from consent.subject import Subject
from server.usecases.identify import subject
from server.usecases.runtime import Caller, Runtime

ACTIONS = (Action.DISCOVER, Action.QUERY)
"""What is read by search and feed: descriptions, and rows of images."""


def note_reader(runtime: Runtime, connection: Connection, caller: Caller, visible: Callable[[Action], VisibleDatasets]) -> None:
    """Know what this caller sees, from before its first answer on; writes nothing while neither governance nor that changes.

    `visible` is what the answer is narrowed by, by action.
    """
    counter = (caller.governance or runtime.governance.current(connection)).counter
    seen = tuple(visible(action).datasets for action in ACTIONS)  # of each: what may be known of is not what may be queried
    reader = (caller.subject.id, caller.purpose)
    if runtime.noted.get(reader) != (counter, seen):
        keep_sights(runtime, caller)
        runtime.noted[reader] = (counter, seen)


def keep_sights(runtime: Runtime, caller: Caller) -> ReaderRow:
    """The caller as a reader, with its sights as they are now."""
    purpose = caller.purpose or ""
    with runtime.store.read() as connection:
        reader = rows.find_reader(connection, caller.subject.id, purpose)
        if reader is not None and not _differs(connection, reader, _ends(runtime, connection, caller)):
            return reader
    with runtime.store.write() as connection:
        now = runtime.clock()
        at = feed.take_stamp(connection, now)
        reader = rows.find_reader(connection, caller.subject.id, purpose)
        reader = reader or rows.add_reader(connection, caller.subject.id, purpose, at)
        _renew(connection, reader, _ends(runtime, connection, caller), at, now)
        return reader


def _ends(runtime: Runtime, connection: Connection, caller: Caller) -> Ends:
    facts = runtime.governance.current(connection).facts
    return _seen(caller.subject, caller.purpose, facts, runtime.clock())


def _seen(subject: Subject, purpose: str | None, facts: Iterable[Facts], now: datetime) -> Ends:
    """What a subject may see by the decisions on every dataset, and when the clock ends that."""
    decided = ((Seen(action, f.dataset), decide(subject, action, purpose, f, now)) for f in facts for action in ACTIONS)
    return {seen: decision.valid_until for seen, decision in decided if decision.allowed}


def _differs(connection: Connection, reader: ReaderRow, ends: Ends) -> bool:
    return rows.in_sight(connection, reader) != ends


def _renew(connection: Connection, reader: ReaderRow, ends: Ends, at: int, now: datetime) -> None:
    """Keep what a reader sees now. What the clock had ended meanwhile was lost, also where it is seen again."""
    known = rows.in_sight(connection, reader)
    lapsed = {seen for seen, end in known.items() if end is not None and end <= now}
    stays = (known.keys() & ends.keys()) - lapsed
    rows.close(connection, reader, known.keys() - stays, at)
    rows.open_all(connection, reader, ends.keys() - stays, ends, at)
    rows.set_ends(connection, reader, {seen: ends[seen] for seen in stays if known[seen] != ends[seen]})


# --- of everybody


def renew_governed(runtime: Runtime, connection: Connection) -> None:
    """Keep, in the transaction of a governance act, what every reader gains and loses by it."""
    changed = _changed(runtime, connection)
    if changed:
        now = runtime.clock()
        at = feed.take_stamp(connection, now)
        for reader, ends in changed:
            _renew(connection, reader, ends, at, now)


def renew(runtime: Runtime) -> int:
    """Keep what readers gained and lost as time went by; returns how many did."""
    with runtime.store.read() as connection:
        changed = len(_changed(runtime, connection))
    if changed:
        with runtime.store.write() as connection:
            renew_governed(runtime, connection)
    return changed


def _changed(runtime: Runtime, connection: Connection) -> list[tuple[ReaderRow, Ends]]:
    """The readers whose sights are not what they may see, and that.

    Facts are read anew: what an act has not committed yet is not for the process's snapshot.
    """
    readers = rows.readers(connection)
    if not readers:
        return []
    facts, known = governance.facts(connection), {row.client_id: row for row in clients.read_all(connection)}
    programs = [reader for reader in readers if not reader.subject.startswith(PERSON)]  # people change roles: by their requests
    every = [(reader, _registered(known.get(reader.subject), reader, facts, runtime.clock())) for reader in programs]
    return [(reader, ends) for reader, ends in every if _differs(connection, reader, ends)]


def _registered(row: ClientRow | None, reader: ReaderRow, facts: Iterable[Facts], now: datetime) -> Ends:
    """What a reader may see as its client is registered; one that is not, or is disabled, sees nothing."""
    if row is None or not row.enabled:
        return {}
    return _seen(subject(row, inside=False), reader.purpose or None, facts, now)
