"""Who takes part: organisations, their clients, and permits for what is shared under conditions."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from shlex import quote

import click

from adapters.client_file import ClientFile, check_free, new_client_key, write_client
from adapters.identity import read_public_keys
from consent.party import ROLES
from consent.person import Actor
from mappings.failures import Invalid
from server.cli.admin.two_persons import ALONE, decided
from server.cli.help import examples, only, say_next
from server.cli.options import as_actor, as_operator, date, lists, words
from server.cli.table import Rows
from server.usecases.client import ClientRow, add_client, list_clients, set_client
from server.usecases.node import list_nodes
from server.usecases.party import add_party, list_parties, set_party
from server.usecases.permit import add_permit, list_permits, revoke_permit
from server.usecases.runtime import Runtime
from server.usecases.terms import list_terms


@click.group(epilog=examples("accord admin party list"))
def party() -> None:
    """Organisations."""


@party.command("add", epilog=examples('accord admin party add hospital-a --name "Hospital A" --role provider'))
@click.argument("key")
@click.option("--name", required=True, help="what it is called")
@click.option("--role", required=True, type=click.Choice(ROLES), help="what it is here for")
@click.option("--unapproved", is_flag=True, help="it may use nothing until it is approved")
@click.option("--external", is_flag=True, help="its users see only what is shared with external users, once it is admitted")
@as_operator
def _add_party(runtime: Runtime, actor: str, key: str, name: str, role: str, *, unapproved: bool, external: bool) -> None:
    """Register an organisation."""
    add_party(runtime, actor, key, name, role, approved=not unapproved, external=external)
    print(f"{key}: {role}{', external' if external else ''}{', not approved' if unapproved or external else ''}")
    node, version = only((n.name for n in list_nodes(runtime)), "NODE"), only((t.version for t in list_terms(runtime)), "VERSION")
    agree = f"accord admin agreement add KEY --provider {key} --node {node} --terms {version} --visibility preview"
    say_next(agree if role == "provider" else f"accord admin client add NAME --party {key} --terms {version}")


@party.command("set", epilog=examples('accord admin party set hospital-a --name "Hospital A, Department of Radiology"'))
@click.argument("key")
@click.option("--name", help="what it is called, such as 'Hospital A'")
@click.option("--role", type=click.Choice(ROLES), help="what it is here for, while nothing stands on that")
@as_operator
def _set_party(runtime: Runtime, actor: str, key: str, name: str | None, role: str | None) -> None:
    """Change an organisation's name or role."""
    if name is None and role is None:
        raise click.UsageError("Say what to change: --name or --role.")
    set_party(runtime, actor, key, name=name, role=role)
    print(f"{key}: set")


def _add_approval(verb: str, sentence: str, done: str, *, approved: bool) -> None:
    @party.command(verb, help=sentence, epilog=examples(f"accord admin party {verb} university-b"))
    @click.argument("key")
    @as_operator
    def approve(runtime: Runtime, actor: str, key: str) -> None:
        set_party(runtime, actor, key, approved=approved)
        print(f"{key}: {done}")


@party.command("external", epilog=examples("accord admin party external startup-c"))
@click.argument("key")
@as_operator
def _external(runtime: Runtime, actor: str, key: str) -> None:
    """Say that an organisation is external: it uses nothing from now on until it is admitted."""
    set_party(runtime, actor, key, external=True)
    print(f"{key}: external")


@party.command("beneficiary", epilog=examples("accord admin party beneficiary startup-c"))
@click.argument("key")
@ALONE
@as_actor
def _beneficiary(runtime: Runtime, actor: Actor, key: str, alone: str | None) -> None:
    """Say that an external organisation is a beneficiary from now on, by two operators where there are two; then approve it."""
    print(decided(runtime, actor, "make-beneficiary", {"party": key}, f"{key} is a beneficiary", alone))


@party.command("admit", epilog=examples("accord admin party admit startup-c"))
@click.argument("key")
@ALONE
@as_actor
def _admit(runtime: Runtime, actor: Actor, key: str, alone: str | None) -> None:
    """Admit an external organisation, by two operators where there are two: it may use what is shared with external users."""
    print(decided(runtime, actor, "admit-external", {"party": key}, f"admit {key}", alone))


_add_approval("approve", "Let an organisation use data, as its agreements and permits say.", "approved", approved=True)
_add_approval("revoke", "Take an organisation's approval back: it uses nothing from now on.", "not approved", approved=False)


@lists(party, "party", "role", "approved", "external", "name")
def _list_parties(runtime: Runtime) -> Rows:
    """Every organisation."""
    return ((p.key, p.role, p.approved, p.external, p.name) for p in list_parties(runtime))


