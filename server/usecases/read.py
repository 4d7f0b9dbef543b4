"""Reading and searching as FHIR resources: what is answered is what the agreements let this caller see, and nothing else.

Images and patients are rows (query); agreements, organisations, endpoints and provenance are descriptions (discover). A type's
row in `mappings.fhir.resources` names one of the sources here, which gives plain nouns or finished bytes, and the writer of its
nouns; no model is built on the way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from adapters.sql import directory, search
from adapters.sql.agreement import AGREEMENTS
from adapters.sql.dataset import ENDPOINTS
from adapters.sql.directory import DirectoryScope, DirectorySource
from adapters.sql.party import ORGANISATIONS
from adapters.sql.provenance import ENTRIES
from consent.conditions import Action
from consent.policy import VisibleDatasets
from consent.subject import Role
from mappings.failures import NotFound
from mappings.fhir import bundle
from mappings.fhir.capability import capability
from mappings.fhir.resources import RESOURCES, Resource
from mappings.fhir.search import Arguments, Asked, Sealing, relative_link
from mappings.fhir.search import read as read_search
from mappings.fhir.serial import meta_of
from mappings.query import Condition, Level, Page, Query
from server.usecases.access import note_access
from server.usecases.runtime import Caller, Runtime

COUNTED = 1000
"""Totals up to here are told unasked; larger ones when the caller asks for an accurate total."""
CHUNK = 101
Rows = list[tuple[int, Any]]
"""(row id, noun or finished bytes)."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request at work: runtime, connection and caller."""

    runtime: Runtime
    connection: Connection
    caller: Caller
    visible: dict[Action, VisibleDatasets] = field(default_factory=dict)

    def visible_datasets(self, action: Action = Action.QUERY) -> VisibleDatasets:
        if action not in self.visible:
            self.visible[action] = self.runtime.visible_datasets(self.connection, self.caller, action)
        return self.visible[action]

    def scope(self) -> DirectoryScope:
        subject, settings = self.caller.subject, self.runtime.settings
        return DirectoryScope(
            now=self.runtime.clock(),
            subject=subject.id,
            party=subject.party,
            provider=subject.party if subject.role is Role.PROVIDER else None,
            all=subject.role is Role.OPERATOR,
            datasets=self.visible_datasets(Action.DISCOVER).datasets,
            queryable=self.visible_datasets(Action.QUERY).datasets,
            repository=settings.repository,
            contact=settings.contact,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where nouns come from: their action, a keyset page of rows, and a count with a ceiling."""

    action: Action
    page: Callable[[_Asking, Condition, int, int], Rows]
    count: Callable[[_Asking, Condition, int | None], int]


def _indexed(level: Level, page: Callable[[_Asking, Query], Rows]) -> Source:
    def counted(asking: _Asking, where: Condition, ceiling: int | None) -> int:
        return search.count(asking.connection, Query(level, where), asking.visible_datasets(), asking.runtime.clock(), ceiling)

    def paged(asking: _Asking, where: Condition, limit: int, after: int) -> Rows:
        return page(asking, Query(level, where, Page(limit, after=after)))

    return Source(Action.QUERY, paged, counted)


def _studies(asking: _Asking, query: Query) -> Rows:
    """Studies in chunks, until the page has its rows or its bytes."""
    visible, now, rows, size, left = asking.visible_datasets(), asking.runtime.clock(), Rows(), 0, query.page.limit
    while left > 0 and size < bundle.PAGE_BYTES:
        wanted = min(left, CHUNK)
        page = Page(wanted, after=rows[-1][0] if rows else query.page.after)
        part = search.documents(asking.connection, Query(query.level, query.where, page), visible, now)
        rows += part
        size += sum(len(document) for _, document in part)
        left = left - wanted if len(part) == wanted else 0
    return rows


def _patients(asking: _Asking, query: Query) -> Rows:
    return list(search.patients(asking.connection, query, asking.visible_datasets(), asking.runtime.clock()))


def _described(source: DirectorySource[Any]) -> Source:
    def page(asking: _Asking, where: Condition, limit: int, after: int) -> Rows:
        return directory.page(asking.connection, source, where, asking.scope(), limit, after)

    def counted(asking: _Asking, where: Condition, ceiling: int | None) -> int:
        return directory.count(asking.connection, source, where, asking.scope(), ceiling)

    return Source(Action.DISCOVER, page, counted)


SOURCES: dict[str, Source] = {
    "studies": _indexed(Level.STUDY, _studies),
    "patients": _indexed(Level.PATIENT, _patients),
    "agreements": _described(AGREEMENTS),
    "entries": _described(ENTRIES),
    "organisations": _described(ORGANISATIONS),
    "endpoints": _described(ENDPOINTS),
}
"""The name of a source in `mappings.fhir.resources` → the source."""


def source_of(resource: str) -> Source:
    """Where the resources of one type come from."""
    return SOURCES[RESOURCES[resource].source]


def search_resources(runtime: Runtime, caller: Caller, resource: str, arguments: Arguments, *, lenient: bool = False) -> bytes:
    """A searchset Bundle's JSON. Raises Invalid, naming the parameter that can't be read."""
    sealing = Sealing(runtime.cursors.seal, runtime.cursors.opened)
    asked = read_search(resource, arguments, runtime.settings.base_url, caller.subject.id, sealing, lenient=lenient)
    source = source_of(resource)
    with runtime.store.read() as connection:
        asking = _Asking(runtime, connection, caller)
        rows = [] if asked.only_total else source.page(asking, asked.where, asked.count + 1, asked.after)
        written = _written(RESOURCES[resource], rows, runtime)
        total = _total(asking, source, asked, written)
    answer, given = bundle.page(asked, runtime.settings.base_url, written, total)
    note_access(runtime, caller, source.action, relative_link(asked), 200, given)
    return answer


def _written(resource: Resource, rows: Rows, runtime: Runtime) -> list[tuple[int, bytes]]:
    """The rows as resources; what comes as finished bytes is passed on."""
    write, base = resource.writer, runtime.settings.base_url
    return rows if write is None else [(key, write(noun, base)) for key, noun in rows]


def _total(asking: _Asking, source: Source, asked: Asked, rows: Rows) -> int | None:
    """The number of matches: when only that is wanted, as asked, else on the first page where it is small enough to count."""
    if asked.only_total or asked.total == "accurate":
        return source.count(asking, asked.where, None)
    if asked.total == "none" or asked.after:
        return None
    if len(rows) <= asked.count and bundle.fits(rows):  # nothing was cut off
        return len(rows)
    counted = source.count(asking, asked.where, COUNTED + 1)
    return counted if counted <= COUNTED else None


@dataclass(frozen=True, slots=True)
class Served:
    """One resource's bytes, its weak entity tag, and when it last changed."""

    body: bytes
    etag: str
    modified: datetime | None


def read_resource(runtime: Runtime, caller: Caller, resource: str, identity: str) -> Served:
    """One resource by its id. Raises NotFound, hidden or absent alike.

    It is recorded as told, also where a door says no more than that it is as it was.
    """
    row, source = RESOURCES[resource], source_of(resource)
    with runtime.store.read() as connection:
        nouns = source.page(_Asking(runtime, connection, caller), row.identity(identity), 1, 0)
    rows = _written(row, nouns, runtime)
    target = f"{resource}/{identity[:64]}"
    if not rows:
        note_access(runtime, caller, source.action, target, 404, 0)
        raise NotFound("not-found", f"There is no such {resource} here, or none that you may see.")
    note_access(runtime, caller, source.action, target, 200, 1)
    return _served(rows[0][1])


def _served(document: bytes) -> Served:
    """A study's tag is its version; what is made on the way has the hash of what was made."""
    version, modified = meta_of(document)
    return Served(document, version or sha256(document).hexdigest()[:16], modified)


def metadata(runtime: Runtime, caller: Caller, version: str) -> bytes:
    """The CapabilityStatement's JSON of this software `version`."""
    note_access(runtime, caller, Action.DISCOVER, "metadata", 200, 1)
    return capability(runtime.settings.base_url, runtime.settings.repository, version)
