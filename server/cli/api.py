"""`accord api`: one request below `/api`, as a person who logged in or as a client: each act that there is has a verb so."""

import json
import sys
from pathlib import Path

import click
import httpx

from adapters.accord_client import ask_api
from adapters.client_file import read_client
from adapters.login_file import read_login
from mappings.failures import Invalid
from server.cli import tokens
from server.cli.help import examples

SECONDS = 60
MOST_BODY = 8 << 20


@click.command(
    epilog=examples(
        "accord api GET /api/proposals --as ada.login.json",
        "accord api POST /api/agreements/DSA-A/codes --as lise.login.json",
        "accord api POST /api/agreements/DSA-A/signatures --as lise.login.json --body signature.json",
        "accord api POST /api/proposals/4f1d2c3b4a5968774f1d2c3b4a596877/confirmation --as grace.login.json",
    )
)
@click.argument("method", type=click.Choice(["GET", "POST", "PATCH", "DELETE"]))
@click.argument("path")
@click.option("--as", "asker", type=Path, required=True, metavar="FILE", help="a login file (`accord login`), or a client file")
@click.option("--body", type=Path, metavar="FILE", help="JSON to send, such as signature.json; - reads standard input")
def api(method: str, path: str, asker: Path, body: Path | None) -> None:
    """Send one request below /api, and print the answer as JSON.

    What each route asks and tells is in the server's /api/openapi.json. A login that is to act needs the scope for it:
    `accord login --scope "system/*.cruds"`.
    """
    if not path.startswith("/api/"):
        raise Invalid("path", "The path begins with /api/.", "path")
    login = read_login(asker)
    base = login.base_url if login else read_client(asker).base_url
    with httpx.Client(timeout=SECONDS) as http:
        told = ask_api(http, base, tokens.fetch(asker), method, path, None if body is None else _read(body))
    if told is not None:
        print(json.dumps(told, indent=1))


def _read(body: Path) -> bytes:
    said = sys.stdin.buffer.read(MOST_BODY + 1) if str(body) == "-" else body.read_bytes()
    if len(said) > MOST_BODY:
        raise Invalid("body", f"A body has at most {MOST_BODY} bytes.", "body")
    return said
