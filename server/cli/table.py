"""Lists: rows under what their columns are, a table on a terminal, cells between tabs in a pipe, objects with `--json`."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

Rows = Iterable[Sequence[object]]

SHORT, GAP = 16, 3
"""Letters of a cell that is not folded (a moment has sixteen), and between two cells."""


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
    """A table where no word is broken, so that it can be copied; a block for each row where the terminal is too narrow."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, table = Console(), Table(box=SIMPLE_HEAD, pad_edge=False)
    cells = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(_longest, column)) for column in zip(columns, *cells, strict=True)]
    if sum(widths) + GAP * len(widths) > console.width and cells:
        _print_blocks(columns, cells)
        return
    for place, column in enumerate(columns):
        unbroken = all(len(cell) <= widths[place] for cell in (column, *(row[place] for row in cells)))
        table.add_column(column, no_wrap=unbroken, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # as text: a title may have [brackets]
    console.print(table)


def _longest(cell: str) -> int:
    """Letters of the longest word, which is not broken; a short cell is none to break either."""
    return len(cell) if len(cell) <= SHORT else max(map(len, cell.split(" ")))


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    margin = max(map(len, columns))
    for row in rows:
        print("\n".join(f"{column:{margin}}  {cell}" for column, cell in zip(columns, row, strict=True)), end="\n\n")
