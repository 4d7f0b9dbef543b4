"""Nodes: where pixels rest."""

import click

from consent.node import MOVES, Hosting
from server.cli.options import as_operator, with_runtime, words
from server.cli.table import print_rows
from server.usecases import reconcile
from server.usecases.node import NODE_KINDS, add_node, list_nodes, move_node
from server.usecases.runtime import Runtime
from server.usecases.vet_node import vet_added


@click.group()
def node() -> None:
    """Where pixels rest."""


@node.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice(NODE_KINDS), default="folder", show_default=True)
@click.option("--hosting", type=click.Choice([*map(str, Hosting)]), default="central", show_default=True)
@click.option("--url", help="of an Orthanc; for a folder, its path in the data directory")
@click.option("--secret-file", metavar="FILE", help="file with user:password")
@click.option("--networks", type=words, metavar="WORDS", default="", help="CIDRs of the node's compute clients")
@click.option("--allow", type=words, metavar="WORDS", default="", help="refusals to overlook: anonymous transcoding overwrite")
@as_operator
def _add_node(
    runtime: Runtime,
    actor: str,
    name: str,
    kind: str,
    hosting: str,
    url: str | None,
    secret_file: str | None,
    networks: list[str],
    allow: list[str],
) -> None:
    """Add a node and link it, unless it may not be used."""
    cited = {"kind": kind, "hosting": hosting, "url": url or name}
    add_node(runtime, actor, name, **cited, secret_file=secret_file, networks=networks, allow=allow)
    vet_added(runtime, actor, name)


def _add_verb(verb: str) -> None:
    @node.command(verb, help=f"{verb.title()} a node, from the next statement on.")
    @click.argument("name")
    @as_operator
    def move(runtime: Runtime, actor: str, name: str) -> None:
        move_node(runtime, actor, name, verb)


for _verb in MOVES:
    _add_verb(_verb)


@node.command("compare")
@click.argument("name")
@with_runtime
def _compare_node(runtime: Runtime, name: str) -> None:
    """Compare what a node holds with what is in custody there."""
    compared = reconcile.compare(runtime, name)
    unknown = [f"unknown to custody: {place}" for place in compared.unknown]
    missing = [f"missing on the node: {uid}" for uid in compared.missing]
    print("\n".join([*unknown, *missing]) or "Custody and the node agree.")


@node.command("list")
@with_runtime
def _list_nodes(runtime: Runtime) -> None:
    """Every node."""
    rows = ((n.name, n.kind, n.hosting, n.state, n.url) for n in list_nodes(runtime))
    print_rows(("node", "kind", "hosting", "state", "url"), rows)
