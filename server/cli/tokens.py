"""`accord token`: ask the token endpoint for an access token with a client's own key, and print it."""

from pathlib import Path

import click
import httpx

from adapters.accord_client import ask_token, find_token_endpoint
from adapters.client_file import read_client
from adapters.login_file import read_login, renew
from server.cli.help import examples

SECONDS = 15


def fetch(client_file: Path, *, scope: str | None = None, purpose: str | None = None) -> str:
    """An access token for a client file; what is not given is as it says. Raises Invalid, Unauthenticated, Unavailable.

    Of a login file, one of its person as the login was given: its scopes and purpose are not asked for anew.
    """
    with httpx.Client(timeout=SECONDS) as http:
        if client_file.is_file() and read_login(client_file) is not None:
            return renew(http, client_file)
        known = read_client(client_file)
        return ask_token(http, known, find_token_endpoint(http, known), scope, purpose).text


@click.command(
    epilog=examples(
        "accord token --as lab-b.client.json",
        "accord token --as ada.login.json",
        "accord token --as lab-b.client.json --scope system/ImagingStudy.rs --purpose AITRAIN",
    )
)
@click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file, or the one of `accord login`")
@click.option("--scope", help="SMART scopes, by blanks; default: the client file's")
@click.option("--purpose", help="one purpose; default: the client file's")
def token(client: Path, scope: str | None, purpose: str | None) -> None:
    """Print an access token, good for five minutes.

    Nothing else is printed, so that `$(accord token --as FILE)` is it.
    """
    print(fetch(client, scope=scope, purpose=purpose))
