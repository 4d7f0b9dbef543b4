"""The catalogue: each dataset described by a job after a change, and what is kept told to whoever harvests, where it is open now.

What is kept was made with some settings (its basis), so that a repository that tells less from now on tells nothing of before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version

from sqlalchemy import Connection

from adapters.sql import dataset as datasets
from adapters.sql import descriptions, jobs
from adapters.sql import publication as publications
from adapters.sql.dataset import DatasetRow
from adapters.sql.descriptions import Kept
from adapters.sql.tallies import tally_of
from consent.access import Interaction
from consent.conditions import Action
from consent.dataset import Facts
from consent.disclosure import safe_age, safe_count, safe_size
from consent.node import Hosting
from consent.subject import FEDERATION
from mappings.dcat.catalogue import Catalogue, CataloguePage, catalogue_statements
from mappings.dcat.dataset import dataset_statements
from mappings.dcat.details import DETAILS
from mappings.dcat.fair_data_point import names_statements, root_statements
from mappings.dcat.listing import Listing, missing
from mappings.dcat.page import article, catalogue_page, dataset_page
from mappings.dcat.profiles import FORMS, HTML, PROFILES, Form
from mappings.failures import NotFound
from mappings.rdf import FORMATS, document, piece
from server.settings import Settings
from server.usecases.access import note_access
from server.usecases.identify import Nobody, identify
from server.usecases.job import Work, result
from server.usecases.naming import require
from server.usecases.runtime import Caller, Runtime
from server.usecases.told import check_resource

KIND = descriptions.DESCRIBE
FORM = 3
"""Of the bytes that this release keeps; one that makes others raises it."""
PAGE = 100


def _catalogue(settings: Settings) -> Catalogue:
    return Catalogue(f"{settings.base_url}/catalogue", settings.repository, settings.contact, version("accord"))


def _basis(settings: Settings) -> str:
    """What a description depends on beside its dataset: the form of its bytes, the addresses in it, and what may be told."""
    return f"form {FORM}, at least {settings.min_subjects} subjects, {settings.base_url}"


# --- the job


def describe(runtime: Runtime, work: Work) -> str:
    """Count a dataset and keep its description in every form, or what it lacks."""
    with runtime.store.read() as connection:
        row = datasets.find(connection, work.subject)
        if row is None:
            return "There is no such dataset."
        listing, facts = _read_listing(runtime, connection, row)
        told, before = row.id in _listed(runtime, connection), descriptions.find_kept(connection, row.id)
    now, iri = _kept(runtime, listing, facts.version, before, told=told), _catalogue(runtime.settings).iri
    listing = replace(listing, issued=now.issued, modified=now.at)
    said = {} if now.lacking else {form: _piece(iri, listing, form) for form in FORMS}
    with result(runtime, work) as connection:
        if now != before:
            descriptions.keep(connection, row.id, now, said)
    outcome = f"Incomplete: it lacks {len(now.lacking)} properties." if now.lacking else "Described."
    return f"{outcome} Nothing has changed." if now == before else outcome


def _kept(runtime: Runtime, listing: Listing, version: int, before: Kept | None, *, told: bool) -> Kept:
    """What is to be kept: what said the same before, on whatever basis, keeps its moment; `told`: anybody may read it."""
    lacking = tuple(missing(listing))
    said = [_piece(_catalogue(runtime.settings).iri, listing, form) for form in FORMS]
    digest = sha256(b"".join(said)).digest()
    at = before.at if before and (before.digest, before.lacking) == (digest, lacking) else runtime.clock()
    issued = (before and before.issued) or (at if told and not lacking else None)
    return Kept(_basis(runtime.settings), version, digest, lacking, at, issued)


def _piece(iri: str, listing: Listing, form: Form) -> bytes:
    if form.media_type == HTML:
        return article(iri, listing)
    return piece(dataset_statements(iri, listing, form.graph), form.media_type)


def ask_missing(runtime: Runtime) -> int:
    """Have described what is not, with these settings: at a first start, in a new release, at another address. How many."""
    with runtime.store.read() as connection:
        aliases = descriptions.find_missing(connection, _basis(runtime.settings))
    if aliases:
        with runtime.store.write(durable=False) as connection:
            for alias in aliases:
                descriptions.ask(connection, alias, runtime.clock())
    return len(aliases)


def ask_all(runtime: Runtime) -> None:
    """Have every dataset described now."""
    with runtime.store.write() as connection:
        for row in sorted(datasets.read_all(connection), key=lambda row: row.alias):
            descriptions.ask(connection, row.alias, runtime.clock())


def is_pending(runtime: Runtime) -> bool:
    """Whether a dataset waits for its description."""
    with runtime.store.read() as connection:
        return jobs.is_open(connection, descriptions.DESCRIBE)


def _read_listing(runtime: Runtime, connection: Connection, row: DatasetRow) -> tuple[Listing, Facts]:
    """What would be said of a dataset now, without since when; and how governance stands."""
    facts, minimum = runtime.governance.current(connection).dataset(row.id), runtime.settings.min_subjects
    tally = tally_of(connection, row.id, runtime.clock(), minimum)
    subjects = safe_count(tally.subjects, minimum)
    listing = Listing(
        alias=row.alias,
        title=row.title,
        description=row.description,
        provider=row.provider_name,
        terms=facts.terms,
        issued=None,
        modified=None,
        size=None if subjects is None else safe_size(descriptions.size_of(connection, row.id), minimum) or None,
        subjects=subjects,
        studies=safe_count(tally.studies, minimum),
        youngest=safe_age(tally.youngest, minimum),
        oldest=safe_age(tally.oldest, minimum),
        sexes=tally.sexes,
        modalities=tally.modalities,
        body_parts=tally.body_parts,
        manufacturers=tally.manufacturers,
        actions=facts.conditions.granted,
        details=_texts(row.details),
        purposes=facts.conditions.purposes,
        data_use=facts.conditions.data_use,
        deviations=facts.conditions.deviations,
        hosting=Hosting(runtime.governance.current(connection).host(row.id).hosting),
        publications=tuple(publications.read(connection, row.id)),
    )
    return listing, facts


def _texts(details: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in details.items()}


# --- what is told


@dataclass(frozen=True, slots=True)
class Described:
    """A document, and since when it says this (None: it is of many parts)."""

    body: bytes
    at: datetime | None = None


def harvest(runtime: Runtime, caller: Caller, form: Form, after: str = "") -> Described:
    """The catalogue with the page of its datasets that come after an alias: those that anybody may see and harvest now."""
    now, basis, catalogue = runtime.clock(), _basis(runtime.settings), _catalogue(runtime.settings)
    with runtime.store.read() as connection:
        shared = _shared(runtime, connection, now)
        found = descriptions.read_page(connection, shared, basis, form, after, PAGE + 1, now)
        total = descriptions.count(connection, shared, basis, now)
        told, more = found[:PAGE], len(found) > PAGE
        gone = descriptions.read_gone(connection, after, told[-1].alias if more else None, _emptied(runtime))
    page = CataloguePage(after, tuple(each.alias for each in told), more, total, PAGE, tuple(gone))
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200, len(told), interaction=Interaction.SEARCH)
    pieces = [each.piece for each in told]
    if form.media_type == HTML:
        return Described(catalogue_page(catalogue, page, pieces))
    return Described(document([piece(catalogue_statements(catalogue, page), form.media_type), *pieces], form.media_type))


def harvest_names(runtime: Runtime, caller: Caller, media_type: str) -> Described:
    """The catalogue of the FAIR Data Point, which names all datasets that anybody may see and harvest now, on one page."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        aliases = descriptions.read_aliases(connection, _shared(runtime, connection, now), _basis(runtime.settings), now)
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200, len(aliases), interaction=Interaction.SEARCH)
    return Described(_names(_catalogue(runtime.settings), aliases, media_type))


