"""Nodes: where pixels rest."""

from pathlib import Path

import click

from consent.node import MOVES, Hosting
from server.cli.help import examples, say_next
from server.cli.options import as_operator, lists, with_runtime, words
from server.cli.progress import count_bar, transfer_bar
from server.cli.sentences import many
from server.cli.table import Rows
from server.usecases import compare, mend, sync
from server.usecases.node import NODE_KINDS, add_node, is_read_only, list_nodes, move_node, remove_node, set_node
from server.usecases.runtime import Runtime
from server.usecases.vet_node import vet_new, vet_set

_SHOWN = "file with user:password; for DICOMweb also with a bearer token, or another Accord's client file"


@click.group(epilog=examples("accord admin node list"))
def node() -> None:
    """Where pixels rest."""


@node.command(
    "add",
    epilog=examples(
        "accord admin node add central",
        "accord admin node add disk-2 --url /mnt/disk-2/accord",
        "accord admin node add hospital-a --kind orthanc --hosting federated --url http://127.0.0.1:8042 "
        "--secret-file orthanc.secret --networks 10.1.0.0/16",
        "accord admin node add archive-b --kind dicomweb --hosting federated --url https://archive-b.example/dicom-web "
        "--secret-file archive-b.token",
    ),
)
@click.argument("name")
@click.option("--kind", type=click.Choice(NODE_KINDS), default="folder", show_default=True, help="what keeps the files")
@click.option(
    "--hosting", type=click.Choice([*map(str, Hosting)]), default="central", show_default=True, help="whose machine it is on"
)
@click.option("--url", help="of an Orthanc or archive; for a folder, its path, from the data directory on; default: its name")
@click.option("--secret-file", metavar="FILE", help=_SHOWN)
@click.option("--networks", type=words, metavar="WORDS", default="", help="CIDRs of the node's compute clients")
@click.option(
    "--allow", type=words, metavar="WORDS", default="", help="refusals to overlook, such as anonymous, transcoding or overwrite"
)
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
    at = _in_data(runtime, url or name) if kind == "folder" else url or name
    place = {"kind": kind, "hosting": hosting, "url": at, "secret_file": _absolute(secret_file)}
    vet_new(runtime, name, **place, allow=allow)  # type: ignore[arg-type]
    add_node(runtime, actor, name, **place, networks=networks, allow=allow)  # type: ignore[arg-type]
    print(f"{name}: linked")
    say_next("accord admin party add KEY --name NAME --role provider")


def _absolute(file: str | None) -> str | None:
    """A file that is found from anywhere."""
    return str(Path(file).absolute()) if file else None


def _in_data(runtime: Runtime, path: str) -> str:
    """A folder's path, relative where it lies in the data directory, so that this can move."""
    data, folder = runtime.settings.data_dir.absolute(), Path(path)
    return str(folder.relative_to(data)) if folder.is_absolute() and folder.is_relative_to(data) else path


@node.command(
    "set",
    epilog=examples(
        "accord admin node set hospital-a --url https://orthanc.hospital-a.example --secret-file orthanc.secret",
        "accord admin node set hospital-a --networks 10.1.0.0/16,10.2.0.0/16 --hosting federated --allow transcoding",
    ),
)
@click.argument("name")
@click.option("--hosting", type=click.Choice([*map(str, Hosting)]), help="whose machine it is on")
@click.option("--url", help="where it is by now; what rests on it must be found there")
@click.option("--secret-file", metavar="FILE", help=_SHOWN)
@click.option("--networks", type=words, metavar="WORDS", help="CIDRs of the node's compute clients, all of them")
@click.option("--allow", type=words, metavar="WORDS", help="refusals to overlook, all of them")
@as_operator
def _set_node(
    runtime: Runtime,
    actor: str,
    name: str,
    hosting: str | None,
    url: str | None,
    secret_file: str | None,
    networks: list[str] | None,
    allow: list[str] | None,
) -> None:
    """Change how a node is reached or used; what is not named stays as it is."""
    if all(given is None for given in (hosting, url, secret_file, networks, allow)):
        raise click.UsageError("Say what to change.")
    kinds = {row.name: row.kind for row in list_nodes(runtime)}
    at = _in_data(runtime, url) if url and kinds.get(name) == "folder" else url
    secret = _absolute(secret_file)
    vet_set(runtime, name, url=at, secret_file=secret, allow=allow)
    set_node(runtime, actor, name, hosting=hosting, url=at, secret_file=secret, networks=networks, allow=allow)
    print(f"{name}: set")
    say_next(f"accord admin node compare {name}")


@node.command("remove", epilog=examples("accord admin node remove disk-2"))
@click.argument("name")
@as_operator
def _remove_node(runtime: Runtime, actor: str, name: str) -> None:
    """Take a node away that nothing is on and nothing needs."""
    remove_node(runtime, actor, name)
    print(f"{name}: removed")


