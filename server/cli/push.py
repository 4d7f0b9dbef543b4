"""`accord push`: send files, folders and archives into one batch, and print its report.

What the dataset holds already is not sent again, so a push that was stopped goes on where it was when it is run again.
"""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from adapters.accord_client import AccordClient, Sent
from adapters.client_file import read_client
from adapters.offered import Offered
from consent.deposit import Outcome
from mappings.failures import Invalid
from server.cli.gather import NO_SURPRISE, UNREAD, Skipped, gathering, skip
from server.cli.help import examples
from server.cli.progress import in_words, transfer_bar
from server.cli.sentences import many, warn


@click.command(
    epilog=examples(
        "accord push export/ --as pacs-a.client.json --dataset BREAST-A",
        "accord push export.tar.gz one.dcm --as pacs-a.client.json --report csv",
    )
)
@click.argument("paths", type=Path, nargs=-1, required=True, metavar="PATH...")
@click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file of the provider")
@click.option("--dataset", metavar="ALIAS", help="the dataset; not needed where the provider has one open")
@click.option("--report", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True, help="the report's form")
@click.option("--url", help="the server, such as https://accord.example; default: the one in the client file")
def push(paths: tuple[Path, ...], client: Path, dataset: str | None, report: str, url: str | None) -> int:
    """Send DICOM files into a dataset and print what became of each.

    PATH is a file, a folder with all that is in it, or a zip or tar archive (also .tar.gz). What lies beside images everywhere
    (.DS_Store, DICOMDIR, a PDF, an empty file) is skipped. After Ctrl-C the same command goes on where it was. Ends with 1 where
    something was refused, or can't be sent.
    """
    with gathering(paths) as (files, skipped), AccordClient(read_client(client), url, waits=warn) as accord:
        if not files:
            raise Invalid("nothing-to-send", "There is no file to send.")
        key = accord.open_batch(dataset)
        sent = Sent()
        try:
            _send(accord, key, files, sent, skipped)
        except KeyboardInterrupt:
            print(_stopped(sent, len(files), _reported(key, client, url)), file=sys.stderr)
            raise
        closed = accord.close_batch(key)
        sys.stdout.flush()
        accord.report(key, report, sys.stdout.buffer)
    sys.stdout.flush()
    print(_summed(sent, closed["outcomes"], len(skipped)), file=sys.stderr)
    return 1 if closed["outcomes"][Outcome.REJECT] or any(why not in NO_SURPRISE for _, why in skipped) else 0


def _send(accord: AccordClient, key: str, files: list[Offered], sent: Sent, skipped: list[Skipped]) -> None:
    with transfer_bar(f"{len(files)} files", sum(f.size for f in files)) as moved:

        def unread(file: Offered) -> None:
            moved(file.size)
            skip(skipped, file.name, UNREAD)

        accord.send(key, files, moved, sent=sent, unread=unread)


def _summed(sent: Sent, outcomes: Mapping[str, Any], skipped: int) -> str:
    """What became of all files, in a line."""
    taken, known, waiting, no = (outcomes[o] for o in (Outcome.PASS, Outcome.DUPLICATE, Outcome.REVIEW, Outcome.REJECT))
    went = f"{many(sent.files + sent.needless + skipped, 'file')}: {sent.files} sent ({in_words(sent.size)})"
    return f"{went}; {taken} taken, {known} known already, {waiting} waiting for review, {no} refused, {skipped} skipped."


def _stopped(sent: Sent, files: int, report: str) -> str:
    """What was sent until it was stopped, how to go on, and the command that tells what came of it."""
    return (
        f"Stopped after {sent.files + sent.needless} of {many(files, 'file')}: {sent.files} sent ({in_words(sent.size)}), "
        f"{sent.needless} known already.\n"
        "To go on, run the very same command again: what has arrived is not sent twice, and the report will name all files.\n"
        f"next: {report}"
    )


def _reported(key: str, client: Path, url: str | None) -> str:
    return shlex.join(["accord", "report", key, "--as", str(client), *(("--url", url) if url else ())])
