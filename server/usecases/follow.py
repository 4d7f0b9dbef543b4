"""Following what changes: the history of everything, of a type or of one resource, as its reader sees it; and what it lost.

Each event of a type's feed is told by what its resource is to the reader now, in the statement that a read asks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import accumulate, islice
from operator import attrgetter

from sqlalchemy import Connection

from adapters.sql import feed, governance
from adapters.sql.changes import CAME, LATER, Event, Place
from adapters.sql.store import moment, stamp
from consent.access import Interaction
from consent.conditions import Action
from mappings.failures import Forbidden, NotFound, Unavailable
from mappings.fhir import bundle, history
from mappings.fhir.history import Asked, Entry, Position
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Arguments, Reader
from mappings.query import Condition
from mappings.smart import ANY, narrowings
from server.usecases.access import note_access, shown
from server.usecases.feeds import FEEDS, LOSSES, Feed, Following, events
from server.usecases.runtime import Caller, Runtime
from server.usecases.sights import keep_sights
from server.usecases.sources import CHUNK, Asking, read_resources, reader, source_of

TYPES = tuple(name for name, row in RESOURCES.items() if row.is_harvested)
SETTLED = timedelta(seconds=30)
"""After which a description's moment is believed to be committed: a write waits no longer for another."""


def _batched(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    coming = iter(events)
    while batch := list(islice(coming, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class _Told:
    """An entry, the position of its event, and the party whose data it shows, if any."""

    position: Position
    entry: Entry
    owner: int | None


def _told(following: Following, feed: Feed, after: Place, size: int) -> Iterator[_Told]:
    """The events as entries, by what their resources are now; one resource is told once of many events that lie together."""
    for batch in _batched(events(following, feed, after, size), size):
        last = {event.identity: event for event in batch}
        now = read_resources(following.asking, following.resource, last, following.granted)
        for event in sorted(last.values(), key=attrgetter("place")):
            _, document, owner = now.get(event.identity, (None, None, None))
            if document is not None or event.lost:  # what came and is gone again has a later event
                yield _Told(_position(following.resource, event), _entry(following.resource, event, document), owner)


def _position(resource: str, event: Event) -> Position:
    return Position(event.stamp, TYPES.index(resource), event.kind, event.row)


def _entry(resource: str, event: Event, document: bytes | None) -> Entry:
    return Entry(resource, event.identity, document, moment(event.stamp) if event.stamp else None)


def _place(resource: str, after: Position) -> Place:
    """Where a type goes on after a position, which may be another type's: types follow each other at one stamp."""
    own = TYPES.index(resource)
    if own == after.type:
        return Place(after.stamp, after.kind, after.row)
    return Place(after.stamp) if own > after.type else Place(after.stamp, CAME + 1, LATER)


# --- histories


def read_history(
    runtime: Runtime, caller: Caller, arguments: Arguments, resource: str | None = None, identity: str | None = None
) -> bytes:
    """A history Bundle's JSON: of one resource, of a type, or of every type that the caller's scopes cover.

    Raises Invalid, naming the parameter that can't be read; NotFound for a resource that this caller never saw; Unavailable where
    governance changed meanwhile.
    """
    path = "/".join(part for part in (resource, identity) if part)
    who = reader(runtime, caller)
    asked = history.read(path, arguments, who)
    granted = {resource: who.granted(resource, "r" if identity else "s")} if resource else _granted(caller, who)
    with runtime.store.read() as connection:
        caller = replace(caller, governance=caller.governance or runtime.governance.current(connection))
        asking, kept = Asking(runtime, connection, caller), keep_sights(runtime, caller)
        reached = _reached(runtime, granted, feed.newest(connection))
        followings = [Following(asking, kept, name, left, identity) for name, left in granted.items()]
        found = _found(followings, asked)
        is_known = bool(found) or identity is None or bool(_found(followings, replace(asked, after=Position(0))))
        _check_steady(asking)
    if not is_known:
        note_access(runtime, caller, _action(granted), asked.link, 404, 0)
        raise NotFound("not-found", f"There is no such {resource} here, and you have seen none.")
    page = _fitting(found[: asked.count])
    seen = shown((told.entry.resource, told.entry.document, told.owner) for told in page if told.entry.document)
    note_access(runtime, caller, _action(granted), asked.link, 200, len(page), interaction=Interaction.HISTORY, seen=seen)
    return _bundle(runtime, asked, page, reached, more=len(page) < len(found))


def _granted(caller: Caller, who: Reader) -> dict[str, Condition]:
    """The types that the caller's scopes cover, and what they leave. Raises Forbidden where they cover none that is served."""
    covered = [name for name in TYPES if narrowings(caller.scopes, f"{name}.s") is not None]
    if not covered:
        raise Forbidden("insufficient-scope", "The token lacks a scope that covers any type that is served.", f"{ANY}.s")
    return {name: who.granted(name) for name in covered}


def _action(types: Iterable[str]) -> Action:
    """What telling of these types is recorded as."""
    return Action.QUERY if any(source_of(name).action is Action.QUERY for name in types) else Action.DISCOVER


def _check_steady(asking: Asking) -> None:
    """Raises Unavailable where governance is not what the answer was narrowed by: what was not shown would be passed by."""
    narrowed = asking.caller.governance
    if narrowed is None or narrowed.counter != governance.counter(asking.connection):
        raise Unavailable("governance-changed", "Governance changed while this was read. Ask again.")


def _found(followings: Sequence[Following], asked: Asked) -> list[_Told]:
    """The page's entries, and one more where there is one, in order over all types."""
    size = min(asked.count + 1, CHUNK)
    feeds = [(following, FEEDS[RESOURCES[following.resource].source]) for following in followings]
    every = [_told(following, feed, _place(following.resource, asked.after), size) for following, feed in feeds]
    return list(islice(merge(*every, key=attrgetter("position")), asked.count + 1))


def _fitting(found: Sequence[_Told]) -> Sequence[_Told]:
    """The entries that fit a page's bytes, at least one."""
    sizes = accumulate(len(told.entry.document or b"") for told in found)
    return found[: max(1, sum(size < bundle.PAGE_BYTES for size in sizes))]


def _reached(runtime: Runtime, types: Iterable[str], newest: int) -> datetime:
    """Up to when all there is can be read. What is recorded of governance has the moment when it was begun."""
    images = all(RESOURCES[name].source in LOSSES for name in types)
    return moment(newest) if images else min(moment(newest), runtime.clock() - SETTLED)


def _bundle(runtime: Runtime, asked: Asked, page: Sequence[_Told], reached: datetime, *, more: bool) -> bytes:
    """The Bundle; one that goes on tells all only up to its last entry."""
    links = [("self", asked.link)]
    if more:
        links.append(("next", asked.link_after(page[-1].position)))
        reached = min(reached, moment(page[-1].position.stamp))
    return history.bundle((told.entry for told in page), runtime.settings.base_url, links, reached)


# --- for an export


def read_losses(
    runtime: Runtime, connection: Connection, caller: Caller, resource: str, since: datetime, after: Place | None = None
) -> Iterator[Event]:
    """What of a type this caller saw and lost since a moment, in order of commits; by keyset, as many at a time as are looked at.

    `after` is the place of the event to go on after. What came in sight again is not among them.
    """
    granted = reader(runtime, caller).granted(resource)
    following = Following(Asking(runtime, connection, caller), keep_sights(runtime, caller), resource, granted)
    losses = LOSSES.get(RESOURCES[resource].source) or FEEDS[RESOURCES[resource].source]
    for batch in _batched(events(following, losses, after or Place(stamp(since)), CHUNK), CHUNK):
        lost = [event for event in batch if event.lost]
        there = read_resources(following.asking, resource, (event.identity for event in lost), granted)
        yield from (event for event in lost if event.identity not in there)
