"""Rebuilding the FHIR documents of studies that have changed, at a cost that is linear whatever the associations' pattern.

A study is due when it has been quiet for a moment, or has waited as long as freshness allows: two hundred associations of one
image each cost a few rebuilds, not two hundred.
"""

from datetime import timedelta

from adapters.sql import index
from mappings.fhir.imaging_study import document
from server.usecases.hall import Hall

QUIET = timedelta(seconds=1.5)
FRESH = timedelta(seconds=7)


def rebuild(hall: Hall) -> int:
    """Rebuild what is due; returns how many documents were made."""
    now = hall.clock()
    with hall.store.read() as connection:
        due = index.dirty(connection, now - QUIET, now - FRESH, now + FRESH)
    return sum(_rebuild(hall, key) for key in due)


def is_pending(hall: Hall) -> bool:
    """Whether a study waits for its document, due or not."""
    now = hall.clock()
    with hall.store.read() as connection:
        return bool(index.dirty(connection, now, now, now))


def _rebuild(hall: Hall, key: int) -> bool:
    with hall.store.read() as connection:
        read = index.study(connection, key)
    if read is None:
        return False
    study, touched = read
    made = document(study)
    with hall.store.write(durable=False) as connection:
        return index.keep_document(connection, key, made, touched, hall.clock())
