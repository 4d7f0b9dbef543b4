"""Reading and searching as FHIR resources: what is answered is what the agreements let this caller see, and nothing else.

Images and patients are rows (query); agreements, organisations, endpoints and provenance are descriptions (discover). Answers are
bytes that were made before, or are made from few plain values; no model is built on the way.
"""

from collections.abc import Callable, Sequence
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
from adapters.sql.search import PatientRow
from consent.conditions import Action
from consent.party import Party
from consent.policy import VisibleDatasets
from consent.provenance import RecordedEntry
from consent.subject import Role
from mappings.failures import NotFound
from mappings.fhir.bundle import searchset
from mappings.fhir.capability import capability
from mappings.fhir.consent import consent
from mappings.fhir.endpoint import endpoint
from mappings.fhir.organization import organization
from mappings.fhir.outcome import outcome
from mappings.fhir.patient import patient
from mappings.fhir.provenance import provenance
from mappings.fhir.search import Arguments, Asked, identified, next_link, self_link
from mappings.fhir.search import read as read_search
from mappings.fhir.serial import meta_of
from mappings.fields import parameters
from mappings.query import Condition, Level, Page, Query
from server.usecases.access import note_access
from server.usecases.hall import Caller, Hall

COUNTED = 1000
"""Totals up to here are told unasked; larger ones when the caller asks for an accurate total."""
PAGE_BYTES = 8 * 2**20
CHUNK = 101
Rows = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request at work: hall, connection and caller."""

    hall: Hall
    connection: Connection
    caller: Caller
    visible: dict[Action, VisibleDatasets] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return self.hall.settings.base_url

    def visible_datasets(self, action: Action = Action.QUERY) -> VisibleDatasets:
        if action not in self.visible:
            self.visible[action] = self.hall.visible_datasets(self.connection, self.caller, action)
        return self.visible[action]

    def scope(self) -> DirectoryScope:
        subject = self.caller.subject
        return DirectoryScope(
            now=self.hall.clock(),
            subject=subject.id,
            party=subject.party,
            provider=subject.party if subject.role is Role.PROVIDER else None,
            all=subject.role is Role.OPERATOR,
            datasets=self.visible_datasets(Action.DISCOVER).datasets,
            queryable=self.visible_datasets(Action.QUERY).datasets,
            repository=self.hall.settings.repository,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """Where one resource comes from: its action, a keyset page of (row id, bytes), and a count with a ceiling."""

    action: Action
    page: Callable[[_Asking, Condition, int, int], Rows]
    count: Callable[[_Asking, Condition, int | None], int]


def _indexed(level: Level, page: Callable[[_Asking, Query], Rows]) -> Source:
    def counted(asking: _Asking, where: Condition, ceiling: int | None) -> int:
        return search.count(asking.connection, Query(level, where), asking.visible_datasets(), asking.hall.clock(), ceiling)

    def paged(asking: _Asking, where: Condition, limit: int, after: int) -> Rows:
        return page(asking, Query(level, where, Page(limit, after=after)))

    return Source(Action.QUERY, paged, counted)


def _studies(asking: _Asking, query: Query) -> Rows:
    """Studies in chunks, until the page has its rows or its bytes: a short page with a next link is a whole answer."""
    visible, now, rows, size, left = asking.visible_datasets(), asking.hall.clock(), Rows(), 0, query.page.limit
    while left > 0 and size < PAGE_BYTES:
        wanted = min(left, CHUNK)
        page = Page(wanted, after=rows[-1][0] if rows else query.page.after)
        part = search.documents(asking.connection, Query(query.level, query.where, page), visible, now)
        rows += part
        size += sum(len(document) for _, document in part)
        left = left - wanted if len(part) == wanted else 0
    return rows


def _patients(asking: _Asking, query: Query) -> Rows:
    found = search.patients(asking.connection, query, asking.visible_datasets(), asking.hall.clock())
    return [(row.id, _patient(row, asking.base)) for row in found]


def _patient(row: PatientRow, base: str) -> bytes:
    return patient(row.key, row.provider, row.patient_id, row.sex, row.updated, base)


def _shelved(source: DirectorySource[Any], made: Callable[[Any, _Asking, DirectoryScope], bytes]) -> Source:
    def page(asking: _Asking, where: Condition, limit: int, after: int) -> Rows:
        scope = asking.scope()
        found = directory.page(asking.connection, source, where, scope, limit, after)
        return [(key, made(noun, asking, scope)) for key, noun in found]

    def counted(asking: _Asking, where: Condition, ceiling: int | None) -> int:
        return directory.count(asking.connection, source, where, asking.scope(), ceiling)

    return Source(Action.DISCOVER, page, counted)


def _provenance(noun: tuple[RecordedEntry, int | None], asking: _Asking, scope: DirectoryScope) -> bytes:
    entry, dataset = noun
    return provenance(entry, asking.base, studies=dataset in scope.queryable)


def _organization(noun: Party, asking: _Asking, _scope: DirectoryScope) -> bytes:
    return organization(noun, asking.base, asking.hall.settings.contact)


SOURCES: dict[str, Source] = {
    "ImagingStudy": _indexed(Level.STUDY, _studies),
    "Patient": _indexed(Level.PATIENT, _patients),
    "Consent": _shelved(AGREEMENTS, lambda noun, asking, _: consent(noun, asking.base)),
    "Provenance": _shelved(ENTRIES, _provenance),
    "Organization": _shelved(ORGANISATIONS, _organization),
    "Endpoint": _shelved(ENDPOINTS, lambda noun, asking, _: endpoint(noun, asking.base)),
}
"""Resource → where it comes from."""


def search_resources(hall: Hall, caller: Caller, resource: str, arguments: Arguments, *, lenient: bool = False) -> bytes:
    """A searchset Bundle's JSON. Raises Invalid, naming the parameter that can't be read."""
    asked = read_search(resource, arguments, hall.settings.base_url, caller.subject.id, lenient=lenient)
    source = SOURCES[resource]
    with hall.store.read() as connection:
        asking = _Asking(hall, connection, caller)
        rows = [] if asked.only_total else source.page(asking, asked.where, asked.count + 1, asked.after)
        total = _total(asking, source, asked, rows)
    answer, given = _bundle(hall.settings.base_url, asked, rows, total)
    note_access(hall, caller, source.action, self_link(asked, "").removeprefix("/fhir/R4/"), 200, given)
    return answer


def _total(asking: _Asking, source: Source, asked: Asked, rows: Rows) -> int | None:
    """The number of matches: when only that is wanted, as asked, else on the first page where it is small enough to count."""
    if asked.only_total or asked.total == "accurate":
        return source.count(asking, asked.where, None)
    if asked.total == "none" or asked.after:
        return None
    if len(rows) <= asked.count:
        return len(rows)
    found = source.count(asking, asked.where, COUNTED + 1)
    return found if found <= COUNTED else None


def _bundle(base: str, asked: Asked, rows: Rows, total: int | None) -> tuple[bytes, int]:
    shown = _within(rows[: asked.count])
    links = [("self", self_link(asked, base))]
    if len(shown) < len(rows):
        links.append(("next", next_link(asked, base, shown[-1][0])))
    warnings = [outcome("not-supported", "This parameter was ignored.", name[:64], "warning") for name in asked.ignored]
    resource_base = f"{base}/fhir/R4/{asked.resource}"
    return searchset([document for _, document in shown], resource_base, links, total, warnings), len(shown)


def _within(rows: Sequence[tuple[int, bytes]]) -> Rows:
    """The rows that fit a page's bytes, at least one."""
    size, shown = 0, Rows()
    for row in rows:
        size += len(row[1])
        if shown and size >= PAGE_BYTES:
            break
        shown.append(row)
    return shown


