"""Rebuilding the FHIR documents of studies that have changed, at a cost that is linear whatever the associations' pattern.

A study is due when it has been quiet for a moment, or has waited as long as freshness allows: two hundred associations of one
image each cost a few rebuilds, not two hundred.
"""

from datetime import timedelta

from adapters.sql import index
from mappings.fhir.imaging_study import document
from server.usecases.runtime import Runtime

QUIET = timedelta(seconds=1.5)
FRESH = timedelta(seconds=7)


def rebuild(runtime: Runtime) -> int:
    """Rebuild what is due; returns how many documents were made."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        due = index.dirty(connection, now - QUIET, now - FRESH, now + FRESH)
    return sum(_rebuild(runtime, key) for key in due)


def is_pending(runtime: Runtime) -> bool:
    """Whether a study waits for its document, due or not."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        return bool(index.dirty(connection, now, now, now))


def _rebuild(runtime: Runtime, key: int) -> bool:
    now = runtime.clock()  # one moment: what the document says of its change is what it is searched by
    with runtime.store.read() as connection:
        read = index.study(connection, key, now)
    if read is None:
        return False
    study, touched = read
    made = document(study)
    with runtime.store.write(durable=False) as connection:
        return index.keep_document(connection, key, made, touched, now)
