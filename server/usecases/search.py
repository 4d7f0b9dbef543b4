"""Searching studies, series and instances: one question narrowed by consent, one statement, finished fragments."""

from adapters.sql import instances
from adapters.sql import search as rows
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.failures import NotFound
from mappings.query import Query
from server.usecases.access import note_access
from server.usecases.deliver import Wanted, decide_study
from server.usecases.runtime import Caller, Runtime


def fragments(runtime: Runtime, caller: Caller, query: Query) -> list[bytes]:
    """One page of DICOM JSON objects the caller may see now."""
    with runtime.store.read() as connection:
        page = rows.fragments(connection, query, runtime.visible_datasets(connection, caller, Action.QUERY), runtime.clock())
    note_access(runtime, caller, Action.QUERY, f"qido/{query.level}", 200, len(page))
    return page


def metadata(runtime: Runtime, caller: Caller, wanted: Wanted) -> list[bytes]:
    """The full metadata of every instance asked for. Raises NotFound or Forbidden."""
    with runtime.store.read() as connection:
        facts, decision = decide_study(runtime, connection, caller, Action.QUERY, wanted.study)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        objects = instances.metadata(connection, wanted.query, visible, runtime.clock())
    if not objects:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    note_access(runtime, caller, Action.QUERY, f"metadata/{wanted.target}", 200, len(objects))
    return objects
