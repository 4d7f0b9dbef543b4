"""Peers: other repositories that this one asks."""

from pathlib import Path

import click

from mappings.peers.exchange import KINDS
from server.cli.help import examples, say_next
from server.cli.options import as_operator, lists
from server.cli.table import Rows
from server.usecases.peer import add_peer, list_peers, remove_peer
from server.usecases.runtime import Runtime


@click.group(epilog=examples("accord admin peer list"))
def peer() -> None:
    """Other repositories that this one asks."""


@peer.command(
    "add",
    epilog=examples(
        "accord admin peer add upv --kind accord --url https://accord.upv.example --secret-file upv.secret",
        "accord admin peer add huvr --kind eucaim --url https://huvr.example/api/datasets/eucaimSearch --secret-file huvr.secret",
        "accord admin peer add lab --kind fhir --url https://fhir.lab.example/R4 --client lab.client.json",
    ),
)
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="what it speaks: eucaimSearch (accord, eucaim) or FHIR R4")
@click.option("--url", required=True, help="its base URL; of kind eucaim, the very URL that takes the question")
@click.option("--secret-file", metavar="FILE", help="file with the whole Authorization header that it knows us by")
@click.option("--client", "client_file", metavar="FILE", help="for FHIR: the client file, whose key proves us (Backend Services)")
@as_operator
def _add_peer(
    runtime: Runtime, actor: str, name: str, kind: str, url: str, secret_file: str | None, client_file: str | None
) -> None:
    """Let a repository be asked what it has."""
    files = {"secret_file": _absolute(secret_file), "client_file": _absolute(client_file)}
    add_peer(runtime, actor, name, kind=kind, url=url, **files)
    print(f"{name}: asked at {url}")
    say_next("accord ask --modality MR")


def _absolute(file: str | None) -> str | None:
    """A file that is found from anywhere."""
    return str(Path(file).absolute()) if file else None


@peer.command("remove", epilog=examples("accord admin peer remove upv"))
@click.argument("name")
@as_operator
def _remove_peer(runtime: Runtime, actor: str, name: str) -> None:
    """Ask a repository no more."""
    remove_peer(runtime, actor, name)
    print(f"{name}: asked no more")


@lists(peer, "peer", "kind", "url", "secret file", "client file")
def _list_peers(runtime: Runtime) -> Rows:
    """Every repository that is asked."""
    return ((p.name, p.kind, p.url, p.secret_file, p.client_file) for p in list_peers(runtime))
