"""The explorer's page as Chromium shows it: the question that it sends of itself, and the table that it draws."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.peers.conftest import ran
from tests.peers.eucaim.expected import Counts

Seen = tuple[str, Any, Counts]
"""A row's name, the AST that the page sent, and what its table says."""


def seen(explorer: Path, port: int, pictures: Path) -> Iterator[Seen]:
    """Some rows, clicked; the page's own errors are printed."""
    printed = ran("node", "explorer.mjs", shutil.which("chromium"), port, pictures, cwd=explorer)
    for line in map(json.loads, printed.splitlines()):
        if "errors" in line:
            print(f"the page's own errors: {'; '.join(line['errors']) or 'none'}")
        else:
            yield line["name"], line["ast"], _counts(line["table"])


def _counts(table: list[list[str]]) -> Counts:
    """Its columns: collection, provider, studies, subjects; titles in `tests.peers.world` are aliases, in small letters."""
    return {title.upper(): (int(studies), int(subjects)) for title, _, studies, subjects, *_ in table}