_SENTENCES = {
    "link": "Let a node be used, from the next statement on.",
    "suspend": "Stop all use of a node for a while, from the next statement on.",
    "unlink": "Cut a node off, from the next statement on.",
}


def _add_verb(verb: str) -> None:
    @node.command(verb, help=_SENTENCES[verb], epilog=examples(f"accord admin node {verb} hospital-a"))
    @click.argument("name")
    @as_operator
    def move(runtime: Runtime, actor: str, name: str) -> None:
        move_node(runtime, actor, name, verb)
        print(f"{name}: {MOVES[verb]}")


for _verb in MOVES:
    _add_verb(_verb)


@node.command("compare", epilog=examples("accord admin node compare hospital-a --digests"))
@click.argument("name")
@click.option("--digests", is_flag=True, help="read every object and hold it against its digest")
@with_runtime
def _compare_node(runtime: Runtime, name: str, *, digests: bool) -> int:
    """Compare what a node holds with what is in custody there; ends with 1 where they differ."""
    compared = _compared(runtime, name, digests=digests)
    missing = [f"missing on the node: {uid}" for uid in compared.lost]
    changed = [f"changed on the node: {uid}" for uid in compared.changed]
    lines = [*_unknown(compared.unknown), *missing, *changed]
    print("\n".join(lines) or "Custody and the node agree.")
    if (missing or changed) and not is_read_only(runtime, name):
        say_next(f"accord admin node reconcile {name} BACKUP")
    return 1 if lines else 0


def _compared(runtime: Runtime, name: str, *, digests: bool) -> compare.Compared:
    with transfer_bar(f"node {name}", compare.at_rest(runtime, name)[1]) as moved:
        return compare.compare(runtime, name, lambda row: moved(row.instance.size), digests=digests)


def _unknown(places: list[str]) -> list[str]:
    return [f"unknown to custody: {place}" for place in places]


@node.command(
    "reconcile", epilog=examples("accord admin node reconcile hospital-a", "accord admin node reconcile hospital-a . --digests")
)
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--digests", is_flag=True, help="read every object and hold it against its digest")
@with_runtime
def _reconcile_node(runtime: Runtime, name: str, folder: Path | None, *, digests: bool) -> int:
    """Mend where a node and custody differ; ends with 1 where they still do.

    What the node has lost or changed is put back from the very same files in a folder, such as a backup; what it holds and
    custody does not know is brought in, if anything of that node is.
    """
    unknown = _compared(runtime, name, digests=digests).unknown
    if unknown:
        unknown = _brought(runtime, name, unknown)
    files = {path: path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()} if folder else {}
    with transfer_bar(many(len(files), "file"), sum(files.values())) as moved:
        wanting = mend.mend_from(runtime, name, files, lambda path: moved(files[path]))
    lines = [*_unknown(unknown), *(f"lost or changed: {uid}" for uid in wanting)]
    print("\n".join(lines) or "Custody and the node agree.")
    if unknown:
        say_next(f"accord admin node sync {name} --dataset ALIAS")
    return 1 if lines else 0


def _brought(runtime: Runtime, name: str, unknown: list[str]) -> list[str]:
    """Bring a node's own content in; what of these places is unknown then."""
    with count_bar(f"node {name}") as looked:
        synced = sync.go_on(runtime, name, looked, sweep=True)
    if synced is None:
        return unknown
    print(f"brought in: {synced}")
    return synced.too_large


@node.command(
    "sync",
    epilog=examples("accord admin node sync hospital-a --dataset BREAST-A", "accord admin node sync hospital-a --end"),
)
@click.argument("name")
@click.option("--dataset", metavar="ALIAS", help="what it goes into: a dataset of this node")
@click.option("--again", is_flag=True, help="look again at what was rejected or taken out")
@click.option("--end", is_flag=True, help="leave what comes to the node alone from now on")
@as_operator
def _sync_node(runtime: Runtime, actor: str, name: str, dataset: str | None, *, again: bool, end: bool) -> int:
    """Bring in what a node holds of its own, now and as it comes."""
    if end is bool(dataset):
        raise click.UsageError("Name a --dataset, or say --end.")
    if dataset is None:
        sync.end_sync(runtime, actor, name)
        print(f"{name}: left alone")
        return 0
    with count_bar(f"node {name}") as looked:
        synced = sync.sync(runtime, actor, name, dataset, looked, again=again)
    print("\n".join([f"{name}: {synced}", *(f"too large: {place}" for place in synced.too_large)]))
    if synced.batch:
        say_next(f"accord admin batch show {synced.batch}")
    return 1 if synced.too_large else 0


@lists(node, "node", "kind", "hosting", "state", "url", "networks")
def _list_nodes(runtime: Runtime) -> Rows:
    """Every node."""
    return ((n.name, n.kind, n.hosting, n.state, n.url, " ".join(n.networks)) for n in list_nodes(runtime))
