"""`accord check`: what a server would say of these files, said on this machine, with no account and nothing sent."""

import os
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click

from mappings.check_report import CheckReport, SeriesReport, to_json, to_text
from mappings.failures import Invalid
from mappings.report import to_csv
from server import wiring
from server.cli.help import examples
from server.cli.progress import transfer_bar
from server.cli.push import gathered
from server.usecases import check as usecase
from server.usecases.check import MINIMUM, Checked, Source

LARGEST_MEMBER = 1_000_000_000
"""Bytes of the largest file in an archive that is looked at: it is unpacked in memory."""
TOGETHER = 8
"""Files that a process is handed at a time."""


@click.command(epilog=examples("accord check export/", "accord check export.zip --report json --processes 2"))
@click.argument("paths", type=Path, nargs=-1, required=True, metavar="PATH...")
@click.option("--attested", is_flag=True, help="as from a sender whose de-identification is attested")
@click.option("--report", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True, help="the report's form")
@click.option("--processes", type=click.IntRange(1, 64), help="how many look at files at once; default: one for each processor")
def check(paths: tuple[Path, ...], report: str, processes: int | None, *, attested: bool) -> int:
    """Say what would become of DICOM files if they were sent. Nothing is sent.

    It needs no account, and says what series lack, too. PATH is a file, a folder with all that is in it, or a zip archive. Ends
    with 1 where a file would be refused.
    """
    sources, skipped = _sources(paths)
    for name, why in skipped:
        print(f"skipped: {name!a} {why}", file=sys.stderr)
    if not sources:
        raise Invalid("nothing-to-check", "There is no file to check.")
    checked = _looked_at(sources, processes or os.cpu_count() or 1, attested=attested)
    sys.stdout.writelines(_written(_told(checked), report))
    return 1 if any(outcome == "reject" for outcome, _ in checked.counts) else 0


def _sources(paths: tuple[Path, ...]) -> tuple[list[Source], list[tuple[str, str]]]:
    files, skipped = gathered(paths)
    sources, now = list[Source](), wiring.now()
    for file in files:
        if _is_archive(file.path):
            for name, size, member, why in _members(file.path, file.name):
                if why:
                    skipped.append((name, why))
                else:
                    sources.append(Source(file.path, name, size, now, member))
        else:
            sources.append(Source(file.path, file.name, file.size, now))
    return sources, skipped


def _is_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path):
            return True
    except (zipfile.BadZipFile, OSError):
        return False


def _members(path: Path, name: str) -> Iterator[tuple[str, int, str, str]]:
    """(name in the report, bytes, name in the archive, why it is not looked at) of each file of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                yield f"{name}/{entry.filename}", entry.file_size, entry.filename, _unread(entry)


def _unread(entry: zipfile.ZipInfo) -> str:
    """Why this member is not looked at; empty for one that is."""
    if entry.flag_bits & 1:
        return "is encrypted."
    if entry.file_size > LARGEST_MEMBER:
        return f"is larger than {LARGEST_MEMBER // 1_000_000} MB: unpack it."
    return "" if entry.file_size else "is empty."


def _looked_at(sources: list[Source], processes: int, *, attested: bool) -> Checked:
    placeholders = wiring.placeholders()
    count = len(sources)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        looked = pool.map(usecase.look, sources, [attested] * count, [placeholders] * count, chunksize=TOGETHER)
        with transfer_bar(f"{count} files", sum(source.size for source in sources), stays=False) as moved:

            def each() -> Iterator[usecase.Looked]:
                for one in looked:
                    moved(one.receipt.size)
                    yield one

            return usecase.gather(each())


def _told(checked: Checked) -> CheckReport:
    series = [
        SeriesReport(uid, one.study, one.files, [MINIMUM[name] for name in MINIMUM if name in one.lacks], one.missing)
        for uid, one in sorted(checked.series.items())
    ]
    return CheckReport(checked.receipts, checked.counts, series, checked.copies)


def _written(report: CheckReport, form: str) -> Iterator[str]:
    if form == "json":
        yield to_json(report) + "\n"
    else:
        yield from to_text(report) if form == "text" else to_csv(report.as_batch)
