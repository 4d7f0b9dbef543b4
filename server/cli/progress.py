"""How far a transfer is, on the terminal of whoever waits for it; nothing where nobody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def in_words(size: float) -> str:
    """Bytes as people read them, in decimal units: 1.5 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@contextmanager
def count_bar(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error for so many things of so many; what is handed out is called with both."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def transfer_bar(label: str, total: int, *, stays: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on standard error for `total` bytes, with speed and time left; `stays` when it is done.

    What is handed out is called with the bytes that went, or with fewer than none where they go again.
    """
    if not sys.stderr.isatty():
        yield lambda _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=not stays) as progress:
        task = progress.add_task(label, total=total)
        yield lambda size: progress.update(task, advance=size)
