"""Lines of CSV (RFC 4180) that a spreadsheet takes for what they are."""

import csv
import io
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet read a cell as a formula."""


def csv_line(cells: Iterable[str]) -> str:
    """A line of CSV with its end, in which no cell is a formula to a spreadsheet."""
    text = io.StringIO()
    csv.writer(text).writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return text.getvalue()
