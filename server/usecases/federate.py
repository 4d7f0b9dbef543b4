"""Answers the federation: listed datasets only, and every number made safe before it leaves."""

import logging

from adapters.sql import dataset as datasets
from adapters.sql.dataset import DatasetRow
from adapters.sql.tallies import Tally, tallies
from consent.conditions import Action
from consent.disclosure import safe_age, safe_count
from mappings.eucaim import Collection, collection_id, read_ast, to_reply
from server.usecases.access import note_access
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
