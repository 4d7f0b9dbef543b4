"""Whether a node may be used: asked when it is added and at every start; one that may not is suspended before anything moves."""

import re

from adapters.sql.node import NodeRow
from consent.node import NodeState
from mappings.failures import Failure
from server.usecases.hall import Hall
from server.usecases.node import move_node

FIXED = "1.13.0"
"""The Orthanc release that fixed what is publicly known of its parsers (CVE-2026-5437 to 5445, CVE-2026-10528)."""


def refusals(hall: Hall, row: NodeRow) -> list[str]:
    """Why a node may not be used: what its probe found and `--allow` does not name, or a version below the configured one."""
    node = hall.node_of(row)
    least, version = hall.settings.node_min_version, node.check().version
    old = bool(least) and row.kind == "orthanc" and _numbers(version) < _numbers(least)
    return [*node.probe(), *([f"version: it is {version}, below ACCORD_NODE_MIN_VERSION ({least})."] if old else [])]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def warning(row: NodeRow, version: str) -> str | None:
    """What the operator should know of an Orthanc that is older than its known security fixes."""
    if row.kind != "orthanc" or not _numbers(version) or _numbers(version) >= _numbers(FIXED):
        return None
    return f"Node {row.name} is Orthanc {version}, without the security fixes up to {FIXED}: let nothing but Accord reach it."


def refuse_nodes(hall: Hall, actor: str) -> list[str]:
    """At start: suspend every linked node that may not be used; what was found. One that does not answer stays linked."""
    with hall.store.read() as connection:
        linked = [n for n in hall.governance(connection).nodes.values() if n.state is NodeState.LINKED]
    return [said for row in linked for said in _refused(hall, actor, row)]


def _refused(hall: Hall, actor: str, row: NodeRow) -> list[str]:
    try:
        reasons = refusals(hall, row)
    except (Failure, OSError) as failure:
        return [f"Node {row.name} could not be looked at: {failure}"]
    if reasons:
        move_node(hall, actor, row.name, "suspend")
    return [f"Node {row.name} is suspended: {reason}" for reason in reasons]
