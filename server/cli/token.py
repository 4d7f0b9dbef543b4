"""`accord token`: ask the token endpoint for an access token with a client's own key, and print it."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

import httpx

from adapters.identity import assertion, read_client
from mappings.failures import Failure, Unauthenticated, Unavailable

SECONDS = 15
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def fetch(client_file: Path, *, scope: str | None = None, purpose: str | None = None) -> str:
    """An access token for the client of this file; what is not given is as the file says.

    Raises Invalid (the file), Unauthenticated (refused, with the server's own code and sentence), Unavailable (no answer).
    """
    client = read_client(client_file)
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(client, datetime.now(UTC)),
        "scope": client.scope if scope is None else scope,
        "purpose": client.purpose if purpose is None else purpose,
    }
    try:
        answer = httpx.post(client.token_url, data={k: v for k, v in fields.items() if v}, timeout=SECONDS)
        said = answer.json()
        if answer.is_success:
            return str(said["access_token"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError):
        raise Unavailable("token-endpoint-unavailable", f"{client.token_url} does not answer as a token endpoint does.") from None
    raise _refusal(said)


def _refusal(said: object) -> Failure:
    told = said if isinstance(said, dict) else {}
    error = str(told.get("error", "refused"))
    return Unauthenticated(str(told.get("code", error)), f"{error}: {told.get('error_description', 'no reason given')}")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `token` to the command line."""
    parser = subparsers.add_parser("token", help="print an access token, good for five minutes")
    parser.add_argument("--as", dest="client", metavar="FILE", type=Path, required=True, help="the client file")
    parser.add_argument("--scope", help="SMART scopes, by blanks; default: the client file's")
    parser.add_argument("--purpose", help="one purpose; default: the client file's")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the token, nothing else, so that `$(accord token --as FILE)` is it."""
    print(fetch(args.client, scope=args.scope, purpose=args.purpose))
    return 0
