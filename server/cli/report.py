"""`accord report`: what became of the files of a batch, as its provider is told."""

import sys
from datetime import datetime
from pathlib import Path

import click

from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from server.cli.help import examples
from server.cli.sentences import warn
from server.cli.table import print_rows

COLUMNS = ("batch", "dataset", "door", "opened", "state", "files", "waiting")


@click.command(
    epilog=examples(
        "accord report --as pacs-a.client.json",
        "accord report 4f1d2c3b4a596877 --as pacs-a.client.json --format csv --url https://accord.example",
    )
)
@click.argument("batch", required=False)
@click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file of the provider")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True, help="the report's form"
)
@click.option("--url", help="the server, such as https://accord.example; default: the one in the client file")
def report(batch: str | None, client: Path, form: str, url: str | None) -> None:
    """Say what became of each file of a batch; without one, which batches there are, at most a hundred."""
    with AccordClient(read_client(client), url, waits=warn) as accord:
        if batch is not None:
            accord.report(batch, form, sys.stdout.buffer)
            return
        told = accord.batches()
    rows = (
        (b["id"], b["dataset"], b["door"], datetime.fromisoformat(b["opened"]), b["status"], b["files"], b["waiting"])
        for b in told
    )
    print_rows(COLUMNS, rows, as_json=form == "json")