@click.group(epilog=examples("accord admin client list"))
def client() -> None:
    """Programs that get tokens."""


_JWKS = click.option(
    "--jwks", type=Path, metavar="FILE", help="its public keys, as JWKS or PEM: RSA from 2048 bits, or EC on P-384"
)
_JWKS_URL = click.option("--jwks-url", metavar="URL", help="where it publishes its keys, such as https://lab.example/jwks.json")
_WRITE = click.option("--write", type=Path, metavar="FILE", help="where to write its client file; default: NAME.client.json")
_VIEWER = click.option(
    "--viewer/--no-viewer",
    default=None,
    help="people look at images in it: frames, and what is drawn over images, are a view to it and no export",
)
_PURPOSES = click.option("--purposes", type=words, metavar="WORDS", help="among AIRESEARCH, AITRAIN, FEDLEARN")


@client.command(
    "add",
    epilog=examples(
        "accord admin client add pacs-a --party hospital-a --terms 1.0.0",
        "accord admin client add lab-b --party university-b --terms 1.0.0 --purposes AIRESEARCH --write lab-b.client.json",
        "accord admin client add gpu-b --party university-b --terms 1.0.0 --purposes AITRAIN --node hospital-a --jwks keys.pem",
        "accord admin client add ohif-b --party university-b --terms 1.0.0 --purposes AIRESEARCH --viewer",
    ),
)
@click.argument("client_id", metavar="NAME")
@click.option("--party", required=True, metavar="KEY", help="its organisation")
@click.option(
    "--scopes", type=words, metavar="WORDS", help="SMART scopes, such as system/*.rs; default: what its organisation's role needs"
)
@_PURPOSES
@_VIEWER
@click.option("--node", help="the node inside whose compute networks it runs")
@click.option("--terms", metavar="VERSION", help="the terms version it accepted; without one it gets no token")
@click.option("--name", default="", help="what it is called in lists, such as 'PACS of Hospital A'")
@_JWKS
@_JWKS_URL
@_WRITE
@as_operator
def _add_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    jwks: Path | None,
    jwks_url: str | None,
    write: Path | None,
    purposes: list[str] | None,
    scopes: list[str] | None,
    *,
    viewer: bool | None,
    **registered: str,
) -> None:
    """Register a client of an organisation; without --jwks a key pair is made, and its client file written."""
    path = write or Path(f"{client_id}.client.json")
    private, public = (None, None) if jwks_url else _keys(jwks, path)
    keys = {"jwks": public, "jwks_url": jwks_url}
    said = {"scopes": scopes, "purposes": purposes or (), "viewer": bool(viewer)}
    added = add_client(runtime, actor, client_id, **keys, **said, **registered)  # type: ignore[arg-type]
    print(f"{client_id}: added")
    if private is not None:
        _write(runtime, path, added, private)
    _advise(runtime, added, path if private else None)


def _keys(jwks: Path | None, path: Path) -> tuple[dict[str, object] | None, dict[str, object]]:
    """(the private key where one is made, the public keys). What would keep a client file from being written is raised now."""
    if jwks is not None:
        return None, read_public_keys(jwks.read_bytes())
    check_free(path)
    return new_client_key()


def _write(runtime: Runtime, path: Path, row: ClientRow, private: dict[str, object]) -> None:
    purpose = next(iter(sorted(row.purposes)), None)
    write_client(path, ClientFile(row.client_id, runtime.settings.base_url, " ".join(row.scopes), purpose, private))
    print(f"client file: {path} (keep it secret)")


def _advise(runtime: Runtime, row: ClientRow, path: Path | None) -> None:
    """What keeps the client from being of use, and what it does first."""
    if not row.terms:
        newest = [t.version for t in list_terms(runtime)][-1:]
        print(f"{row.client_id} gets no token before it accepted the terms of use.")
        say_next(f"accord admin client set {row.client_id} --terms {(newest or ['VERSION'])[0]}")
    elif row.role == "user" and not row.purposes:
        print(f"{row.client_id} has no purpose, so it may use no images.")
        say_next(f"accord admin client set {row.client_id} --purposes AIRESEARCH")
    elif path is not None:
        say_next(f"{_FIRST.get(row.role, 'accord token')} --as {quote(os.fspath(path))}")


_FIRST = {"provider": "accord push FOLDER", "user": "accord search"}
"""An organisation's role → what its client does first."""


