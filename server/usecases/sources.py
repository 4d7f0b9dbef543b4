"""Where FHIR resources come from: what the agreements let this caller see of images, patients and the directory.

Images, patients and which of them a dataset has are rows (query); agreements, organisations, datasets, endpoints and provenance
are descriptions (discover). A type's row in `mappings.fhir.resources` names one of the sources here, which gives plain nouns or
finished bytes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select

from adapters.sql import audit, directory, images, search
from adapters.sql.agreement import AGREEMENTS
from adapters.sql.criteria import linked
from adapters.sql.dataset import ENDPOINTS, PATIENTS, SHARED
from adapters.sql.directory import DirectoryScope, DirectorySource
from adapters.sql.party import ORGANISATIONS
from adapters.sql.provenance import ENTRIES
from consent.conditions import Action
from consent.policy import VisibleDatasets
from consent.subject import Role
from mappings import held
from mappings.failures import Forbidden, Invalid
from mappings.fhir import bundle
from mappings.fhir.audit_event import audit_event
from mappings.fhir.canonicals import canonicals
from mappings.fhir.chains import Granted
from mappings.fhir.group import MEMBER_BYTES
from mappings.fhir.resource_row import Resource
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Reader, Sealing, conditions
from mappings.fhir.serial import identity
from mappings.query import EVERYTHING, AllOf, AnyOf, Condition, Level, Linked, Page, Position, Query
from mappings.smart import narrowings
from server.usecases.governance import GovernanceSnapshot
from server.usecases.runtime import Caller, Runtime

CHUNK = 101
EVENTS = 20
"""Answered requests that are read at a time: each may have shown thousands."""
GROUPS = 10
"""Groups that are read at a time: each may have ten thousand members."""
Rows = list[tuple[Position, Any, int | None]]
"""(place, noun or finished bytes, the party whose data it is: None where it is nobody's)."""


def reader(runtime: Runtime, caller: Caller) -> Reader:
    """Who reads a search, and what its scopes leave of each type."""
    base, key, now = runtime.settings.base_url, caller.subject.id, runtime.clock()
    sealing = Sealing(runtime.cursors.seal, runtime.cursors.opened)
    return Reader(base, now, key, sealing, _granted(caller, Reader(base, now, key, sealing)))


def _granted(caller: Caller, reader: Reader) -> Granted:
    def granted(resource: str, letter: str = "s") -> Condition:
        if RESOURCES[resource].is_public:
            return EVERYTHING
        needed = f"{resource}.{letter}"
        narrowed = narrowings(caller.scopes, needed)
        if narrowed is None:
            raise Forbidden("insufficient-scope", f"The token lacks a scope that covers {needed}.", needed)
        return AnyOf(tuple(conditions(RESOURCES[resource], query, reader) for query in narrowed)) if narrowed else EVERYTHING

    return granted


@dataclass(frozen=True, slots=True)
class Asking:
    """One request at work: runtime, connection and caller."""

    runtime: Runtime
    connection: Connection
    caller: Caller
    visible: dict[Action, VisibleDatasets] = field(default_factory=dict)

    def visible_datasets(self, action: Action = Action.QUERY) -> VisibleDatasets:
        """The datasets on which this caller may do this, asked once."""
        if action not in self.visible:
            self.visible[action] = self.runtime.visible_datasets(self.connection, self.caller, action)
        return self.visible[action]

    def governance(self) -> GovernanceSnapshot:
        """The governing rows that the caller was let in by."""
        return self.caller.governance or self.runtime.governance.current(self.connection)

    def scope(self) -> DirectoryScope:
        """Whose view of the directory this is."""
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

    def linked(self, where: Condition) -> Condition:
        """The condition with its links led to what this caller sees. Raises Invalid where one leads nowhere."""
        return linked(where, self._keys)

    def _keys(self, link: Linked) -> Select[Any]:
        try:
            return SOURCES[link.source].keys(self, link.key, self.linked(link.where))
        except KeyError:
            raise Invalid("chain", "No chain goes that way; search the other type by itself.", link.field) from None


@dataclass(frozen=True, slots=True)
class Source:
    """Where nouns come from: their action, a keyset page of rows, a count with a ceiling, and the keys that a link leads to."""

    action: Action
    page: Callable[[Asking, Condition, Page], Rows]
    count: Callable[[Asking, Condition, int | None], int]
    keys: Callable[[Asking, str, Condition], Select[Any]]


def _indexed(level: Level, page: Callable[[Asking, Query, VisibleDatasets, datetime], Rows]) -> Source:
    def paged(asking: Asking, where: Condition, of: Page) -> Rows:
        return page(asking, Query(level, asking.linked(where), of), asking.visible_datasets(), asking.runtime.clock())

    def counted(asking: Asking, where: Condition, ceiling: int | None) -> int:
        query = Query(level, asking.linked(where))
        return search.count(asking.connection, query, asking.visible_datasets(), asking.runtime.clock(), ceiling)

    def keys(asking: Asking, key: str, where: Condition) -> Select[Any]:
        return images.keys(Query(level, where), key, asking.visible_datasets())

    return Source(Action.QUERY, paged, counted, keys)


def _chunked(of: Page, chunk: int, part: Callable[[Page], Rows], size: Callable[[Any], int]) -> Rows:
    """A page in chunks, until it has its rows or its bytes."""
    rows, bytes_, left = Rows(), 0, of.limit
    while left > 0 and bytes_ < bundle.PAGE_BYTES:
        wanted = min(left, chunk)
        more = part(Page(wanted, after=rows[-1][0] if rows else of.after, order=of.order))
        rows += more
        bytes_ += sum(size(row) for _, row, _ in more)
        left = left - wanted if len(more) == wanted else 0
    return rows


def _studies(asking: Asking, query: Query, visible: VisibleDatasets, now: datetime) -> Rows:
    def part(page: Page) -> Rows:
        found = search.documents(asking.connection, replace(query, page=page), visible, now)
        owners = {dataset: asking.governance().owner(dataset) for dataset in {row[2] for row in found}}
        return [(place, document, owners[dataset]) for place, document, dataset in found]

    return _chunked(query.page, CHUNK, part, len)


def _patients(asking: Asking, query: Query, visible: VisibleDatasets, now: datetime) -> Rows:
    parties = asking.governance().parties
    found = search.patients(asking.connection, query, visible, now)
    return [(place, patient, parties[patient.provider]) for place, patient in found]


Paged = Callable[[Asking, Condition, Page], Rows]


def _described(source: DirectorySource[Any], paged: Paged | None = None) -> Source:
    def page(asking: Asking, where: Condition, of: Page) -> Rows:
        rows = directory.page(asking.connection, source, asking.linked(where), asking.scope(), of)
        return [(place, noun, None) for place, noun in rows]

    def counted(asking: Asking, where: Condition, ceiling: int | None) -> int:
        return directory.count(asking.connection, source, asking.linked(where), asking.scope(), ceiling)

    def keys(asking: Asking, key: str, where: Condition) -> Select[Any]:
        return directory.keys(asking.connection, source, key, where, asking.scope())

    return Source(Action.DISCOVER, paged or page, counted, keys)


def _accesses(asking: Asking, where: Condition, of: Page) -> Rows:
    scope, base, narrowed = asking.scope(), asking.runtime.settings.base_url, asking.linked(where)

    def part(page: Page) -> Rows:
        found = audit.page(asking.connection, narrowed, scope, page)
        return [(place, audit_event(access, base), None) for place, access in found]

    return _chunked(of, EVENTS, part, len)


def _members() -> Source:
    described = _described(PATIENTS)

    def page(asking: Asking, where: Condition, of: Page) -> Rows:
        parties = asking.governance().parties

        def part(page: Page) -> Rows:
            return [(place, each, parties[each.provider]) for place, each, _ in described.page(asking, where, page)]

        return _chunked(of, GROUPS, part, lambda each: len(each.patients) * MEMBER_BYTES)

    return Source(Action.QUERY, page, described.count, described.keys)


def _held(resource: str) -> Source:
    """Canonicals, which are the same for everybody."""

    def nouns() -> list[tuple[Mapping[str, str], bytes]]:
        return [(canonical.fields(), canonical.body) for canonical in canonicals(resource)]

    def page(_asking: Asking, where: Condition, of: Page) -> Rows:
        return [(place, body, None) for place, body in held.page(nouns(), where, of, "canonical")]

    def counted(_asking: Asking, where: Condition, _ceiling: int | None) -> int:
        return sum(held.holds(where, fields) for fields, _ in nouns())

    def keys(_asking: Asking, key: str, _where: Condition) -> Select[Any]:
        raise KeyError(key)

    return Source(Action.DISCOVER, page, counted, keys)


SOURCES: dict[str, Source] = {
    "studies": _indexed(Level.STUDY, _studies),
    "patients": _indexed(Level.PATIENT, _patients),
    "agreements": _described(AGREEMENTS),
    "entries": _described(ENTRIES),
    "organisations": _described(ORGANISATIONS),
    "endpoints": _described(ENDPOINTS),
    "datasets": _described(SHARED),
    "members": _members(),
    "accesses": _described(audit.ACCESSES, _accesses),
    **{name: _held(name) for name, row in RESOURCES.items() if row.is_public},
}
"""The name of a source in `mappings.fhir.resources` → the source."""


def source_of(resource: str) -> Source:
    """Where the resources of one type come from."""
    return SOURCES[RESOURCES[resource].source]


def written_as(resource: Resource, rows: Rows, runtime: Runtime) -> list[bundle.Row]:
    """The rows as resources; what comes as finished bytes is passed on."""
    write, base = resource.writer, runtime.settings.base_url
    return rows if write is None else [(place, write(noun, base), owner) for place, noun, owner in rows]


def read_resources(asking: Asking, resource: str, identities: Iterable[str], granted: Condition) -> dict[str, bundle.Row]:
    """Those of a type with these ids that the caller may see, and that its scopes leave, by their ids; nothing is recorded."""
    row, source, rows = RESOURCES[resource], source_of(resource), list[bundle.Row]()
    asked = tuple(map(row.identity, identities))
    where, full = AllOf((AnyOf(asked), granted)), bool(asked)
    while full:  # a source's page ends at its bytes
        page = Page(len(asked), after=rows[-1][0] if rows else ())
        part = written_as(row, source.page(asking, where, page), asking.runtime)
        rows, full = [*rows, *part], not bundle.fits(part)
    return {identity(row[1]).decode(): row for row in rows}
