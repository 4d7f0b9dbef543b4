"""Lists: rows under what their columns are, a table on a terminal, cells between tabs in a pipe, objects with `--json`."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

Rows = Iterable[Sequence[object]]

SHORT, GAP = 10, 3
"""Letters of a cell that is not folded, and between two cells."""


def print_rows(columns: Sequence[str], rows: Rows, *, as_json: bool = False) -> None:
    """Print these rows under their columns, or as JSON, whose members are called as the columns."""
    if as_json:
        names = [column.lower().replace(" ", "_") for column in columns]
        told = [dict(zip(names, map(_value, row), strict=True)) for row in rows]
        print(json.dumps(told, indent=1, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(columns, rows)
    else:
        for row in (columns, *rows):
            print("\t".join(map(_cell, row)))


def _value(cell: object) -> object:
    """A cell as JSON has it."""
    if cell is None or type(cell) in (bool, int, str):
        return cell
    return cell.isoformat() if isinstance(cell, datetime) else str(cell)


def _cell(cell: object) -> str:
    """A cell as a person reads it."""
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else str(cell)


def _print_table(columns: Sequence[str], rows: Rows) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, table = Console(), Table(box=SIMPLE_HEAD, pad_edge=False)
    cells = [[_cell(cell) for cell in row] for row in rows]
    whole = _kept_whole([columns, *cells], console.width)
    for place, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=place in whole)  # folded, since a cut name could not be used
    for row in cells:
        table.add_row(*map(Text, row))  # as text: a title may have [brackets]
    console.print(table)


def _kept_whole(rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """The places of columns whose cells are short, as dates and counts: not folded where that leaves the others room."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    short = {place for place, widest in enumerate(widths) if widest <= SHORT}
    needed = sum(widths[place] if place in short else SHORT for place in range(len(widths))) + GAP * len(widths)
    return short if needed <= width else set()
