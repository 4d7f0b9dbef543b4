"""Searching studies, series and instances: one question narrowed by consent, one statement, finished fragments."""

from adapters.sql import instances
from adapters.sql import search as rows
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.failures import NotFound
from mappings.query import Query
from server.usecases.access import note_access
from server.usecases.deliver import Wanted, decide_study
from server.usecases.hall import Caller, Hall


def fragments(hall: Hall, caller: Caller, query: Query) -> list[bytes]:
    """One page of DICOM JSON objects the caller may see now."""
    with hall.store.read() as connection:
        page = rows.fragments(connection, query, hall.visible_datasets(connection, caller, Action.QUERY), hall.clock())
    note_access(hall, caller, Action.QUERY, f"qido/{query.level}", 200, len(page))
    return page


def metadata(hall: Hall, caller: Caller, wanted: Wanted) -> list[bytes]:
    """The full metadata of every instance asked for. Raises NotFound or Forbidden."""
    with hall.store.read() as connection:
        facts, decision = decide_study(hall, connection, caller, Action.QUERY, wanted.study)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        objects = instances.metadata(connection, wanted.query, visible, hall.clock())
    if not objects:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    note_access(hall, caller, Action.QUERY, f"metadata/{wanted.target}", 200, len(objects))
    return objects
