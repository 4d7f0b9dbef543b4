"""Who takes part: organisations, their clients, and permits for what is shared under conditions."""

import json
from datetime import datetime
from pathlib import Path

import click

from adapters.identity import ClientFile, new_client_key, registered_jwks, write_client
from consent.party import ROLES
from server.cli.options import as_operator, date, with_runtime, words
from server.cli.table import print_rows
from server.usecases.client import add_client, list_clients, set_client
from server.usecases.party import add_party, list_parties
from server.usecases.permit import add_permit, list_permits, revoke_permit
from server.usecases.runtime import Runtime


@click.group()
def party() -> None:
    """Organisations."""


@party.command("add")
@click.argument("key")
@click.option("--name", required=True)
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--unapproved", is_flag=True, help="it may use nothing until it is approved")
@as_operator
def _add_party(runtime: Runtime, actor: str, key: str, name: str, role: str, *, unapproved: bool) -> None:
    """Register an organisation."""
    add_party(runtime, actor, key, name, role, approved=not unapproved)


@party.command("list")
@with_runtime
def _list_parties(runtime: Runtime) -> None:
    """Every organisation."""
    print_rows(("party", "role", "approved", "name"), ((p.key, p.role, p.approved, p.name) for p in list_parties(runtime)))


@click.group()
def client() -> None:
    """Programs that get tokens."""


@client.command("add")
@click.argument("client_id")
@click.option("--party", required=True)
@click.option("--scopes", type=words, metavar="WORDS", default="system/*.rs", show_default=True)
@click.option("--purposes", type=words, metavar="WORDS", default="")
@click.option("--node", help="the node inside whose compute networks it runs")
@click.option("--terms", help="the terms version it accepted; without one it gets no token")
@click.option("--name", default="")
@click.option("--jwks", type=Path, metavar="FILE", help="file with its public keys; without, a key pair is made")
@click.option("--write", type=Path, metavar="FILE", help="where to write the client file of a made key pair")
@as_operator
def _add_client(
    runtime: Runtime,
    actor: str,
    client_id: str,
    jwks: Path | None,
    write: Path | None,
    scopes: list[str],
    purposes: list[str],
    **registered: str,
) -> None:
    """Register a client of an organisation."""
    private, public = (None, registered_jwks(json.loads(jwks.read_text()))) if jwks else new_client_key()
    add_client(runtime, actor, client_id, jwks=public, scopes=scopes, purposes=purposes, **registered)
    if private is not None:
        path = write or Path(f"{client_id}.client.json")
        token_url, purpose = f"{runtime.settings.base_url}/oauth/token", next(iter(purposes), None)
        write_client(path, ClientFile(client_id, token_url, " ".join(scopes), purpose, private))
        print(f"client file: {path} (keep it secret)")


@client.command("set")
@click.argument("client_id")
@click.option("--terms", required=True, help="the terms version it accepted")
@as_operator
def _set_client(runtime: Runtime, actor: str, client_id: str, terms: str) -> None:
    """Record that a client accepted a version of the terms."""
    set_client(runtime, actor, client_id, terms=terms)


@client.command("disable")
@click.argument("client_id")
@as_operator
def _disable_client(runtime: Runtime, actor: str, client_id: str) -> None:
    """Give a client nothing from its next request on."""
    set_client(runtime, actor, client_id, enabled=False)


@client.command("enable")
@click.argument("client_id")
@as_operator
def _enable_client(runtime: Runtime, actor: str, client_id: str) -> None:
    """Let a client in again."""
    set_client(runtime, actor, client_id, enabled=True)


@client.command("list")
@with_runtime
def _list_clients(runtime: Runtime) -> None:
    """Every client."""
    rows = ((c.client_id, c.enabled, " ".join(sorted(c.purposes)), " ".join(c.scopes)) for c in list_clients(runtime))
    print_rows(("client", "enabled", "purposes", "scopes"), rows)


@click.group()
def permit() -> None:
    """Leave to use what is shared under conditions."""


@permit.command("add")
@click.argument("dataset")
@click.option("--party", required=True)
@click.option("--ends", type=date, metavar="DATE")
@click.option("--export", is_flag=True, help="it may take it out for AIRESEARCH, where the provider agreed to that")
@as_operator
def _add_permit(runtime: Runtime, actor: str, dataset: str, party: str, ends: datetime | None, *, export: bool) -> None:
    """Permit an organisation the use of a dataset."""
    add_permit(runtime, actor, dataset, party, ends, export=export)


@permit.command("revoke")
@click.argument("dataset")
@click.option("--party", required=True)
@as_operator
def _revoke_permit(runtime: Runtime, actor: str, dataset: str, party: str) -> None:
    """Take an organisation's permits for a dataset back."""
    revoke_permit(runtime, actor, dataset, party)


@permit.command("list")
@with_runtime
def _list_permits(runtime: Runtime) -> None:
    """Every permit."""
    rows = ((alias, p.party, p.starts, p.ends, p.export, revoked) for alias, p, revoked in list_permits(runtime))
    print_rows(("dataset", "party", "starts", "ends", "export", "revoked"), rows)
