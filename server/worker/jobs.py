"""The kinds of jobs that a worker does, each in a thread of its own, so that no kind waits for another."""

import threading
from datetime import timedelta

from server.usecases import (
    commitment,
    compare,
    describe,
    export,
    notice,
    purge,
    reindex,
    release,
    restore,
    sync,
    tell_traces,
    withdraw,
    withdraw_dataset,
)
from server.usecases.job import Kind, do_next
from server.usecases.runtime import Runtime
from server.usecases.write_export import write_export

KINDS: dict[str, Kind] = {
    describe.KIND: Kind(describe.describe),
    export.KIND: Kind(write_export),
    commitment.KIND: Kind(commitment.report_kept, attempts=commitment.ATTEMPTS),
    sync.KIND: Kind(sync.follow, period=lambda settings: timedelta(minutes=settings.sync_minutes)),
    reindex.KIND: Kind(reindex.reindex),
    withdraw.PURGE: Kind(purge.purge, attempts=purge.ATTEMPTS),
    release.KIND: Kind(release.release_decided),
    notice.KIND: Kind(notice.deliver, attempts=notice.ATTEMPTS),
    restore.KIND: Kind(restore.restore, attempts=restore.ATTEMPTS),
    withdraw_dataset.KIND: Kind(withdraw_dataset.empty),
    tell_traces.KIND: Kind(tell_traces.push, attempts=tell_traces.ATTEMPTS),
    "presence": Kind(compare.look_at_presence, period=lambda settings: timedelta(days=settings.presence_days)),
    "digests": Kind(compare.look_at_digests, period=lambda settings: timedelta(days=settings.digest_days)),
}
"""Kind → what it does."""


def work_off(runtime: Runtime, name: str, kind: Kind, leaving: threading.Event) -> int:
    """Do what is due of a kind, one after another, until the worker is leaving; returns how many."""
    done = 0
    while not leaving.is_set() and do_next(runtime, name, kind, leaving):
        done += 1
    return done
