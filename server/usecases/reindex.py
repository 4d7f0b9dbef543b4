"""Indexing again what an earlier release indexed: its files are read, and what is kept of them is made as this release makes it.

Reads go on meanwhile, from what there is. What a node does not give now is left as it is, and tried again on another day.
"""

import logging
from collections.abc import Iterator
from datetime import timedelta

from adapters.sql import jobs
from adapters.sql import reindex as rows
from adapters.sql.reindex import Indexed, Reread
from mappings.dicom.header import Header
from mappings.dicom.part10 import Unreadable
from mappings.failures import NotFound, Unavailable
from server.usecases.job import Work
from server.usecases.parse import parse_file
from server.usecases.read_back import read_back
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.reindex")
KIND = "reindex"
PAGE = 100
AGAIN = timedelta(days=1)


def ask_missing(runtime: Runtime) -> int:
    """Ask for the job where something is indexed in an older form, and it was not tried today; how many studies wait."""
    now = runtime.clock()
    with runtime.store.read() as connection:
        if not rows.old(connection, 0, 1) or jobs.ran_since(connection, KIND, now - AGAIN):
            return 0
        waiting = rows.count_old(connection)
    with runtime.store.write() as connection:
        jobs.enqueue(connection, KIND, "", now)
    return waiting


def reindex(runtime: Runtime, work: Work) -> str:
    """The job: study by study, each by itself, so that one that is broken off goes on where it was."""
    with runtime.store.read() as connection:
        total = rows.count_old(connection)
    made = 0
    for done, study in enumerate(_old(runtime)):
        work.progress(done, max(done, total))
        try:
            _again(runtime, study, work)
            made += 1
        except (NotFound, Unavailable, Unreadable) as failure:
            log.warning("study not indexed again", extra={"study": study, "reason": getattr(failure, "code", "unreadable")})
    with runtime.store.read() as connection:
        left = rows.count_old(connection)
    return f"{made} studies indexed again, {left} left as they are."


def find_old(runtime: Runtime) -> list[str]:
    """What is indexed in an older form, in a sentence for the operator."""
    with runtime.store.read() as connection:
        count = rows.count_old(connection)
    return [f"Studies that an earlier release indexed, which a job reads again: {count}."] if count else []


def _old(runtime: Runtime) -> Iterator[int]:
    after = 0
    while True:
        with runtime.store.read() as connection:
            page = rows.old(connection, after, PAGE)
        if not page:
            return
        yield from page
        after = page[-1]


def _again(runtime: Runtime, study: int, work: Work) -> None:
    """Index a study again. Raises NotFound, Unavailable or Unreadable of a file, and Stopped."""
    with runtime.store.read() as connection:
        held = rows.instances(connection, study)
    read: Reread | None = None
    for each in held:
        work.progress(work.done, work.total)
        header, changed = _instance(runtime, each)
        read = read or Reread(header, {})
        read.series.setdefault(each.series, header)
        read.count, read.told_otherwise = read.count + 1, read.told_otherwise or changed
    if read is not None:
        with runtime.store.write(durable=False) as connection:
            rows.keep_study(connection, study, read, runtime.clock())


def _instance(runtime: Runtime, indexed: Indexed) -> tuple[Header, bool]:
    parsed = parse_file("", read_back(runtime, indexed.copy), runtime.placeholders)
    with runtime.store.write(durable=False) as connection:
        return parsed.header, rows.keep_instance(connection, indexed.id, parsed.header, parsed.metadata)
