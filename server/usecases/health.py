"""Whether this Accord can do its work now: the database, the ledger, the disk and every linked node."""

import shutil
from dataclasses import dataclass

from adapters.sql import governance, migrate
from consent.node import NodeState
from consent.subject import Role
from mappings.failures import Failure
from server.usecases.admission import MEGABYTE
from server.usecases.runtime import Caller, Runtime


@dataclass(frozen=True, slots=True)
class Ready:
    """Ready or not; `document` is the answer, with detail only where the caller may read it."""

    ok: bool
    document: dict[str, object]


def find_troubles(runtime: Runtime) -> list[str]:
    """What is wrong now, in sentences for the operator; empty when nothing is."""
    if hindrance := find_hindrance(runtime):
        return [hindrance]
    return [*_written(runtime), *_disk(runtime), *_nodes(runtime)]


def find_hindrance(runtime: Runtime) -> str | None:
    """What keeps anything else from being asked: a database that does not answer, or whose tables are not this release's."""
    if not runtime.store.answers():
        return "The database does not answer."
    current = migrate.current(runtime.store) == migrate.newest()
    return None if current else "The schema is not this release's: run `accord migrate`."


def _written(runtime: Runtime) -> list[str]:
    """Whether a row can be changed now: a full or read-only disk under the database still answers questions."""
    try:
        with runtime.store.write(durable=False) as connection:
            governance.lock(connection)
    except Failure as failure:
        return [f"The ledger can't be written. {failure}"]
    return []


def _disk(runtime: Runtime) -> list[str]:
    free = shutil.disk_usage(runtime.settings.data_dir).free // MEGABYTE
    enough = free >= runtime.settings.min_free_mb
    return (
        []
        if enough
        else [f"Only {free} MB are free on the data directory's disk; below {runtime.settings.min_free_mb} MB nothing is taken."]
    )


def _nodes(runtime: Runtime) -> list[str]:
    with runtime.store.read() as connection:
        rows = runtime.governance.current(connection).nodes.values()
    return [trouble for row in rows if row.state is NodeState.LINKED for trouble in _node(runtime, row.id)]


def _node(runtime: Runtime, key: int) -> list[str]:
    try:
        with runtime.store.read() as connection:
            node = runtime.node(connection, key)
        health, free = node.check(), node.free_bytes()
    except (Failure, OSError) as failure:
        return [str(failure)]
    if not health.ok:
        return [health.sentence]
    short = free is not None and free < runtime.settings.min_free_mb * MEGABYTE
    return [f"Only {(free or 0) // MEGABYTE} MB are free on the disk of node {node.name}."] if short else []


def check_readiness(runtime: Runtime, caller: Caller) -> Ready:
    """The status for anybody, the detail for the operator."""
    troubles = find_troubles(runtime)
    document: dict[str, object] = {"status": "not ready" if troubles else "ready"}
    if caller.subject.role is Role.OPERATOR:
        document["troubles"] = troubles
    return Ready(not troubles, document)
