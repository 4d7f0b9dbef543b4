"""Searching studies, series and instances: one question narrowed by consent, one statement, finished fragments."""

from collections.abc import Iterable
from typing import Any

from adapters.sql import instances
from adapters.sql import search as rows
from consent.access import Interaction, Seen
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.failures import NotFound
from mappings.query import Query
from mappings.study import study_key
from server.usecases.access import note_access
from server.usecases.deliver import Wanted, decide_study
from server.usecases.governance import GovernanceSnapshot
from server.usecases.runtime import Caller, Runtime


def fragments(runtime: Runtime, caller: Caller, query: Query) -> list[bytes]:
    """One page of DICOM JSON objects the caller may see now."""
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, caller, Action.QUERY)
        page = rows.fragments_of_studies(connection, query, visible, runtime.clock())
        seen = _seen(caller.governance or runtime.governance.current(connection), page)
    note_access(runtime, caller, Action.QUERY, f"qido/{query.level}", 200, len(page), interaction=Interaction.SEARCH, seen=seen)
    return [row[0] for row in page]


def _seen(governance: GovernanceSnapshot, page: Iterable[Any]) -> list[Seen]:
    """The studies that these objects are of, by whose data they are."""
    datasets: dict[int, dict[str, None]] = {}
    for _, study, dataset in page:
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