@client.command(
    "set",
    epilog=examples(
        "accord admin client set lab-b --terms 1.1.0 --purposes AIRESEARCH,AITRAIN --scopes system/*.rs --node hospital-a",
        "accord admin client set lab-b --new-key --write lab-b-2.client.json",
        "accord admin client set lab-b --jwks keys.pem",
    ),
)
@click.argument("client_id", metavar="NAME")
@click.option("--terms", metavar="VERSION", help="the terms version it accepted")
@click.option("--scopes", type=words, metavar="WORDS", help="SMART scopes, all of them")
@_PURPOSES
@_VIEWER
@click.option("--node", help="the node inside whose compute networks it runs; '' for none")
@_JWKS
@_JWKS_URL
@click.option("--new-key", is_flag=True, help="make a new key pair and write a client file; the old key is good for nothing then")
@_WRITE
@as_operator
def _set_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    jwks: Path | None,
    jwks_url: str | None,
    write: Path | None,
    *,
    new_key: bool,
    **changed: str | bool | Sequence[str] | None,
) -> None:
    """Change what a client may ask for, its keys, or the terms it accepted; what is not named stays as it is."""
    if not (new_key or jwks or jwks_url) and all(value is None for value in changed.values()):
        raise click.UsageError("Say what to change.")
    if new_key and (jwks or jwks_url):
        raise Invalid("keys", "A client has a new key pair, or keys of its own.", "jwks")
    path = write or Path(f"{client_id}.client.json")
    private, public = _keys(jwks, path) if new_key or jwks else (None, None)
    row = set_client(runtime, actor, client_id, jwks=public, jwks_url=jwks_url, **changed)  # type: ignore[arg-type]
    print(f"{client_id}: set")
    if private is not None:
        _write(runtime, path, row, private)
    _advise(runtime, row, path if private else None)


def _add_door(verb: str, sentence: str, done: str, *, enabled: bool) -> None:
    @client.command(verb, help=sentence, epilog=examples(f"accord admin client {verb} lab-b"))
    @click.argument("client_id", metavar="NAME")
    @as_operator
    def enable(runtime: Runtime, actor: str, client_id: str) -> None:
        set_client(runtime, actor, client_id, enabled=enabled)
        print(f"{client_id}: {done}")


_add_door("disable", "Give a client nothing from its next request on.", "disabled", enabled=False)
_add_door("enable", "Let a client in again.", "enabled", enabled=True)


@lists(client, "client", "party", "role", "enabled", "terms", "purposes", "scopes", "node")
def _list_clients(runtime: Runtime) -> Rows:
    """Every client."""
    return (
        (
            c.client_id,
            c.party,
            c.role,
            c.enabled,
            " ".join(sorted(c.terms)),
            " ".join(sorted(c.purposes)),
            " ".join(c.scopes),
            c.node,
        )
        for c in list_clients(runtime)
    )


@click.group(epilog=examples("accord admin permit list"))
def permit() -> None:
    """Leave to use what is shared under conditions."""


_HOLDER = click.option("--party", required=True, metavar="KEY", help="the organisation that holds it")


@permit.command("add", epilog=examples("accord admin permit add BREAST-A --party university-b --ends 2027-12-31 --export"))
@click.argument("dataset")
@_HOLDER
@click.option("--ends", type=date, metavar="DATE", help="default: no end")
@click.option("--export", is_flag=True, help="it may take it out for AIRESEARCH, where the provider agreed to that")
@click.option(
    "--evidence", type=words, metavar="TERMS", default="", help="data-use terms whose evidence was seen, such as IRB,GS"
)
@as_operator
def _add_permit(
    runtime: Runtime, actor: str, dataset: str, party: str, ends: datetime | None, evidence: list[str], *, export: bool
) -> None:
    """Permit an organisation the use of a dataset."""
    add_permit(runtime, actor, dataset, party, ends, export=export, evidence=evidence)
    print(f"{party}: may use {dataset}{', and take it out' if export else ''}")
    say_next("accord serve   # unless it runs")


@permit.command("revoke", epilog=examples("accord admin permit revoke BREAST-A --party university-b"))
@click.argument("dataset")
@_HOLDER
@as_operator
def _revoke_permit(runtime: Runtime, actor: str, dataset: str, party: str) -> None:
    """Take an organisation's permits for a dataset back."""
    revoke_permit(runtime, actor, dataset, party)
    print(f"{party}: holds no permit for {dataset}")


@lists(permit, "dataset", "party", "starts", "ends", "export", "revoked", "evidence")
def _list_permits(runtime: Runtime) -> Rows:
    """Every permit."""
    return (
        (alias, p.party, p.starts, p.ends, p.export, revoked, " ".join(sorted(p.evidence)))
        for alias, p, revoked in list_permits(runtime)
    )
