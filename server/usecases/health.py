"""Whether this Accord can do its work now: the database, the ledger, the disk and every linked node."""

import shutil
from dataclasses import dataclass
from functools import partial

from adapters.nodes.port import Health
from adapters.nodes.watch import Watch
from adapters.sql import governance, migrate
from adapters.sql.node import NodeRow
from consent.node import NodeState
from consent.subject import Role
from mappings.failures import Failure
from server.usecases import worker
from server.usecases.admission import MEGABYTE
from server.usecases.describe import find_gaps
from server.usecases.node import ask_node
from server.usecases.runtime import Caller, Runtime


@dataclass(frozen=True, slots=True)
class Ready:
    """Ready or not; `document` is the answer, with detail only where the caller may read it."""

    ok: bool
    document: dict[str, object]


def find_troubles(runtime: Runtime, watch: Watch | None = None) -> list[str]:
    """What is wrong now, in sentences for the operator; empty when nothing is.

    A node is asked and waited for; with a `watch`, it is as that knows it, and nobody waits.
    """
    if hindrance := find_hindrance(runtime):
        return [hindrance]
    return [*check_writing(runtime), *check_disk(runtime), *_nodes(runtime, watch)]


def find_hindrance(runtime: Runtime) -> str | None:
    """What keeps anything else from being asked: a database that does not answer, or whose tables are not this release's."""
    if not runtime.store.answers():
        return "The database does not answer."
    current = migrate.current(runtime.store) == migrate.newest()
    return None if current else "The schema is not this release's: run `accord migrate`."


def check_writing(runtime: Runtime) -> list[str]:
    """Whether a row can be changed now: a full or read-only disk under the database still answers questions."""
    try:
        with runtime.store.write(durable=False) as connection:
            governance.lock(connection)
    except Failure as failure:
        return [f"The ledger can't be written. {failure}"]
    return []


def check_disk(runtime: Runtime) -> list[str]:
    """Whether the disk of the data directory has the configured room."""
    free = shutil.disk_usage(runtime.settings.data_dir).free // MEGABYTE
    enough = free >= runtime.settings.min_free_mb
    return (
        []
        if enough
        else [f"Only {free} MB are free on the data directory's disk; below {runtime.settings.min_free_mb} MB nothing is taken."]
    )


def _nodes(runtime: Runtime, watch: Watch | None) -> list[str]:
    with runtime.store.read() as connection:
        rows = [row for row in runtime.governance.current(connection).nodes.values() if row.state is NodeState.LINKED]
    asked = ((row.name, partial(ask_node, runtime, row)) for row in rows)
    healths = ((name, watch.look(name, ask) if watch else ask()) for name, ask in asked)
    return [trouble for name, health in healths if (trouble := _trouble(runtime, name, health))]


def ask(runtime: Runtime, row: NodeRow) -> tuple[Health, str | None]:
    """How a node is, and the sentence that says what is wrong with it."""
    told = ask_node(runtime, row)
    return told, _trouble(runtime, row.name, told)


def _trouble(runtime: Runtime, name: str, health: Health) -> str | None:
    if not health.ok:
        return health.sentence
    if health.free is not None and health.free < runtime.settings.min_free_mb * MEGABYTE:
        return f"Only {health.free // MEGABYTE} MB are free on the disk of node {name}."
    return None


def check_readiness(runtime: Runtime, caller: Caller, watch: Watch) -> Ready:
    """The status for anybody, the detail for the operator. No node is waited for."""
    troubles = find_troubles(runtime, watch) or worker.find_troubles(runtime)
    document: dict[str, object] = {"status": "not ready" if troubles else "ready"}
    if caller.subject.role is Role.OPERATOR:
        document["troubles"] = troubles
        document["catalogue"] = [] if find_hindrance(runtime) else find_gaps(runtime)
    return Ready(not troubles, document)
