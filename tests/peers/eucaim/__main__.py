"""EUCAIM's own programs before a filled Accord (`make eucaim`; `tests/peers/README.md` says how).

Builds them, asks every row of the explorer's catalogue through all of them, then looks at the explorer in Chromium. Each line is
what was asked, what came of it, and what plain counting of the objects gives; the status is 1 where two of these differ.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.peers.eucaim import page, prerequisites
from tests.peers.eucaim.ask import Answer, ask
from tests.peers.eucaim.build import Built, build
from tests.peers.eucaim.chain import PAGE_PORT, chain
from tests.peers.eucaim.expected import Counts, expected, held
from tests.peers.eucaim.rows import Row, rows
from tests.peers.world import world

SECRET = "Secret of the federation"
DATASETS = ("LIVER", "OPEN")
SOURCES = ("focus", "beam", "spot", "explorer", "laplace")


def main() -> int | str:
    """1 where something is answered otherwise; a sentence where something is missing."""
    given = _arguments()
    if missing := prerequisites.missing():
        return missing
    built = build({name: getattr(given, name) for name in SOURCES}, given.into.resolve())
    pictures = given.into.resolve() / "pictures"
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        told = list(_asked(built, Path(folder), pictures))
    print(f"{told.count(True)} of {len(told)} are as expected. Look at the pictures: {pictures}")
    return 0 if all(told) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.eucaim")
    for name in SOURCES:
        parser.add_argument(f"--{name}", type=Path, required=True, help="a git clone of it")
    parser.add_argument(
        "--into", type=Path, required=True, help="where it is built and pictures are kept, outside this repository"
    )
    return parser.parse_args()


def _asked(built: Built, home: Path, pictures: Path) -> Iterator[bool]:
    """Whether each row is right: all of them through Spot, and those that the page is clicked for."""
    settings = {"federation_secret": SECRET, "federation_minute": "1000"}
    with world(home, **settings) as accord, chain(built.programs, home, accord.base, SECRET) as spot:
        all_of_it = held(accord, DATASETS)
        right = {row.name: (row, expected(row, all_of_it)) for row in rows(built.explorer)}
        for row, counts in right.values():
            yield _told("spot", row, ask(spot, row.ast), counts)
        for name, ast, found in page.seen(built.explorer, PAGE_PORT, pictures):
            row, counts = right[name]
            yield _told("page", row, Answer("succeeded" if ast == row.ast else "another question", found), counts)


def _told(by: str, row: Row, answer: Answer, right: Counts) -> bool:
    """Prints a line."""
    is_right = answer.status == "succeeded" and answer.counts == right
    words = (f"{row.name:58.58}", f"{_said(answer.counts):26}", f"{_said(right):26}", answer.status)
    print("ok" if is_right else "!!", by, *words, sep="  ", flush=True)
    return is_right


def _said(counts: Counts) -> str:
    return ", ".join(f"{name} {studies}/{subjects}" for name, (studies, subjects) in sorted(counts.items())) or "–"


if __name__ == "__main__":
    sys.exit(main())
