"""Answers the federation and fills the catalogue: listed datasets only, and every number made safe before it leaves."""

import logging
from collections.abc import Mapping

from adapters.sql import dataset as datasets
from adapters.sql.dataset import DatasetRow
from adapters.sql.tallies import Tally, tallies
from consent.conditions import Action
from consent.dataset import Facts
from consent.disclosure import safe_age, safe_count
from mappings.dcat import Listing, missing
from mappings.eucaim import Collection, collection_id, read_ast, to_reply
from mappings.query import Level, Query
from server.usecases.access import note_access
from server.usecases.identify import Nobody, identify
from server.usecases.runtime import Caller, Runtime

log = logging.getLogger("accord.federation")
COUNT_SECONDS = 10
"""Counting takes longer than finding, and the federation waits longer."""


def answer(runtime: Runtime, caller: Caller, ast: object) -> dict[str, object]:
    """EUCAIM's reply to one AST, for the federation as caller: safe counts by listed dataset. Raises Invalid for what is no AST.

    A dataset with fewer matching subjects than `min_subjects` is left out; what the AST names and nobody knows is logged.
    """
    query, unknown = read_ast(ast)
    if unknown:
        log.warning("matched nothing", extra={"unknown": unknown})
    with runtime.store.read(COUNT_SECONDS) as connection:
        visible, minimum = runtime.visible_datasets(connection, caller, Action.DISCOVER), runtime.settings.min_subjects
        counted = tallies(connection, query, visible, runtime.clock(), minimum)
        rows = {row.id: row for row in datasets.read_all(connection)}
    told = [_collection(rows[t.dataset], t, minimum) for t in counted]
    collections = [collection for collection in told if collection is not None]
    note_access(runtime, caller, Action.DISCOVER, "eucaimSearch", 200, len(collections))
    return to_reply(collections)


def _collection(row: DatasetRow, tally: Tally, minimum: int) -> Collection | None:
    subjects, studies = safe_count(tally.subjects, minimum), safe_count(tally.studies, minimum)
    if subjects is None or studies is None:
        return None
    ages = safe_age(tally.youngest, minimum), safe_age(tally.oldest, minimum)
    words = tally.sexes, tally.modalities, tally.body_parts
    name = collection_id(row.alias, row.details.get("identifier"))
    return Collection(name, row.title, row.description, studies, subjects, *ages, *words)


def catalogue(runtime: Runtime, caller: Caller) -> list[Listing]:
    """The listed datasets whose mandatory properties can all be given: the same for every caller."""
    complete = [listing for listing in _listings(runtime) if not missing(listing)]
    note_access(runtime, caller, Action.DISCOVER, "catalogue", 200, len(complete))
    return complete


def incomplete(runtime: Runtime) -> dict[str, list[str]]:
    """Alias → the mandatory properties a listed dataset lacks, which keep it out of the catalogue: for the operator."""
    return {listing.alias: lacking for listing in _listings(runtime) if (lacking := missing(listing))}


def _listings(runtime: Runtime) -> list[Listing]:
    with runtime.store.read(COUNT_SECONDS) as connection:
        visible = runtime.visible_datasets(connection, identify(runtime, Nobody()), Action.DISCOVER)
        counted = {
            t.dataset: t for t in tallies(connection, Query(Level.STUDY), visible, runtime.clock(), runtime.settings.min_subjects)
        }
        facts = {f.dataset: f for f in runtime.governance.current(connection).facts}
        rows = [row for row in datasets.read_all(connection) if row.id in visible.datasets]
    return [_listing(runtime, row, facts[row.id], counted.get(row.id, _none(row.id))) for row in rows]


def _none(dataset: int) -> Tally:
    return Tally(dataset, 0, 0, None, None, (), (), (), ())


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
        actions=facts.conditions.actions,
        details=_texts(row.details),
    )


def _texts(details: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in details.items()}
