"""Nodes: where pixels rest."""

from pathlib import Path

import click

from consent.node import MOVES, Hosting
from server.cli.options import as_operator, with_runtime, words
from server.cli.progress import transfer_bar
from server.cli.table import print_rows
from server.usecases import compare, mend
from server.usecases.node import NODE_KINDS, add_node, list_nodes, move_node
from server.usecases.runtime import Runtime
from server.usecases.vet_node import vet_new


@click.group()
def node() -> None:
    """Where pixels rest."""


@node.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice(NODE_KINDS), default="folder", show_default=True)
@click.option("--hosting", type=click.Choice([*map(str, Hosting)]), default="central", show_default=True)
@click.option("--url", help="of an Orthanc; for a folder, its path, from the data directory on")
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
    """Add a node and link it, unless it does not answer or may not be used."""
    secret = str(Path(secret_file).absolute()) if secret_file else None
    place = {"kind": kind, "hosting": hosting, "url": _in_data(runtime, url or name) if kind == "folder" else url or name}
    vet_new(runtime, name, **place, secret_file=secret, allow=allow)
    add_node(runtime, actor, name, **place, secret_file=secret, networks=networks, allow=allow)


def _in_data(runtime: Runtime, path: str) -> str:
    """A folder's path, relative where it lies in the data directory, so that this can move."""
    data, folder = runtime.settings.data_dir.absolute(), Path(path)
    return str(folder.relative_to(data)) if folder.is_absolute() and folder.is_relative_to(data) else path


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
@click.option("--digests", is_flag=True, help="read every object and hold it against its digest")
@with_runtime
def _compare_node(runtime: Runtime, name: str, *, digests: bool) -> int:
    """Compare what a node holds with what is in custody there; ends with 1 where they differ."""
    with transfer_bar(f"node {name}", compare.at_rest(runtime, name)[1]) as moved:
        compared = compare.compare(runtime, name, lambda row: moved(row.instance.size), digests=digests)
    unknown = [f"unknown to custody: {place}" for place in compared.unknown]
    missing = [f"missing on the node: {uid}" for uid in compared.lost]
    changed = [f"changed on the node: {uid}" for uid in compared.changed]
    print("\n".join([*unknown, *missing, *changed]) or "Custody and the node agree.")
    return 1 if unknown or missing or changed else 0


@node.command("mend")
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@with_runtime
def _mend_node(runtime: Runtime, name: str, folder: Path) -> int:
    """Put back what the node has lost or changed, from the very same files in a folder, such as a backup."""
    files = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}
    with transfer_bar(f"{len(files)} files", sum(files.values())) as moved:
        wanting = mend.mend_from(runtime, name, files, lambda path: moved(files[path]))
    print("\n".join(f"not in the folder: {uid}" for uid in wanting) or "Nothing is lost or changed that a look has found.")
    return 1 if wanting else 0


@node.command("list")
@with_runtime
def _list_nodes(runtime: Runtime) -> None:
    """Every node."""
    rows = ((n.name, n.kind, n.hosting, n.state, n.url) for n in list_nodes(runtime))
    print_rows(("node", "kind", "hosting", "state", "url"), rows)
