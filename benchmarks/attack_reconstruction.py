"""How many small counts come out of the federated search by asking: as it was without the rules, and with them.

    python -m benchmarks.attack_reconstruction [--questions 5000] [--datasets 20] [--postgresql]

The attacks of `tests/reconstruction.py` through the real door: least squares, with a deposit after every hundredth question, and
pairs of questions whose answers are equal where nobody is between them. Without the rules, counts were rounded down to tens and
none told below ten; any number of questions was answered, ages in years, without noise.
"""

import argparse
import contextlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from tqdm import tqdm

from benchmarks import world
from consent import disclosure
from mappings import eucaim
from tests import reconstruction as attack

LIMITLESS = 10_000
Solve = Callable[[attack.World], attack.Recovered]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument("--datasets", type=int, default=20, help="with the rules; a tenth of them without")
    parser.add_argument("--postgresql", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # a line for each question over budget
    print(f"# Reconstruction\n\n{world.machine()}\n")
    world.table(("cells", "people", "rules", "questions", "heard", "attacker", "margins", "small cells"), list(_rows(args)))
    world.say(
        f"Shares of the cells below ten that were told exactly, on {world.database_name(args)}. Least squares leans on the",
        "margins, which it knows exactly, knows how far these are off, and by which rules answers are made.",
    )


def _rows(args: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    for people in (160, 300, 1000):
        yield _row(args, people, "with", "crossings")
    for people in (160, 300, 1000):
        yield _by_equality(args, people)
    yield _row(args, 160, "with", "single years")
    for periods in (2, 4, 12):
        yield _row(args, 300, f"with, {periods} periods", "crossings", periods=periods)
    yield _row(args, 160, "without", "single years", rules=False)
    yield _row(args, 300, "without", "crossings", rules=False)


def _row(
    args: argparse.Namespace, people: int, name: str, cells: str, *, rules: bool = True, periods: int = 1
) -> tuple[str, ...]:
    datasets = args.datasets if rules else max(2, args.datasets // 10)
    budget = {} if rules else {"budget_questions": LIMITLESS}
    ask = attack.crossing if cells == "crossings" else attack.decades if rules else attack.years
    made = {"datasets": datasets, "people": people, **budget}
    with tempfile.TemporaryDirectory() as home, world.database(postgresql=args.postgresql) as url:
        house = attack.build(Path(home) / "accord", url=url, **made)
        with contextlib.nullcontext() if rules else _without():
            began = time.monotonic()
            for _ in tqdm(range(periods), desc=f"{cells}, {people} people, {name}", leave=False):
                attack.attack(house, args.questions // periods, ask)
                house.runtime.clock.at += timedelta(days=house.runtime.settings.budget_days)  # type: ignore[attr-defined]
            found = _recovered(house, cells)
        house.runtime.close()
    heard = max(map(len, house.heard.values()))
    shares = f"{found.attacker:.1%}", f"{found.margins:.1%}", str(found.small)
    tqdm.write(f"{cells}, {people} people, {name}: {' '.join(shares)} in {time.monotonic() - began:.0f} s")
    return cells, str(people), name, str(args.questions), str(heard), *shares


def _by_equality(args: argparse.Namespace, people: int) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as home, world.database(postgresql=args.postgresql) as url:
        house = attack.build(Path(home) / "accord", url=url, datasets=args.datasets, people=people)
        found = attack.recovered_by_equality(house)
        house.runtime.close()
    asked = str(len(attack.CELLS) + len(attack.SEXES))
    shares = f"{found.attacker:.1%}", f"{found.margins:.1%}", str(found.small)
    return "crossings, by equality", str(people), "with", asked, asked, *shares


def _recovered(house: attack.World, cells: str) -> attack.Recovered:
    if cells == "crossings":
        return attack.recovered(house, attack.crossed, attack.from_margins)
    return attack.recovered(house, attack.by_year, attack.from_decades)


@contextlib.contextmanager
def _without() -> Iterator[None]:
    """As it was before: the budget is a setting, the rest was not there."""
    with (
        patch.object(disclosure, "noise", lambda *_: 0),
        patch.object(eucaim, "safe_ages", lambda low, high, _minimum: (low, high)),
    ):
        yield


if __name__ == "__main__":
    main()
