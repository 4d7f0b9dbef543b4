"""EUCAIM's own programs before a filled Accord: `make eucaim FOCUS=… BEAM=… SPOT=… EXPLORER=… LAPLACE=…` (`tests/peers/README.md`).

Builds them, asks every row of the explorer's catalogue through all of them, and looks at the explorer in Chromium. Fails where an
answer is not what plain counting of the objects gives.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.peers.conftest import ran
from tests.peers.eucaim.ask import Answer, ask
from tests.peers.eucaim.build import build
from tests.peers.eucaim.chain import PAGE_PORT, chain
from tests.peers.eucaim.expected import Counts, expected, held
from tests.peers.eucaim.rows import Row, rows
from tests.peers.world import world

SECRET = "Secret of the federation"
DATASETS = ("LIVER", "OPEN")
SOURCES = ("focus", "beam", "spot", "explorer", "laplace")


def main() -> int:
    """1 where a row is answered otherwise."""
    given = _arguments()
    built = build({name: getattr(given, name) for name in SOURCES}, given.into)
    pictures = given.into / "pictures"
    pictures.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            world(home, federation_secret=SECRET, federation_minute="1000") as accord,
            chain(built.programs, home, accord.base, SECRET) as spot,
        ):
            all_of_it = held(accord, DATASETS)
            wrong = [row for row in rows(built.explorer) if not _right(row, ask(spot, row.ast), expected(row, all_of_it))]
            print(ran("node", "explorer.mjs", ran("which", "chromium").strip(), PAGE_PORT, pictures, cwd=built.explorer), end="")
    print(f"{len(wrong)} rows are answered otherwise than expected. Look at the pictures: {pictures}")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.eucaim")
    for name in SOURCES:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"a git clone of samply's {name}")
    parser.add_argument(
        "--into", type=Path, required=True, help="where it is built, and pictures are kept; outside this repository"
    )
    return parser.parse_args()


def _right(row: Row, answer: Answer, right: Counts) -> bool:
    """Prints a line: asked, answered, expected."""
    is_right = answer.status == "succeeded" and answer.counts == right
    print(
        f"{'ok' if is_right else '!!'}  {row.name:58.58}  {_said(answer.counts):28}  {_said(right):28}  {answer.status}",
        flush=True,
    )
    return is_right


def _said(counts: Counts) -> str:
    return ", ".join(f"{name} {studies}/{subjects}" for name, (studies, subjects) in sorted(counts.items())) or "–"


if __name__ == "__main__":
    sys.exit(main())
