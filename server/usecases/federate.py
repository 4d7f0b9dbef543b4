"""Answers the federation: listed datasets only, and every number made safe before it leaves."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from adapters.sql import access as accesses
from adapters.sql import dataset as datasets
from adapters.sql import questions
from adapters.sql.dataset import DatasetRow
from adapters.sql.questions import Question
from adapters.sql.tallies import Tally, counts, tallies
from consent.access import Interaction
from consent.conditions import Action
from consent.disclosure import exact, safe_age, safe_count, safe_counts
from consent.policy import VisibleDatasets
from consent.subject import federation
from mappings.eucaim import (
    CONDITION,
    MAX_NAMED,
    MOST_RECORDED,
    STATED,
    Collection,
    Found,
    collection_id,
    read_ast,
    read_recorded,
    recorded,
    to_reply,
)
from mappings.failures import Invalid
from mappings.query import Level, Query, asks, canonical, is_nothing
from server.usecases.access import note_access
from server.usecases.runtime import Caller, Runtime

log = logging.getLogger("accord.federation")
LOOKED_BACK = 200
"""Of each caller's recorded questions, when the operator is told what of them nobody knows here."""
COUNT_SECONDS = 10
"""Counting takes longer than finding, and the federation waits longer."""


def answer(runtime: Runtime, caller: Caller, ast: object, search: object = None) -> dict[str, object]:
    """EUCAIM's reply to one AST, for the federation as caller: safe counts by listed dataset.

    `search` is what the explorer calls its search, for the record. Raises Throttled, and Invalid for what is no AST. A dataset
    that `consent.disclosure` says nothing of is left out; what the AST names and nobody knows is logged.
    """
    runtime.asked.count(caller.subject.id, runtime.settings.federation_minute, runtime.clock())
    query, unknown = read_ast(ast, runtime.settings.min_subjects)
    if unknown:
        log.warning("matched nothing", extra={"unknown": unknown})
    with runtime.store.read(COUNT_SECONDS) as connection:
        visible = runtime.visible_datasets(connection, caller, Action.DISCOVER)
        rows = {row.id: row for row in datasets.read_all(connection)}
    told = (_counted if exact(runtime.settings.min_subjects) else _asked)(runtime, caller, query, visible)
    collections = [_collection(rows[dataset], found) for dataset, found in sorted(told.items()) if found is not None]
    asked = {"interaction": Interaction.SEARCH, "characters": MOST_RECORDED}
    note_access(runtime, caller, Action.DISCOVER, recorded(ast, search), 200, len(collections), **asked)  # type: ignore[arg-type]
    return to_reply(collections, STATED if asks(query.where, CONDITION) else "")


def _counted(runtime: Runtime, _caller: Caller, query: Query, visible: VisibleDatasets) -> dict[int, Found | None]:
    """Dataset → what is found in it, as it is."""
    with runtime.store.read(COUNT_SECONDS) as connection:
        found = tallies(connection, query, visible, runtime.clock())
    return {t.dataset: _found(t) for t in found}


def _asked(runtime: Runtime, caller: Caller, query: Query, visible: VisibleDatasets) -> dict[int, Found | None]:
    """Dataset → what is told of it: as before where this was asked before, else counted, made safe, paid for and kept.

    What can match nothing, whatever is held, says nothing of it: it is neither kept nor paid for.
    """
    if is_nothing(query.where):
        return {}
    settings, period = runtime.settings, runtime.settings.budget.period(runtime.clock())
    question = Question(caller.subject.id, period, sha256(canonical(query.where).encode()).hexdigest())
    with runtime.store.read(COUNT_SECONDS) as connection:
        kept = questions.kept(connection, question)
        spenders = questions.spenders(connection, period, settings.budget_questions)
        spent = {dataset for who, dataset, _ in spenders if who == question.caller} & visible.datasets - kept.keys()
        new = visible.datasets - kept.keys() - spent
        told = _safe(runtime, connection, query, question, replace(visible, datasets=new)) if new else {}
    if told:
        texts = {dataset: msgspec.json.encode(found).decode() for dataset, found in told.items()}
        with runtime.store.write() as connection:
            kept = questions.keep(connection, question, texts, settings.budget_questions)
    if spent := spent | told.keys() - kept.keys():
        log.warning("question budget spent", extra={"caller": question.caller, "left_out": len(spent)})
    return {d: msgspec.json.decode(text, type=Found | None) for d, text in kept.items() if d in visible.datasets}


