"""Rows as they are printed: a table on a terminal, lines of cells between tabs for scripts."""

import sys
from collections.abc import Iterable, Sequence


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print these rows; only a terminal is told what their columns are."""
    if sys.stdout.isatty():
        _print_table(columns, rows)
        return
    for row in rows:
        print("\t".join(map(str, row)))


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a cut name could not be used
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))  # as text: a title may have [brackets]
    Console().print(table)
