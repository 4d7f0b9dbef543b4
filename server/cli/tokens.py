"""`accord token`: ask the token endpoint for an access token with a client's own key, and print it."""

import argparse
from pathlib import Path

import httpx

from adapters.accord_client import ask_token
from adapters.identity import read_client

SECONDS = 15


def fetch(client_file: Path, *, scope: str | None = None, purpose: str | None = None) -> str:
    """An access token for a client file; what is not given is as it says. Raises Invalid, Unauthenticated, Unavailable."""
    with httpx.Client(timeout=SECONDS) as http:
        return ask_token(http, read_client(client_file), scope, purpose).text


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
