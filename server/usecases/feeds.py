"""The feeds of all types: what of each was published or withdrawn between two stamps, and what came in or out of sight at one.

A source of FHIR resources has a row here. Its events come in the order of their commits, by keyset.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from adapters.sql import changes, directory, sights
from adapters.sql.agreement import AGREEMENTS
from adapters.sql.changes import CAME, LATER, PATIENTS, SIGHT, STUDIES, Event, Followed, Place, Reading
from adapters.sql.dataset import ENDPOINTS, SHARED
from adapters.sql.dataset import PATIENTS as PATIENTS_OF
from adapters.sql.directory import DirectorySource
from adapters.sql.party import ORGANISATIONS
from adapters.sql.provenance import ENTRIES
from adapters.sql.sights import DESCRIBED, ReaderRow
from consent.conditions import Action
from mappings.fhir.resources import RESOURCES
from mappings.fhir.systems import fhir_id, keys_of
from mappings.query import EVERYTHING, AllOf, Condition, Not
from server.usecases.sources import Asking

Page = Callable[[Place, int], list[Event]]
"""The events after a place, so many at most."""


@dataclass(frozen=True, slots=True)
class Following:
    """One request at work: what is asked of the database, by which reader, of which type, perhaps of one resource alone.

    `granted` is what the reader's scopes leave of the type.
    """

    asking: Asking
    reader: ReaderRow
    resource: str
    granted: Condition
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """How a type's events are found: by which actions its datasets are seen, what changes, what comes in and out of sight."""

    actions: tuple[Action, ...]
    changes: Callable[[Following, Place, int, int], list[Event]]
    sight: Callable[[Following, Place, int], list[Event]]


_DISCOVER, _QUERY = (Action.DISCOVER,), (Action.QUERY,)


# --- images


def _images(followed: Followed, *, lost: bool = False) -> Feed:
    """The feed of studies or patients; of what was lost alone."""

    def changed(following: Following, after: Place, before: int, limit: int) -> list[Event]:
        connection, reading = following.asking.connection, _reading(following, followed)
        came = [changes.came(connection, each, after, before, limit) for each in _shown(reading, lost=lost)]
        return changes.first(limit, *came, changes.went(connection, reading, after, before, limit))

    def seen(following: Following, after: Place, limit: int) -> list[Event]:
        connection, reading = following.asking.connection, _reading(following, followed)
        shown = [changes.shown(connection, each, after, limit) for each in _shown(reading, lost=lost)]
        return changes.first(limit, *shown, changes.hidden(connection, reading, after, limit))

    return Feed(_QUERY, changed, seen)


def _reading(following: Following, followed: Followed) -> Reading:
    asking, reader = following.asking, following.reader
    now, visible = asking.runtime.clock(), replace(asking.visible_datasets(), valid_until=None)
    where = asking.linked(following.granted)
    return Reading(followed, reader.id, reader.since, visible, now, where, only=following.only)


def _shown(reading: Reading, *, lost: bool) -> list[Reading]:
    """What is there, unless what was lost is all that is asked; and what a scope's condition does not leave any more."""
    strayed = [] if reading.where == EVERYTHING else [replace(reading, strayed=True)]
    return strayed if lost else [reading, *strayed]


# --- descriptions


def _described(
    name: str, source: DirectorySource[Any], changed: str = "updated", actions: tuple[Action, ...] = _DISCOVER
) -> Feed:
    """The feed of descriptions, by the field that says when they changed; only what is `updated` ever does."""

    def page(following: Following, after: Place, before: int, limit: int) -> list[Event]:
        granted = following.granted
        kept = _changes(following, source, granted, changed, after, before, limit)
        if granted == EVERYTHING or changed != "updated":
            return kept
        strayed = _changes(following, source, Not(granted), changed, after, before, limit)
        return changes.first(limit, kept, [event._replace(lost=True) for event in strayed])

    def seen(following: Following, after: Place, limit: int) -> list[Event]:
        if name not in DESCRIBED:
            return []
        names = () if following.only is None else keys_of(following.only)
        asked = (following.reader, name, actions, after.stamp, after.row_of(SIGHT), limit, names)
        found = sights.described(following.asking.connection, *asked)
        return [Event(after.stamp, SIGHT, row, fhir_id(said), lost) for row, said, lost in found]

    return Feed(actions, page, seen)


def _changes(
    following: Following, source: DirectorySource[Any], where: Condition, changed: str, after: Place, before: int, limit: int
) -> list[Event]:
    asking, row = following.asking, RESOURCES[following.resource]
    one = EVERYTHING if following.only is None else row.identity(following.only)
    narrowed, place = asking.linked(AllOf((one, where))), (after.stamp, after.row_of(CAME))
    fields = (changed, row.identity.field)
    found = directory.changes(asking.connection, source, asking.scope(), narrowed, fields, place, before, limit)
    return [Event(int(at), CAME, int(key), fhir_id(name), False) for (at, key), name in found]


FEEDS: dict[str, Feed] = {
    "studies": _images(STUDIES),
    "patients": _images(PATIENTS),
    "agreements": _described("agreements", AGREEMENTS),
    "entries": _described("entries", ENTRIES, "at"),
    "organisations": _described("organisations", ORGANISATIONS),
    "endpoints": _described("endpoints", ENDPOINTS),
    "datasets": _described("datasets", SHARED, actions=_DISCOVER + _QUERY),
    "members": _described("members", PATIENTS_OF, actions=_QUERY),
}
"""The name of a source in `mappings.fhir.resources` → its feed. What a dataset says tells whether its rows may be asked for."""
LOSSES = {"studies": _images(STUDIES, lost=True), "patients": _images(PATIENTS, lost=True)}
"""The same of what was lost alone."""


# --- events in order


def events(following: Following, feed: Feed, after: Place, size: int) -> Iterator[Event]:
    """Every event after a place, in order: what changed up to the stamp of a sight, what that showed and hid, and so on."""

    def changes_before(before: int) -> Page:
        return lambda place, limit: feed.changes(following, place, before, limit)

    for mark in sights.marks(following.asking.connection, following.reader, feed.actions, after.stamp):
        yield from _walk(changes_before(mark), after, size)
        after = max(after, Place(mark))
        yield from _walk(partial(feed.sight, following), after, size)
        after = max(after, Place(mark, CAME))
    yield from _walk(changes_before(LATER), after, size)


def _walk(page: Page, after: Place, size: int) -> Iterator[Event]:
    while True:
        found = page(after, size)
        yield from found
        if len(found) < size:
            return
        after = found[-1].place
