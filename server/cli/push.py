"""`accord push`: send files and folders into one batch, and print its report.

What the dataset holds already is not sent again, so a push that was stopped goes on where it was when it is run again.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from adapters.accord_client import AccordClient, Offered
from adapters.client_file import read_client
from mappings.failures import Invalid
from server.cli.help import examples
from server.cli.progress import transfer_bar

LARGEST = 4_096_000_000
"""Bytes of the largest file that is sent: what a server takes unless it is configured otherwise."""
LONGEST_NAME = 1024
"""Bytes of the longest name a report can hold."""
EMPTY, BESIDE = "is empty.", "belongs to a file system, not to a study."
DIRECTORY, PDF = "is a directory of files (PS3.10), no object of its own.", "is a PDF, not a DICOM file."
NO_SURPRISE = frozenset({EMPTY, BESIDE, DIRECTORY, PDF})
_BESIDE = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
Skipped = tuple[str, str]


@click.command(
    epilog=examples(
        "accord push export/ --as pacs-a.client.json --dataset BREAST-A",
        "accord push one.dcm --as pacs-a.client.json --report csv",
    )
)
@click.argument("paths", type=Path, nargs=-1, required=True, metavar="PATH...")
@click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file of the provider")
@click.option("--dataset", metavar="ALIAS", help="the dataset; not needed where the provider has one open")
@click.option("--report", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True, help="the report's form")
@click.option("--url", help="the server, such as https://accord.example; default: the one in the client file")
def push(paths: tuple[Path, ...], client: Path, dataset: str | None, report: str, url: str | None) -> int:
    """Send DICOM files into a dataset and print what became of each.

    PATH is a file, or a folder with all that is in it. What lies beside images on every disk and disc (.DS_Store, DICOMDIR, a
    PDF, an empty file) is skipped. Ends with 1 where something was refused, or can't be sent.
    """
    files, skipped = gathered(paths)
    for name, why in skipped:
        print(f"skipped: {name!a} {why}", file=sys.stderr)
    if not files:
        raise Invalid("nothing-to-send", "There is no file to send.")
    with AccordClient(read_client(client), url) as accord:
        key = accord.open_batch(dataset)
        with transfer_bar(f"{len(files)} files", sum(f.size for f in files)) as moved:
            accord.send(key, files, moved)
        closed = accord.close_batch(key)
        sys.stdout.flush()
        accord.report(key, report, sys.stdout.buffer)
    return 1 if closed["outcomes"]["reject"] or any(why not in NO_SURPRISE for _, why in skipped) else 0


def gathered(paths: Sequence[Path]) -> tuple[list[Offered], list[Skipped]]:
    """The files under these paths, sorted by path, each named once; and what is not sent, with the reason.

    A file of a single folder is named by its path in it, any other by its path as it was given.
    """
    files: dict[str, Offered] = {}
    skipped: list[Skipped] = []
    folder = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
    for path, why in sorted(entry for given in paths for entry in _walked(given)):
        named = path.relative_to(folder) if folder else path
        name = os.fsencode(named.as_posix()).decode("utf-8", "backslashreplace")
        size, wrong = (0, why) if why else _judged(path, name)
        if wrong:
            skipped.append((name, wrong))
        else:
            files[name] = Offered(name, path, size)
    return list(files.values()), skipped


def _walked(given: Path) -> Iterator[tuple[Path, str]]:
    """Everything under a path that is no folder, and each folder that can't be listed with the reason."""
    if not given.is_dir():
        yield given, ""
        return
    unlisted: list[OSError] = []
    for folder, folders, names in os.walk(given, onerror=unlisted.append):
        links = [name for name in folders if Path(folder, name).is_symlink()]  # they are not followed: they may lead anywhere
        yield from ((Path(folder, name), "") for name in (*names, *links))
    yield from ((Path(error.filename), "can't be listed.") for error in unlisted)


def _judged(path: Path, name: str) -> tuple[int, str]:
    """(size, why it is not sent), the second empty for a file that is."""
    try:
        status = path.lstat()
    except OSError:
        return 0, "is not there."
    if not stat.S_ISREG(status.st_mode):
        return 0, "is not a regular file."
    if not os.access(path, os.R_OK):
        return 0, "can't be read."
    if status.st_size > LARGEST:
        return 0, f"is larger than {LARGEST // 1_000_000} MB."
    if len(name.encode()) > LONGEST_NAME:
        return 0, f"has a path of more than {LONGEST_NAME} bytes."
    return status.st_size, _no_image(path, status.st_size)


def _no_image(path: Path, size: int) -> str:
    """Why this is no image, where that surprises nobody."""
    if not size:
        return EMPTY
    if path.name in _BESIDE or path.name.startswith("._"):
        return BESIDE
    if path.name.upper() == "DICOMDIR":
        return DIRECTORY
    with path.open("rb") as file:
        return PDF if file.read(5) == b"%PDF-" else ""
