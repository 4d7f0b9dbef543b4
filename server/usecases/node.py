"""Nodes: adding, setting and removing them, and linking, suspending or unlinking them from the next statement on."""

import ipaddress
from collections.abc import Sequence
from contextlib import suppress

from sqlalchemy import Connection

from adapters.nodes.port import Health
from adapters.sql import custody, jobs, node_syncs
from adapters.sql import node as nodes
from adapters.sql.ledger import About, record
from adapters.sql.node import NodeRow
from consent.entries import NodeAdded, NodeMoved, NodeSet
from consent.node import MOVES, Hosting, NodeState
from mappings.failures import Conflict, Failure, Invalid
from server.usecases.naming import check_new, check_words, enumerated, require
from server.usecases.runtime import Runtime

NODE_KINDS = ("folder", "orthanc", "dicomweb")
SAMPLE = 20
"""Objects of which one, found in a folder without a marker, makes it ours."""
LOOKS = ("presence", "digests")
"""The kinds of jobs that compare a node with custody, again and again from when it is added."""


def add_node(
    runtime: Runtime,
    actor: str,
    name: str,
    *,
    kind: str,
    hosting: str,
    url: str,
    secret_file: str | None = None,
    networks: Sequence[str] = (),
    allow: Sequence[str] = (),
) -> None:
    """Add a node where pixels rest. Its secret stays in its file; `networks` are its compute clients' addresses (CIDRs)."""
    check_words([kind], NODE_KINDS, "kind")
    check_words([hosting], [str(h) for h in Hosting], "hosting")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(nodes.find(connection, name), "node", name)
        reached = {"kind": kind, "hosting": hosting, "url": url, "secret_file": secret_file}
        values = reached | {"networks": _networks(networks), "allow": " ".join(allow)}
        if before := nodes.find(connection, name, removed=True):
            nodes.revive(connection, before.id, actor, now, **values)
        else:
            nodes.add(connection, now, actor, name=name, **values)
        _adopt(runtime, require(nodes.find(connection, name), "node", name), [])
        for look in LOOKS:
            jobs.enqueue(connection, look, name, now)
        record(connection, NodeAdded(node=name, node_kind=kind, hosting=hosting, allow=" ".join(allow)), now, actor, About())


def _networks(networks: Sequence[str]) -> str:
    return " ".join(read_network(network) for network in networks)


def _adopt(runtime: Runtime, row: NodeRow, sample: Sequence[tuple[str, int]]) -> None:
    if row.kind != "folder":
        return
    data = runtime.settings.data_dir.resolve()
    folder, quarantine = (data / row.url).resolve(), data / "quarantine"
    if folder.is_relative_to(quarantine) or quarantine.is_relative_to(folder):  # a release deletes what it has stored, there
        raise Conflict("node-quarantine", "This folder holds the quarantine, or lies in it. Name another.", "url")
    if not runtime.node_of(row).adopt(sample):
        why = "holds nothing of this one. Name its own." if sample else "holds something else. Name an empty one."
        raise Conflict("node-anothers", f"This folder is another node's, or {why}", "url")


def set_node(
    runtime: Runtime,
    actor: str,
    name: str,
    *,
    hosting: str | None = None,
    url: str | None = None,
    secret_file: str | None = None,
    networks: Sequence[str] | None = None,
    allow: Sequence[str] | None = None,
) -> None:
    """Change how a node is reached or used; None leaves that as it is. A folder of another place must be this node's own."""
    check_words([hosting] if hosting else [], [str(h) for h in Hosting], "hosting")
    cidrs, allowed = None if networks is None else _networks(networks), None if allow is None else " ".join(allow)
    given = {"hosting": hosting, "url": url, "secret_file": secret_file, "networks": cidrs, "allow": allowed}
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(nodes.find(connection, name), "node", name)
        nodes.change(connection, row.id, actor, now, **{column: value for column, value in given.items() if value is not None})
        if url is not None:
            _adopt(runtime, require(nodes.find(connection, name), "node", name), custody.sample(connection, row.id, SAMPLE))
        changed = NodeSet(node=name, hosting=hosting, networks=cidrs, allow=allowed, moved=url is not None)
        record(connection, changed, now, actor, About())


def remove_node(runtime: Runtime, actor: str, name: str) -> None:
    """Take away a node that nothing needs. Raises Conflict that says what does."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(nodes.find(connection, name), "node", name)
        if users := nodes.read_users(connection, row.id):
            raise Conflict("node-in-use", f"Node {name} is in use by {enumerated(users)}. It stays; unlink stops all use of it.")
        node_syncs.end(connection, row.id)
        nodes.move(connection, row.id, "remove", NodeState.REMOVED, actor, now)
        record(connection, NodeMoved(verb="remove", node=name, state=str(NodeState.REMOVED)), now, actor, About())


def read_network(text: str) -> str:
    """A CIDR in its one form. Raises Invalid."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise Invalid("network-unreadable", f"A network is written as a CIDR, such as {_meant(text)}.", "from") from None


def _meant(text: str) -> str:
    """What was meant by an address with bits beyond its prefix, else examples."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return "10.1.0.0/16 or 127.0.0.1/32"


def move_node(runtime: Runtime, actor: str, name: str, verb: str) -> None:
    """Link, suspend or unlink a node; from the next statement on."""
    now, state = runtime.clock(), MOVES[verb]
    with runtime.governance_act() as connection:
        row = require(nodes.find(connection, name), "node", name)
        nodes.move(connection, row.id, verb, state, actor, now)
        record(connection, NodeMoved(verb=verb, node=name, state=str(state)), now, actor, About())


def ask_node(runtime: Runtime, row: NodeRow) -> Health:
    """How a node is; one that can't even be opened (its secret is gone) is not well."""
    try:
        return runtime.node_of(row).check()
    except (Failure, OSError) as why:
        return Health(ok=False, sentence=f"Node {row.name} can't be used: {why}", version="")


def adopt_nodes(runtime: Runtime) -> None:
    """Let every node that is this Accord's own say so from now on; one that may not be ours stays as it is, and is not used."""
    with runtime.store.read() as connection:
        samples = [(row, custody.sample(connection, row.id, SAMPLE)) for row in _present(connection)]
    for row, sample in samples:
        with suppress(Failure, OSError):  # what can't be used now says so when it is asked how it is
            runtime.node_of(row).adopt(sample)


def is_read_only(runtime: Runtime, name: str) -> bool:
    """Whether nothing is sent to the node of this name."""
    return any(row.name == name and row.is_read_only for row in list_nodes(runtime))


def list_nodes(runtime: Runtime) -> tuple[NodeRow, ...]:
    """Every node that was not removed."""
    with runtime.store.read() as connection:
        return _present(connection)


def _present(connection: Connection) -> tuple[NodeRow, ...]:
    return tuple(row for row in nodes.read_all(connection) if row.state is not NodeState.REMOVED)