@dataclass(frozen=True, slots=True)
class Served:
    """One resource's bytes (empty where the caller holds them already), its weak entity tag, and when it last changed."""

    body: bytes
    etag: str
    modified: datetime | None


def read_resource(hall: Hall, caller: Caller, resource: str, identity: str, known: Callable[[str], bool]) -> Served:
    """One resource by its id; `known` says whether the caller holds this entity tag. Raises NotFound, hidden or absent alike."""
    source = SOURCES[resource]
    with hall.store.read() as connection:
        where = identified(parameters(resource)["_id"], identity)
        rows = source.page(_Asking(hall, connection, caller), where, 1, 0)
    target = f"{resource}/{identity[:64]}"
    if not rows:
        note_access(hall, caller, source.action, target, 404, 0)
        raise NotFound("not-found", f"There is no such {resource} here, or none that you may see.")
    served = _served(rows[0][1])
    if known(served.etag):
        note_access(hall, caller, source.action, target, 304, 0)
        return Served(b"", served.etag, served.modified)
    note_access(hall, caller, source.action, target, 200, 1)
    return served


def _served(document: bytes) -> Served:
    """A study's tag is its version; what is made on the way has the hash of what was made."""
    version, modified = meta_of(document)
    return Served(document, version or sha256(document).hexdigest()[:16], modified)


def metadata(hall: Hall, caller: Caller, version: str) -> bytes:
    """The CapabilityStatement's JSON of this software `version`."""
    note_access(hall, caller, Action.DISCOVER, "metadata", 200, 1)
    return capability(hall.settings.base_url, hall.settings.repository, version)
