"""Searching studies, series and instances: one question narrowed by consent, one statement, finished fragments."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

from adapters.sql import instances
from adapters.sql import search as rows
from consent.access import Interaction, Seen
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.dicom.fragment import elements_of, joined
from mappings.dicom.included import ALL
from mappings.failures import NotFound
from mappings.query import Page, Query
from mappings.study import study_key
from server.usecases.access import note_access
from server.usecases.deliver import Wanted, decide_study
from server.usecases.governance import GovernanceSnapshot
from server.usecases.runtime import Caller, Runtime

COUNTED = 1000
"""Totals up to here are told with a page; larger ones to who counts."""
PAGE = 500
"""Answers that are read at a time of a question that has no page."""
PAGE_SECONDS = 3
"""How long that may take, whatever the process."""


def fragments(runtime: Runtime, caller: Caller, query: Query) -> list[bytes]:
    """One page of DICOM JSON objects the caller may see now, with what they carry of the levels above and include."""
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, caller, Action.QUERY)
        page = rows.fragments_of_studies(connection, query, visible, runtime.clock())
        seen = _seen(caller.governance or runtime.governance.current(connection), page)
    note_access(runtime, caller, Action.QUERY, f"qido/{query.level}", 200, len(page), interaction=Interaction.SEARCH, seen=seen)
    return _objects(query, page)


def _objects(query: Query, page: Sequence[Any]) -> list[bytes]:
    return [_object(query, row) for row in page] if query.above or query.include else [row[0] for row in page]


def _object(query: Query, row: Sequence[Any]) -> bytes:
    own, _, _, *beside = row
    metadata = beside.pop() if query.include else None
    wanted = None if ALL in query.include else query.include
    return joined(own, *beside, more=elements_of(metadata, wanted) if metadata else None)


def total(runtime: Runtime, caller: Caller, query: Query, given: int) -> int | None:
    """How many there are of which a page gave so many; None where they are more than are counted with it."""
    page = query.page
    if given < page.limit and (given or not page.offset):
        return page.offset + given
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, caller, Action.QUERY)
        counted = rows.count(connection, query, visible, runtime.clock(), COUNTED + 1, documented=False)
    return counted if counted <= COUNTED else None


def count(runtime: Runtime, caller: Caller, query: Query) -> int:
    """How many objects there are, whatever their page."""
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, caller, Action.QUERY)
        counted = rows.count(connection, query, visible, runtime.clock(), documented=False)
    note_access(runtime, caller, Action.QUERY, f"qido/{query.level}/count", 200, 0, interaction=Interaction.SEARCH)
    return counted


def pages(runtime: Runtime, caller: Caller, query: Query) -> Generator[list[bytes]]:
    """All pages of a question, each as far as the caller may see it by then; recorded as one answer when the last was taken.

    Raises TooBroad.
    """
    shown, count = list[Any](), 0
    governance = caller.governance
    try:
        while True:
            with runtime.store.read(PAGE_SECONDS, always=True) as connection:
                governance = governance or runtime.governance.current(connection)
                visible = runtime.visible_datasets(connection, caller, Action.QUERY)
                page = rows.fragments_of_studies(connection, replace(query, page=Page(PAGE, count)), visible, runtime.clock())
            count += len(page)
            shown += [(None, *row[1:3]) for row in page]
            yield _objects(query, page)
            if len(page) < PAGE:
                return
    finally:
        seen = [] if governance is None else _seen(governance, shown)
        note_access(runtime, caller, Action.QUERY, f"c-find/{query.level}", 200, count, interaction=Interaction.SEARCH, seen=seen)


def _seen(governance: GovernanceSnapshot, page: Iterable[Any]) -> list[Seen]:
    """The studies that these objects are of, by whose data they are."""
    datasets: dict[int, dict[str, None]] = {}
    for _, study, dataset, *_ in page:
        datasets.setdefault(dataset, {})[study] = None
    return [Seen("ImagingStudy", list(studies), governance.owner(dataset)) for dataset, studies in datasets.items()]


def metadata(runtime: Runtime, caller: Caller, wanted: Wanted) -> list[bytes]:
    """The full metadata of every instance asked for. Raises NotFound or Forbidden."""
    with runtime.store.read() as connection:
        facts, decision = decide_study(runtime, connection, caller, Action.QUERY, wanted)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        objects = instances.metadata(connection, wanted.query, visible, runtime.clock())
        seen = Seen("ImagingStudy", [study_key(wanted.study)], runtime.governance.current(connection).owner(facts.dataset))
    if not objects:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    note_access(runtime, caller, Action.QUERY, f"metadata/{wanted.target}", 200, len(objects), seen=[seen])
    return objects
