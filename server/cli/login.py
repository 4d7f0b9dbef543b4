"""`accord login`: let this command line act as a person, who says so in a browser."""

from pathlib import Path

import click
import httpx

from adapters.login_file import begin, wait, write_login
from server.cli.help import examples

SECONDS = 15


@click.command(
    epilog=examples(
        "accord login",
        "accord login --url https://accord.example.org --write ada.login.json --scope system/ImagingStudy.rs",
    )
)
@click.option(
    "--url", default="http://127.0.0.1:8080", metavar="URL", help="the Accord's base URL, such as http://127.0.0.1:8080"
)
@click.option("--scope", help="SMART scopes, by blanks; default: system/*.rs")
@click.option(
    "--write",
    type=Path,
    default=Path("accord.login.json"),
    metavar="FILE",
    help="where the login is kept, such as accord.login.json; it is yours alone",
)
def login(url: str, scope: str | None, write: Path) -> None:
    """Act as a person who signs in with a browser.

    The file that is written is for `accord token --as FILE`. The login ends on the page of your account.
    """
    with httpx.Client(timeout=SECONDS) as http:
        waiting = begin(http, url, scope)
        print(f"Open {waiting.verification_uri} and type {waiting.user_code}", flush=True)
        write_login(write, wait(http, waiting))
    print(f"login file: {write}")
