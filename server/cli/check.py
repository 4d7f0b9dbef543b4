"""`accord check`: what a server would say of these files, said on this machine, with no account and nothing sent."""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import click

from adapters.offered import Offered
from mappings.check_page import to_page
from mappings.check_report import CheckReport, SeriesReport, to_json, to_text
from mappings.failures import Invalid
from mappings.report import to_csv
from server import wiring
from server.cli.gather import gathering
from server.cli.help import examples
from server.cli.progress import transfer_bar
from server.usecases import check as usecase
from server.usecases.check import MINIMUM, Checked, Looked, Receipts

TOGETHER, AHEAD = 8, 4
"""Files that a process is handed at a time, and how often each is handed some before it has answered."""
FORMS: dict[str, Callable[[CheckReport], Iterator[str]]] = {
    "text": to_text,
    "html": to_page,
    "json": to_json,
    "csv": lambda report: to_csv(report.as_batch),
}


@click.command(epilog=examples("accord check export/", "accord check export.zip --report html --processes 2"))
@click.argument("paths", type=Path, nargs=-1, required=True, metavar="PATH...")
@click.option("--attested", is_flag=True, help="as from a sender whose de-identification is attested")
@click.option("--report", type=click.Choice(list(FORMS)), default="text", show_default=True, help="the report's form")
@click.option("--processes", type=click.IntRange(1, 64), help="how many look at files at once; default: one for each processor")
def check(paths: tuple[Path, ...], report: str, processes: int | None, *, attested: bool) -> int:
    """Say what would become of DICOM files if they were sent. Nothing is sent.

    It needs no account, and says what series lack, too. PATH is a file, a folder with all that is in it, or a zip or tar archive
    (also .tar.gz). A report in html is one page that needs nothing else. Ends with 1 where a file would be refused.
    """
    with gathering(paths) as (files, skipped), Receipts() as receipts:
        if not files:
            raise Invalid("nothing-to-check", "There is no file to check.")
        checked = _checked(files, receipts, processes or os.cpu_count() or 1, attested=attested)
        sys.stdout.writelines(FORMS[report](_told(checked, len(skipped))))
    return 1 if any(outcome == "reject" for outcome, _ in checked.counts) else 0


def _checked(files: list[Offered], receipts: Receipts, processes: int, *, attested: bool) -> Checked:
    with (
        ProcessPoolExecutor(processes, get_context("spawn")) as pool,
        transfer_bar(f"{len(files)} files", sum(file.size for file in files), stays=False) as moved,
    ):

        def each() -> Iterator[Looked]:
            for looked in _looked(pool, files, processes * AHEAD, attested=attested):
                moved(looked.receipt.size)
                yield looked

        return usecase.gather(each(), receipts)


def _looked(pool: Executor, files: list[Offered], ahead: int, *, attested: bool) -> Iterator[Looked]:
    """What was seen of each, in their order. No more is asked for ahead of what is read: answers are held until then."""
    waiting, rest = deque[Future[list[Looked]]](), iter(files)
    now, placeholders = wiring.now(), wiring.placeholders()
    while together := list(islice(rest, TOGETHER)):
        waiting.append(pool.submit(usecase.look, together, now, attested, placeholders))
        if len(waiting) > ahead:
            yield from waiting.popleft().result()
    for last in waiting:
        yield from last.result()


def _told(checked: Checked, skipped: int) -> CheckReport:
    series = [
        SeriesReport(uid, one.study, one.files, [MINIMUM[name] for name in MINIMUM if name in one.lacks], one.missing)
        for uid, one in sorted(checked.series.items())
    ]
    minimum = list(MINIMUM.values())
    return CheckReport(checked.receipts, checked.counts, checked.size, skipped, minimum, series, checked.copies)
