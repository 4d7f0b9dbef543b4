"""Reading and searching as FHIR resources, as the agreements let this caller: no model is built on the way."""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from consent.access import Interaction, Seen
from consent.conditions import Action
from mappings.failures import Gone, NotFound
from mappings.fhir import bundle
from mappings.fhir.bundle import Brought, Row
from mappings.fhir.capability import capability
from mappings.fhir.concept_maps import Translation, translate
from mappings.fhir.resource_row import R4
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Arguments, Asked, Place, relative_link
from mappings.fhir.search import read as read_search
from mappings.fhir.serial import meta_of
from mappings.fhir.summaries import WHOLE, Cut, Subset, cutting
from mappings.query import EVERYTHING, AllOf, Page
from server.usecases.access import note_access, shown
from server.usecases.include import bring, go_on
from server.usecases.runtime import Caller, Runtime
from server.usecases.sights import note_reader
from server.usecases.sources import Asking, Source, reader, source_of, written_as
from server.usecases.told import check_resource

COUNTED = 200
"""Totals up to here are told unasked; larger ones when the caller asks for an accurate total."""


def search_resources(runtime: Runtime, caller: Caller, resource: str, arguments: Arguments, *, lenient: bool = False) -> bytes:
    """A searchset Bundle's JSON. Raises Invalid, naming the parameter that can't be read, and Forbidden by a scope."""
    who = reader(runtime, caller)
    asked = read_search(resource, arguments, who, lenient=lenient)
    asked = replace(asked, where=AllOf((asked.where, who.granted(resource))))
    source = source_of(resource)
    with runtime.store.read() as connection:
        asking = Asking(runtime, connection, caller)
        if not RESOURCES[resource].is_public:
            note_reader(runtime, connection, caller, asking.visible_datasets)
        rows = _matching(asking, source, asked)
        brought = go_on(asking, asked, rows) if asked.place.match else bring(asking, asked, rows)
        total = _total(asking, source, asked, rows)
    answer, seen = bundle.page(asked, runtime.settings.base_url, brought, total), _seen(resource, brought)
    given = len(brought.matches) + len(brought.others)
    note_access(runtime, caller, source.action, relative_link(asked), 200, given, interaction=Interaction.SEARCH, seen=seen)
    return answer


def _seen(resource: str, brought: Brought) -> list[Seen]:
    matches = ((resource, document, owner) for _, document, owner in brought.matches)
    return shown((*matches, *((each.type, each.bytes, each.owner) for each in brought.others)))


def _matching(asking: Asking, source: Source, asked: Asked) -> list[Row]:
    """The page's matches and one more where there is; or the one that goes on bringing others along."""
    row, where, page = RESOURCES[asked.resource], asked.where, Page(asked.count + 1, after=asked.place.after, order=asked.order)
    if asked.only_total:
        return []
    if asked.place.match:
        where, page = AllOf((row.identity(asked.place.match), where)), Page(1, order=asked.order)
    return written_as(row, source.page(asking, where, page), asking.runtime)


def _total(asking: Asking, source: Source, asked: Asked, rows: list[Row]) -> int | None:
    """The number of matches: when only that is wanted, as asked, else on the first page where it is small enough to count."""
    if asked.only_total or asked.total == "accurate":
        return source.count(asking, asked.where, None)
    if asked.total == "none" or asked.place != Place(()):
        return None
    if len(rows) <= asked.count and bundle.fits(rows):  # nothing was cut off
        return len(rows)
    counted = source.count(asking, asked.where, COUNTED + 1)
    return counted if counted <= COUNTED else None


@dataclass(frozen=True, slots=True)
class Served:
    """One resource's bytes, its weak entity tag, and when it last changed; whether that is all that changes it."""

    body: bytes
    etag: str
    modified: datetime | None
    is_versioned: bool


def read_resource(runtime: Runtime, caller: Caller, resource: str, identity: str, subset: Subset = WHOLE) -> Served:
    """One resource by its id, or a subset of it. Raises NotFound, hidden or absent alike, and Gone to who is told of a stop.

    It is recorded as told, also where a door says no more than that it is as it was.
    """
    row, source = RESOURCES[resource], source_of(resource)
    where = AllOf((row.identity(identity), reader(runtime, caller).granted(resource, "r")))
    with runtime.store.read() as connection:
        nouns = source.page(Asking(runtime, connection, caller), where, Page(1))
    rows = written_as(row, nouns, runtime)
    target = f"{resource}/{identity[:64]}"
    if not rows:
        if where.parts[1] == EVERYTHING:  # of what a token's scope leaves out nothing is told
            _refuse_stopped(runtime, caller, source.action, row.source, identity, target)
        note_access(runtime, caller, source.action, target, 404, 0)
        raise NotFound("not-found", f"There is no such {resource} here, or none that you may see.")
    note_access(runtime, caller, source.action, target, 200, 1, seen=shown([(resource, *row[1:]) for row in rows]))
    return _served(rows[0][1], cutting(row, subset))


def _refuse_stopped(runtime: Runtime, caller: Caller, action: Action, source: str, identity: str, target: str) -> None:
    try:
        with runtime.store.read() as connection:
            check_resource(runtime, connection, caller, action, source, identity)
    except Gone:
        note_access(runtime, caller, action, target, 410, 0)
        raise


def _served(document: bytes, cut: Cut | None) -> Served:
    """A study's tag is its version; what is made on the way, or cut, has the hash of what was made."""
    version, modified = meta_of(document)
    if version and cut is None:
        return Served(document, version, modified, is_versioned=True)
    body = cut(document) if cut else document
    return Served(body, sha256(body).hexdigest()[:16], modified, is_versioned=False)


def metadata(runtime: Runtime, caller: Caller, version: str, fhir: str = R4) -> bytes:
    """The CapabilityStatement's JSON of this software `version`, for a version of FHIR."""
    note_access(runtime, caller, Action.DISCOVER, "metadata", 200, 1, interaction=Interaction.CAPABILITIES)
    return capability(runtime.settings.base_url, runtime.settings.repository, version, fhir)


def translated(runtime: Runtime, caller: Caller, asked: Translation) -> bytes:
    """The Parameters that say what stands for a code. Raises NotFound where there is no such map."""
    answer = translate(asked)
    note_access(runtime, caller, Action.DISCOVER, "ConceptMap/$translate", 200, 1, interaction=Interaction.OPERATION)
    return answer
