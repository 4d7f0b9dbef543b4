"""The catalogue: each dataset described by a job after a change, and what is kept told to whoever harvests, where it is open now.

What is kept was made with some settings (its basis), so that a repository that tells less from now on tells nothing of before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import dataset as datasets
from adapters.sql import descriptions, jobs
from adapters.sql.dataset import DatasetRow
from adapters.sql.tallies import Tally, tally_of
from consent.access import Interaction
from consent.conditions import Action
from consent.dataset import Facts
from consent.disclosure import safe_age, safe_count
from consent.subject import FEDERATION
from mappings.dcat.catalogue import Catalogue, CataloguePage, catalogue_statements
from mappings.dcat.dataset import dataset_statements
from mappings.dcat.details import DETAILS
from mappings.dcat.listing import Listing, missing
from mappings.failures import NotFound
from mappings.rdf import FORMATS, document, piece
from server.settings import Settings
from server.usecases.access import note_access
from server.usecases.identify import Nobody, identify
from server.usecases.job import Work, result
from server.usecases.runtime import Caller, Runtime
from server.usecases.told import check_resource

KIND = descriptions.DESCRIBE
FORM = 2
"""Of the bytes that this release keeps; one that makes others raises it."""
PAGE = 100


def _catalogue(settings: Settings) -> Catalogue:
    return Catalogue(f"{settings.base_url}/catalogue", settings.repository, settings.contact)


def _basis(settings: Settings) -> str:
    """What a description depends on beside its dataset: the form of its bytes, the addresses in it, and what may be told."""
    return f"form {FORM}, at least {settings.min_subjects} subjects, {settings.base_url}"


# --- the job


def describe(runtime: Runtime, work: Work) -> str:
    """Count a dataset and keep its description in every format, or what it lacks."""
    with runtime.store.read() as connection:
        row = datasets.find(connection, work.subject)
        if row is None:
            return "There is no such dataset."
        facts = runtime.governance.current(connection).dataset(row.id)
        tally = tally_of(connection, row.id, runtime.clock(), runtime.settings.min_subjects)
    listing = _listing(runtime, row, facts, tally)
    lacking, iri = missing(listing), _catalogue(runtime.settings).iri
    said = {} if lacking else {form: piece(dataset_statements(iri, listing), form) for form in FORMATS}
    with result(runtime, work) as connection:
        changed = descriptions.keep(connection, row.id, _basis(runtime.settings), said, lacking, runtime.clock())
    told = f"Incomplete: it lacks {len(lacking)} properties." if lacking else "Described."
    return told if changed else f"{told} Nothing has changed."


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


def _listing(runtime: Runtime, row: DatasetRow, facts: Facts, tally: Tally) -> Listing:
    minimum = runtime.settings.min_subjects
    return Listing(
        alias=row.alias,
        title=row.title,
        description=row.description,
        provider=row.provider_name,
        modified=row.updated.date(),
        subjects=safe_count(tally.subjects, minimum),
        studies=safe_count(tally.studies, minimum),
        youngest=safe_age(tally.youngest, minimum),
        oldest=safe_age(tally.oldest, minimum),
        sexes=tally.sexes,
        modalities=tally.modalities,
        body_parts=tally.body_parts,
        manufacturers=tally.manufacturers,
        actions=facts.conditions.granted,
        details=_texts(row.details),
        data_use=facts.conditions.data_use,
        deviations=facts.conditions.deviations,
    )


def _texts(details: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in details.items()}


# --- what is told


@dataclass(frozen=True, slots=True)
class Described:
    """A document, and since when it says this (None: it is of many parts)."""

    body: bytes
    at: datetime | None = None


def harvest(runtime: Runtime, caller: Caller, media_type: str, after: str = "") -> Described:
    """The catalogue with the page of its datasets that come after an alias: those that anybody may see and harvest now."""
    now, basis, catalogue = runtime.clock(), _basis(runtime.settings), _catalogue(runtime.settings)
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        shared = governance.visible_datasets(FEDERATION, Action.DISCOVER, None, now).datasets
        found = descriptions.read_page(connection, shared, basis, media_type, after, PAGE + 1, now)
        total = descriptions.count(connection, shared, basis, now)
    told, more = found[:PAGE], len(found) > PAGE
    page = CataloguePage(after, tuple(each.alias for each in told), more, total, PAGE)
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200, len(told), interaction=Interaction.SEARCH)
    head = piece(catalogue_statements(catalogue, page), media_type)
    return Described(document([head, *(each.piece for each in told)], media_type))


def read_description(runtime: Runtime, caller: Caller, media_type: str, alias: str) -> Described:
    """One dataset that anybody may see now. Raises NotFound where it is not in the catalogue, Gone where it was."""
    with runtime.store.read() as connection:
        listed = _listed(runtime, connection)
        found = descriptions.find(connection, listed, _basis(runtime.settings), media_type, alias, runtime.clock())
        if found is None:
            check_resource(runtime, connection, caller, Action.DISCOVER, "datasets", alias)
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200 if found else 404, int(found is not None))
    if found is None:
        raise NotFound("dataset-unknown", "The catalogue has no such dataset.")
    return Described(document([found.piece], media_type), found.at)


def _listed(runtime: Runtime, connection: Connection) -> frozenset[int]:
    return runtime.visible_datasets(connection, identify(runtime, Nobody()), Action.DISCOVER).datasets


# --- what the operator is told


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
