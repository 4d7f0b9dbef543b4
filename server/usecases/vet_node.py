"""Whether a node may be used: asked when it is added or set, and at every start; one that may not is suspended then."""

import re
from collections.abc import Collection
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import urlsplit

from adapters.nodes.port import Node
from adapters.sql import custody
from adapters.sql.node import NodeRow
from consent.node import Hosting, NodeState
from mappings.failures import Conflict, Failure, Invalid, NotFound, Unavailable
from server.usecases.naming import require
from server.usecases.node import SAMPLE, ask_node, list_nodes, move_node
from server.usecases.runtime import Runtime

FIXED = "1.13.0"
"""The Orthanc release that fixed what is publicly known of its parsers (CVE-2026-5437 to 5445, CVE-2026-10528)."""


def vet_new(
    runtime: Runtime, name: str, *, kind: str, hosting: str, url: str, secret_file: str | None, allow: Collection[str]
) -> None:
    """Look at a node before it is added; a folder says whose it is when it is.

    Raises Invalid with every reason why it may not be used or where its secret can't be read, and Unavailable where it can't be
    asked.
    """
    if kind != "folder":
        _check_url(kind, url)
        _vet(runtime, NodeRow(0, name, kind, Hosting(hosting), url, secret_file, (), frozenset(allow), NodeState.LINKED, ""))


def vet_set(
    runtime: Runtime, name: str, *, url: str | None = None, secret_file: str | None = None, allow: Collection[str] | None = None
) -> None:
    """Look at a node as it is to be set (None: as it is), so too: what rests on it must be found there.

    Raises Conflict where nothing of that is.
    """
    row = require(next((row for row in list_nodes(runtime) if row.name == name), None), "node", name)
    given = {"url": url, "secret_file": secret_file, "allow": None if allow is None else frozenset(allow)}
    changed = {column: value for column, value in given.items() if value is not None}
    if row.kind == "folder" or not changed:
        return
    _check_url(row.kind, url or row.url)
    _vet(runtime, found := replace(row, **changed))  # type: ignore[arg-type]
    with runtime.store.read() as connection:
        sample = custody.sample(connection, row.id, SAMPLE)
    if sample and not any(_has(runtime.node_of(found), *each) for each in sample):
        raise Conflict(
            "node-anothers", f"Nothing that rests on node {name} is found at this URL. The node was not changed.", "url"
        )


def _has(node: Node, place: str, size: int) -> bool:
    try:
        return node.size(place) in (None, size)
    except NotFound:
        return False


_CALLED = MappingProxyType(
    {
        "orthanc": ("Orthanc", "http://HOST:8042", "one line, user:password"),
        "dicomweb": ("DICOMweb archive", "http://HOST/dicom-web", "user:password, a token, or another Accord's client file"),
    }
)
"""Kind → what it is called, how its URL may look, and what its secret file holds."""


def _check_url(kind: str, url: str) -> None:
    called, example, _ = _CALLED[kind]
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("node-url", f"Say where the {called} is: --url {example}, or https.", "url")


def _vet(runtime: Runtime, row: NodeRow) -> None:
    called, _, secret = _CALLED[row.kind]
    try:
        reasons = find_refusals(runtime, row)
    except OSError as error:
        said = f"The secret file {row.secret_file} can't be read: {error.strerror}. It holds {secret}."
        raise Invalid("secret-unreadable", f"{said} Nothing was changed.", "secret_file") from error
    except NotFound:
        raise Invalid("node-no-orthanc", f"What answers at {row.url} is no {called}. Nothing was changed.", "url") from None
    except Unavailable as failure:
        raise Unavailable(failure.code, f"{failure.sentence} Asked at {row.url}. Nothing was changed.") from None
    if reasons:
        raise Invalid("node-refused", "Nothing was changed. " + " ".join(reasons))


def find_refusals(runtime: Runtime, row: NodeRow) -> list[str]:
    """Why a node may not be used: what its probe found and `--allow` does not name, or a version below the configured one."""
    node = runtime.node_of(row)
    least, version = runtime.settings.node_min_version, node.check().version
    old = bool(least) and row.kind == "orthanc" and _numbers(version) < _numbers(least)
    return [*node.probe(), *([f"version: it is {version}, below ACCORD_NODE_MIN_VERSION ({least})."] if old else [])]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def find_warning(row: NodeRow, version: str) -> str | None:
    """What the operator should know of an Orthanc that is older than its known security fixes."""
    if row.kind != "orthanc" or not _numbers(version) or _numbers(version) >= _numbers(FIXED):
        return None
    return f"Node {row.name} is Orthanc {version}, without the security fixes up to {FIXED}: let nothing but Accord reach it."


def review_nodes(runtime: Runtime) -> list[str]:
    """What the operator should know of the linked nodes: why one should not be used, then whose release is old."""
    asked = [(row, ask_node(runtime, row)) for row in _linked(runtime)]
    answering = [(row, health.version) for row, health in asked if health.ok]  # of the others `health.find_troubles` has said
    refused = [f"Node {row.name}: {reason}" for row, _ in answering for reason in _answered(runtime, row)]
    warned = (find_warning(row, version) for row, version in answering)
    return [*refused, *(warning for warning in warned if warning)]


def _linked(runtime: Runtime) -> list[NodeRow]:
    return [row for row in list_nodes(runtime) if row.state is NodeState.LINKED]


def _answered(runtime: Runtime, row: NodeRow) -> list[str]:
    try:
        return find_refusals(runtime, row)
    except Failure:
        return []  # it has just ceased to answer


def suspend_unfit(runtime: Runtime, actor: str) -> list[str]:
    """At start: suspend every linked node that may not be used; what was found. One that does not answer stays linked."""
    return [sentence for row in _linked(runtime) for sentence in _suspend_unfit(runtime, actor, row)]


def _suspend_unfit(runtime: Runtime, actor: str, row: NodeRow) -> list[str]:
    try:
        reasons = find_refusals(runtime, row)
    except (Failure, OSError) as failure:
        return [f"Node {row.name} could not be looked at: {failure}"]
    if reasons:
        move_node(runtime, actor, row.name, "suspend")
    return [f"Node {row.name} is suspended: {reason}" for reason in reasons]
