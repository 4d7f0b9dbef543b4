"""A hundred thousand seeded requests of the FHIR doors: each is answered 2xx, 3xx, or 4xx with an OperationOutcome.

    python -m benchmarks.fuzz_fhir [--cases 100000] [--seed 1] [--first 0] [--postgresql]

Asked in this process. Tells each that was answered 5xx, told of the inside or of what its caller may not see, or took longer than
a reading may; ends with status 1 where there was one. A case is made again by its seed and number: `--first 4711 --cases 1`.
"""

import argparse
import logging
import sys
import time
from collections import Counter

from tqdm import tqdm
from werkzeug.test import TestResponse

from benchmarks import world
from tests.fuzz_fhir import Case
from tests.fuzzed import Fuzzed

MOST_TOLD = 50


def main() -> None:
    """Ask, and print what was answered."""
    args = _options()
    logging.disable(logging.CRITICAL)
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        fuzzed = Fuzzed(home, url=url)
        try:
            wrong = _fuzz(fuzzed, args)
        finally:
            fuzzed.close()
    print(f"- wrong: {len(wrong)}")
    print("\n".join(wrong[:MOST_TOLD]))
    sys.exit(bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL instead of SQLite")
    return parser.parse_args()


def _fuzz(fuzzed: Fuzzed, args: argparse.Namespace) -> list[str]:
    """What was wrong; how often each status was answered is printed."""
    answered: Counter[int] = Counter()
    began = time.monotonic()
    numbers = range(args.first, args.first + args.cases)
    with tqdm(total=args.cases, leave=False, mininterval=5) as bar:

        def told(_case: Case, answer: TestResponse) -> None:
            answered[answer.status_code] += 1
            bar.update()

        wrong = list(fuzzed.asked(args.seed, numbers, told))
    print(f"{args.cases} cases of seed {args.seed} on {world.database_name(args)}, {time.monotonic() - began:.0f} s.\n")
    world.table(("status", "answers"), sorted(answered.items()))
    return wrong


if __name__ == "__main__":
    main()
