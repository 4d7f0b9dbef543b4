"""Whether this Accord can do its work now: the database, the ledger, the disk, the quarantine and every linked node."""

import re
import shutil
from dataclasses import dataclass

from adapters.sql import migrate
from adapters.sql.governance import NodeRow
from consent.agreement import NodeState
from consent.subject import Role
from mappings.failures import Failure
from server.usecases import agree
from server.usecases.hall import Caller, Hall
from server.usecases.ingest import MEGABYTE


@dataclass(frozen=True, slots=True)
class Ready:
    """Ready or not; `said` is the answer, with detail only where the caller may read it."""

    ok: bool
    said: dict[str, object]


def troubles(hall: Hall) -> list[str]:
    """What is wrong now, in sentences for the operator; empty when nothing is."""
    if not hall.store.answers():
        return ["The database does not answer."]
    found = (
        []
        if migrate.current(hall.store) == migrate.newest()
        else ["The schema is not this release's: run `accord migrate`."]
    )
    return [*found, *_disk(hall), *_nodes(hall)]


def _disk(hall: Hall) -> list[str]:
    free = shutil.disk_usage(hall.settings.data_dir).free // MEGABYTE
    enough = free >= hall.settings.min_free_mb
    return (
        []
        if enough
        else [f"Only {free} MB are free on the data directory's disk; below {hall.settings.min_free_mb} MB nothing is taken."]
    )


def _nodes(hall: Hall) -> list[str]:
    with hall.store.read() as connection:
        rows = hall.governance(connection).nodes.values()
    return [said for row in rows if row.state is NodeState.LINKED for said in _node(hall, row.id)]


def _node(hall: Hall, key: int) -> list[str]:
    try:
        with hall.store.read() as connection:
            health = hall.node(connection, key).check()
    except (Failure, OSError) as failure:
        return [str(failure)]
    return [] if health.ok else [health.sentence]


def refusals(hall: Hall, row: NodeRow) -> list[str]:
    """Why a node may not be used: what its probe found and `--allow` does not name, or a version below the configured one."""
    node = hall.node_of(row)
    least, version = hall.settings.node_min_version, node.check().version
    old = bool(least) and row.kind == "orthanc" and _numbers(version) < _numbers(least)
    return [*node.probe(), *([f"version: it is {version}, below ACCORD_NODE_MIN_VERSION ({least})."] if old else [])]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def refuse_nodes(hall: Hall, actor: str) -> list[str]:
    """At start: suspend every linked node that may not be used; what was found, in sentences. One that does not answer stays linked."""
    with hall.store.read() as connection:
        linked = [n for n in hall.governance(connection).nodes.values() if n.state is NodeState.LINKED]
    return [said for row in linked for said in _refused(hall, actor, row)]


def _refused(hall: Hall, actor: str, row: NodeRow) -> list[str]:
    try:
        reasons = refusals(hall, row)
    except (Failure, OSError) as failure:
        return [f"Node {row.name} could not be looked at: {failure}"]
    if reasons:
        agree.move_node(hall, actor, row.name, "suspend")
    return [f"Node {row.name} is suspended: {reason}" for reason in reasons]


def ready(hall: Hall, caller: Caller) -> Ready:
    """The status for anybody, the detail for the operator."""
    found = troubles(hall)
    said: dict[str, object] = {"status": "not ready" if found else "ready"}
    if caller.subject.role is Role.OPERATOR:
        said["troubles"] = found
    return Ready(not found, said)