@lru_cache(maxsize=6)
def _names(catalogue: Catalogue, aliases: tuple[str, ...], media_type: str) -> bytes:
    """Written once for the same names: ten thousand are a tenth of a second."""
    return document([piece(names_statements(catalogue, aliases), media_type)], media_type)


def read_root(runtime: Runtime, caller: Caller, media_type: str) -> Described:
    """The root of the FAIR Data Point."""
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200, 0)
    return Described(document([piece(root_statements(_catalogue(runtime.settings)), media_type)], media_type))


def read_description(runtime: Runtime, caller: Caller, form: Form, alias: str) -> Described:
    """One dataset that anybody may see now. Raises NotFound where it is not in the catalogue, Gone where it was."""
    with runtime.store.read() as connection:
        listed = _listed(runtime, connection)
        found = descriptions.find(connection, listed, _basis(runtime.settings), form, alias, runtime.clock())
        if found is None:
            check_resource(runtime, connection, caller, Action.DISCOVER, "datasets", alias)
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200 if found else 404, int(found is not None))
    if found is None:
        raise NotFound("dataset-unknown", "The catalogue has no such dataset.")
    if form.media_type == HTML:
        return Described(dataset_page(_catalogue(runtime.settings), alias, found.piece), found.at)
    return Described(document([found.piece], form.media_type), found.at)


def _emptied(runtime: Runtime) -> datetime:
    """When what was withdrawn whole had to be withdrawn for its grace to be over now."""
    return runtime.clock() - timedelta(days=runtime.settings.grace_days)


def _shared(runtime: Runtime, connection: Connection, now: datetime) -> frozenset[int]:
    """The listed datasets whose provider agreed to being harvested."""
    return runtime.governance.current(connection).visible_datasets(FEDERATION, Action.DISCOVER, None, now).datasets


def _listed(runtime: Runtime, connection: Connection) -> frozenset[int]:
    return runtime.visible_datasets(connection, identify(runtime, Nobody()), Action.DISCOVER).datasets


# --- what the operator is told


def draft(runtime: Runtime, alias: str, profile: str) -> bytes:
    """What would be told of a dataset in a profile of PROFILES, complete or not, as Turtle. Raises NotFound."""
    with runtime.store.read() as connection:
        row = require(datasets.find(connection, alias), "dataset", alias)
        listing, _ = _read_listing(runtime, connection, row)
    form = Form(PROFILES[profile].graph, next(iter(FORMATS)))
    return document([_piece(_catalogue(runtime.settings).iri, listing, form)], form.media_type)


def find_gaps(runtime: Runtime) -> list[str]:
    """Why a listed dataset does not stand in the catalogue, in sentences for the operator."""
    with runtime.store.read() as connection:
        lacking = descriptions.lacking(connection, _listed(runtime, connection), _basis(runtime.settings))
    return [_gap(alias, properties) for alias, properties in lacking.items() if properties != []]


def _gap(alias: str, properties: list[str] | None) -> str:
    if properties is None:
        return f"{alias} stays out of the catalogue until it is described with these settings: is a worker running with them?"
    told = [each.rpartition(" (")[2].removesuffix(")") for each in properties]
    said = [f"{key}=…" for key in told if key in DETAILS]
    others = [reason for reason in told if reason not in DETAILS]
    ask = f" Say `accord admin dataset set {alias} {' '.join(said)}` (its help says what each is)." if said else ""
    return f"{alias} stays out of the catalogue.{ask}" + (f" Also lacking: {', '.join(others)}." if others else "")
