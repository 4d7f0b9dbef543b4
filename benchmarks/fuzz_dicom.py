"""A hundred thousand seeded cases at each door of DICOM: DICOMweb's questions, STOW-RS, and DICOM's network.

    python -m benchmarks.fuzz_dicom [--door web|store|network] [--cases 100000] [--seed 1] [--first 0] [--postgresql]

All in this process; the network's over loopback. Tells each case that was answered 5xx, that told of the inside or of what its
caller may not see, that was kept waiting, that left an error in the log or ended a thread; and what this process holds at the
end that it did not hold after the first tenth: memory, descriptors, threads, files without a name that objects wait in (all
but the smallest do, where else the large ones would). Ends with status 1
where there was one. A case is made again by its seed and number: `--door network --first 4711 --cases 1`.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

from tqdm import tqdm

from adapters import spool
from benchmarks import world
from server.usecases import read_back
from tests import fuzzed_dicom
from tests.fuzzed import Fuzzed

MOST_TOLD = 50
GROWN = {"MB": 64, "descriptors": 8, "threads": 4, "files": 0}
"""What may be held more at the end than after the first tenth: a cache fills."""
SETTLE_SECONDS = 20
IN_MEMORY = 20_000
"""Bytes of an object beyond which it waits in a file: about as many are larger as are not."""

Asked = Callable[[int, range, Counter[str]], Iterable[str]]


def main() -> None:
    """Ask, and print what was answered."""
    args = _options()
    logging.getLogger("accord").propagate = False
    logging.getLogger("accord").addHandler(logging.NullHandler())
    wrong = 0
    for door in DOORS if args.door is None else [args.door]:
        with (
            world.folder() as home,
            world.database(postgresql=args.postgresql) as url,
            _spooled(),
            DOORS[door](home, url) as asked,
        ):
            wrong += _fuzz(door, args, asked)
    sys.exit(bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--door", choices=DOORS)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL instead of SQLite")
    return parser.parse_args()


@contextmanager
def _spooled() -> Iterator[None]:
    with patch.object(spool, "IN_MEMORY", IN_MEMORY), patch.object(read_back, "IN_MEMORY", IN_MEMORY):
        yield


def _fuzz(door: str, args: argparse.Namespace, asked: Asked) -> int:
    """How much was wrong, which is printed with what was answered."""
    answered: Counter[str] = Counter()
    began, first, end = time.monotonic(), args.first + args.cases // 10, args.first + args.cases
    wrong = list(asked(args.seed, range(args.first, first), answered))
    before = _settled({})
    with tqdm(total=end - first, leave=False, mininterval=5, desc=door, disable=None) as bar:
        for number in range(first, end, 500):
            wrong += asked(args.seed, range(number, min(number + 500, end)), answered)
            bar.update(500)
    after = _settled(before)
    wrong += [
        f"holds {after[what]} {what}, before {before[what]}" for what, most in GROWN.items() if after[what] > before[what] + most
    ]
    print(f"\n{door}: {args.cases} cases of seed {args.seed} on {world.database_name(args)}, {time.monotonic() - began:.0f} s.\n")
    world.table(("answer", "cases"), sorted(answered.items()))
    print(f"\nHeld after a tenth, and at the end: {before}, {after}.\n- wrong: {len(wrong)}", flush=True)
    print("\n".join(wrong[:MOST_TOLD]), flush=True)
    return len(wrong)


def _settled(before: dict[str, int]) -> dict[str, int]:
    """What is held, once that is no more than before, or after a while: a connection's threads end behind its answer."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        held = fuzzed_dicom.held()
        if time.monotonic() > until or (
            before and all(held[what] <= before[what] for what in ("descriptors", "threads", "files"))
        ):
            return held
        time.sleep(1)


@contextmanager
def _web(home: Path, url: str, asked: Callable[..., Iterator[str]]) -> Iterator[Asked]:
    fuzzed = Fuzzed(home, url=url)
    try:
        yield partial(asked, fuzzed)
    finally:
        fuzzed.close()


@contextmanager
def _network(home: Path, url: str) -> Iterator[Asked]:
    with fuzzed_dicom.called(home, url) as net:
        yield partial(fuzzed_dicom.connected, net)


DOORS = {
    "web": partial(_web, asked=fuzzed_dicom.asked),
    "store": partial(_web, asked=fuzzed_dicom.brought),
    "network": _network,
}

if __name__ == "__main__":
    main()
