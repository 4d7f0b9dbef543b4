"""Lists: rows under what their columns are, a table on a terminal, cells between tabs in a pipe, objects with `--json`."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

Rows = Iterable[Sequence[object]]


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

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # a cut name could not be used
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))  # as text: a title may have [brackets]
    Console().print(table)
