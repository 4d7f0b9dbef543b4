"""Takes each line that enforces a clause of the terms away in turn, and sees that each of its tests goes red.

The tests of all clauses are run first, as the code is: they must pass. Works on a copy; `docs/terms.md` has the table.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from benchmarks import world
from tests.terms_doc import CLAUSES, TOP, Clause, Switch

_LEFT = shutil.ignore_patterns(".git", ".venv", ".demo", "__pycache__", ".*_cache", "*.egg-info")
FAILED = 1
"""How pytest ends when tests ran and some failed."""


def main() -> None:
    """Switch off, run, tell; ends with 1 where a test of a clause stayed green, or they did not pass as the code is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only clauses whose line or topic contains one of these")
    words = parser.parse_args().words
    chosen = [each for each in CLAUSES if each.switch and (not words or any(w in f"{each.topic} {each.does}" for w in words))]
    with tempfile.TemporaryDirectory(prefix="accord-clauses-") as made:
        tree = Path(made) / "tree"
        shutil.copytree(TOP, tree, ignore=_LEFT)
        status, said = _run(tree, sorted({test for each in chosen for test in each.tests}))
        if status:
            sys.exit(f"As the code is, the tests of the clauses do not pass:\n{said}")
        green = _switched(tree, chosen)
    print(f"\n{len(chosen)} clauses; without its line, {len(chosen) - green} are missed by every test named, {green} are not.")
    sys.exit(bool(green))


def _switched(tree: Path, chosen: list[Clause]) -> int:
    """How many clauses have a test that did not miss their line."""
    rows, green = [], 0
    for clause in tqdm(chosen, desc="clauses", unit="clause", leave=False):
        assert clause.switch
        reds = {test: _goes_red(tree, clause.switch, test) for test in clause.tests}
        green += not all(reds.values())
        rows.append([clause.topic, clause.does, "<br>".join(test if red else f"**green**: {test}" for test, red in reds.items())])
    world.table(("", "switched off", "red"), rows)
    return green


def _goes_red(tree: Path, switch: Switch, test: str) -> bool:
    file = tree / switch.file
    whole = file.read_text()
    file.write_text(whole.replace(switch.line, switch.off))
    try:
        return _run(tree, [test])[0] == FAILED
    finally:
        file.write_text(whole)


def _run(tree: Path, tests: Iterable[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout[-2000:]


if __name__ == "__main__":
    main()