def _safe(
    runtime: Runtime, connection: Connection, query: Query, question: Question, visible: VisibleDatasets
) -> dict[int, Found | None]:
    """Dataset → what may be told of it: safe counts of who matches, beside what the whole dataset has."""
    settings = runtime.settings
    described = _described(runtime, connection, visible, question.period)
    told: dict[int, Found | None] = dict.fromkeys(described)
    asked = replace(visible, datasets=frozenset(described))
    for dataset, counted in counts(connection, query, asked, runtime.clock()).items():
        people, studies = counted.people, counted.studies
        safe = safe_counts(question.digest, people, studies, settings.min_subjects, runtime.noise_key, settings.budget)
        if safe is not None:
            told[dataset] = replace(described[dataset], subjects=safe.subjects, studies=safe.studies)
    return told


def _described(runtime: Runtime, connection: Connection, visible: VisibleDatasets, period: int) -> dict[int, Found]:
    """Dataset → what every answer of this period says of it beside the counts: as before, or counted over all of its studies.

    A dataset that has too few subjects for any answer is not among them, so that nothing is kept of it that it would outgrow.
    """
    minimum, kept = runtime.settings.min_subjects, questions.described(connection, period)
    new = replace(visible, datasets=visible.datasets - kept.keys())
    whole = tallies(connection, Query(Level.STUDY), new, runtime.clock(), minimum) if new.datasets else []
    known = {d: msgspec.json.decode(text, type=Found) for d, text in kept.items() if d in visible.datasets}
    return known | {t.dataset: _found(t, minimum) for t in whole if safe_count(t.subjects, minimum)}


def _found(tally: Tally, minimum: int = 1) -> Found:
    ages = safe_age(tally.youngest, minimum), safe_age(tally.oldest, minimum)
    return Found(tally.studies, tally.subjects, *ages, tally.sexes, tally.modalities, tally.body_parts)


def _collection(row: DatasetRow, found: Found) -> Collection:
    return Collection(collection_id(row.alias, row.details.get("identifier")), row.title, row.description, found)


def unknown(runtime: Runtime) -> list[str]:
    """What callers have asked for lately that nobody knows here, as codes, and so was matched by nothing: for the operator."""
    named = Counter[str]()
    with runtime.store.read() as connection:
        for caller in runtime.settings.federation:
            for target in accesses.targets(connection, federation(caller).id, LOOKED_BACK):
                named.update(set(_unknown(target)))
    if not named:
        return []
    most = sorted(named.items(), key=lambda item: (-item[1], item[0]))[:MAX_NAMED]
    each = ", ".join(f"{name} ({times} times)" for name, times in most)
    return [f"Asked for lately in the federated search, not known here, and so matched by nothing: {each}."]


def _unknown(target: str) -> tuple[str, ...]:
    ast = read_recorded(target)
    try:
        return () if ast is None else read_ast(ast)[1]
    except Invalid:  # another release took it
        return ()


def budget(runtime: Runtime) -> list[str]:
    """How much may be asked in the federated search, and who has asked how much: for the operator."""
    settings = runtime.settings
    if not settings.federation or exact(settings.min_subjects):
        return []
    period = settings.budget.period(runtime.clock())
    with runtime.store.read() as connection:
        aliases = {row.id: row.alias for row in datasets.read_all(connection)}
        asked = questions.spenders(connection, period, 1)
    until, most = f"until {settings.budget.ends(period):%Y-%m-%d}", settings.budget_questions
    said = f"Each caller of eucaimSearch has {most} distinct questions about a dataset {until}; {_most_spent(asked)}."
    over = (f"{who} has asked all it may about {aliases[d]}, which is left out {until}." for who, d, n in asked if n >= most)
    return [said, *over]


def _most_spent(asked: Sequence[tuple[str, int, int]]) -> str:
    return f"most asked: {asked[0][2]} by {asked[0][0]}" if asked else "none was asked yet"
