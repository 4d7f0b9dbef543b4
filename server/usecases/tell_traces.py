"""Tells an outside tracing service of datasets and their uses, as the ledger has them: off until its URL is set.

The ledger stays the truth. From the moment the service is there it is told entry by entry, in the tree's order; of what was
before, which datasets there are. What was under way when a worker was lost is told twice, since the service knows no entry again.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

from sqlalchemy import Connection

from adapters.peers import Call, Outcome, ask_one, bearer
from adapters.sql import dataset as datasets
from adapters.sql import jobs, tracing
from adapters.sql.tracing import TracedRow
from mappings.eucaim import collection_id
from mappings.failures import Unavailable
from mappings.tracing import CREATED, KINDS, PATH, Trace, is_use, to_traces
from server.usecases.job import Work, result
from server.usecases.peer import read_url
from server.usecases.runtime import Runtime

log = logging.getLogger("accord.trace")
KIND = "trace"
ATTEMPTS = 10
PAGE = 200
SECONDS = 20
_REFUSED = (400, 413, 422)
"""What the service says of a trace that it will never take; of any other it is asked again."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What datasets are called now, and which are under each agreement."""

    ids: dict[str, str]
    under: dict[str, list[str]]


def ask(runtime: Runtime) -> int:
    """Ask for the job where there is a service and it was not told everything; how many entries it was not asked about."""
    if not runtime.settings.tracing_url:
        return 0
    with runtime.store.read() as connection:
        behind = tracing.size(connection) - (tracing.cursor(connection) or 0)
        if behind <= 0 or jobs.is_open(connection, KIND):
            return 0
    with runtime.store.write() as connection:
        jobs.enqueue(connection, KIND, "", runtime.clock())
    return behind


def push(runtime: Runtime, work: Work) -> str:
    """The job: each entry's traces, then the place behind it. Raises Unavailable where the service takes none now."""
    settings = runtime.settings
    if not settings.tracing_url:
        return "Tracing is off."
    url = read_url(settings.tracing_url) + PATH
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if settings.tracing_client:
        headers["Authorization"] = bearer(settings.tracing_client, url, SECONDS)
    told = refused = 0
    used: list[Trace] = []
    for position, traces in _waiting(runtime):
        for trace in traces:
            if trace in used:  # of one study after another: a use is told by dataset
                continue
            taken = _send(Call("tracing", "POST", url, headers, json.dumps(trace).encode()))
            told, refused = told + taken, refused + (not taken)
            used += [trace] if is_use(trace) else []
        work.progress(told)
        if position is not None:
            with result(runtime, work) as connection:
                tracing.move(connection, position)
    return f"{told} traces told, {refused} refused."


def _waiting(runtime: Runtime) -> Iterator[tuple[int | None, list[Trace]]]:
    """(the place behind it, its traces) of what is not told yet, and at last where the tree ended, with none.

    Of what was before the service there is no place: which datasets there are is told whole, or again.
    """
    with runtime.store.read() as connection:
        cursor, end = tracing.cursor(connection), tracing.size(connection)
        known = _known(connection)
    kinds, after = (KINDS, cursor) if cursor is not None else ((CREATED,), 0)
    while True:
        with runtime.store.read() as connection:
            page = tracing.entries(connection, after, end, kinds, PAGE)
        yield from ((None if cursor is None else row.position + 1, _traces(row, known)) for row in page)
        if len(page) < PAGE:
            break
        after = page[-1].position + 1
    yield end, []


def _known(connection: Connection) -> _Known:
    rows = datasets.read_all(connection)
    under: dict[str, list[str]] = {}
    for row in rows:
        under.setdefault(row.agreement, []).append(row.alias)
    return _Known({row.alias: collection_id(row.alias, row.details.get("identifier")) for row in rows}, under)


def _traces(row: TracedRow, known: _Known) -> list[Trace]:
    return to_traces(row.kind, json.loads(row.body), row.leaf, known.ids, known.under, version("accord"))


def _send(call: Call) -> bool:
    """Whether the service took a trace; False for one that it will never take. Raises Unavailable."""
    outcome: Outcome = ask_one(call, SECONDS)
    if outcome.status == 200:
        return True
    if outcome.status in _REFUSED:
        log.warning("trace refused", extra={"status": outcome.status})
        return False
    said = outcome.said or f"it answered with status {outcome.status}"
    raise Unavailable("tracing", f"The tracing service took no trace: {said}")
