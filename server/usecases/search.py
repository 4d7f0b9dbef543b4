"""Searching studies, series and instances: one question narrowed by consent, one statement, finished fragments."""

from adapters.sql import search as rows
from consent.conditions import Action
from mappings.query import Query
from server.usecases.hall import Caller, Hall
from server.usecases.record import noted


def fragments(hall: Hall, caller: Caller, query: Query) -> list[bytes]:
    """One page of DICOM JSON objects the caller may see now."""
    with hall.store.read() as connection:
        found = rows.fragments(connection, query, hall.visible_datasets(connection, caller, Action.QUERY), hall.clock())
    noted(hall, caller, Action.QUERY, f"qido/{query.level}", 200, len(found))
    return found
