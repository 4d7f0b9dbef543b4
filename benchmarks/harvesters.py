"""A FHIR search beside harvesters, who need no credentials and each ask for the whole catalogue again as soon as they have it.

    python -m benchmarks.harvesters [--studies 100000] [--postgresql]

A part of `benchmarks.attack`, which can be measured alone.
"""

import argparse
import time
import urllib.error
from collections import Counter
from contextlib import AbstractContextManager
from functools import partial
from statistics import median

from benchmarks import studies, world
from server.settings import Settings
from server.usecases.dataset import set_dataset
from server.usecases.runtime import Runtime
from tests import builders

HARVESTERS = 30
ALIASES = ("LUNG", "LIVER", "BREAST", "PROSTATE", "BRAIN")
ASKED = ("/catalogue", "/catalogue/datasets/LUNG")


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Harvesters\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ALIASES)
        studies.fill(runtime, args.studies)
        describe(runtime)
        runtime.close()
        with world.accord(chosen, "web") as pid:
            measure(args, chosen, pid)
    world.say(f"{args.studies} studies in {len(ALIASES)} datasets on {world.database_name(args)}, default settings.")


def describe(runtime: Runtime) -> None:
    """Let every dataset be complete and described, as the worker does it; printed with how long it took."""
    with runtime.store.read() as connection:
        aliases = [facts.alias for facts in runtime.governance.current(connection).facts]
    for alias in aliases:
        set_dataset(runtime, builders.ACTOR, alias, builders.DETAILS | {"condition": "CLIN1000065", "keyword": "benchmark"})
    began = time.perf_counter()
    builders.described(runtime)
    print(f"- {len(aliases)} datasets counted and described by their jobs: {time.perf_counter() - began:.2f} s\n")


def measure(args: argparse.Namespace, chosen: Settings, pid: int) -> None:
    """Each document alone, then the search in turn idle and beside the harvesters of each; printed."""
    alone = {path: world.drive(chosen.base_url + path, {}, 1, args.seconds, (pid,)) for path in ASKED}
    rows = [(path, f"{f.rate:.0f}", f"{f.p50:.2f}", f"{f.p99:.2f}", f.size) for path, f in alone.items()]
    world.table(("asked alone, on one connection", "answers/s", "p50 ms", "p99 ms", "bytes"), rows)
    for path in ASKED:
        _beside(args, chosen, pid, path)


def _beside(args: argparse.Namespace, chosen: Settings, pid: int, path: str) -> None:
    url = f"{chosen.base_url}/fhir/R4/ImagingStudy?modality=CT&_count=20"
    search = partial(world.drive, url, connections=1, seconds=args.seconds, roots=(pid,))
    answers: Counter[int] = Counter()
    idle, beside = [], []
    for _ in range(args.rounds):
        token = world.bearer(chosen)
        idle.append(search(headers=token))
        with _harvesting(chosen.base_url + path, answers):
            beside.append(search(headers=token))
    sides = {"idle": idle, f"{HARVESTERS} x {path}": beside}
    figures = ("rate", "p50", "p99")
    rows = [(name, *(f"{median(getattr(f, figure) for f in each):.2f}" for figure in figures)) for name, each in sides.items()]
    world.table(("a FHIR search beside", "answers/s", "p50 ms", "p99 ms"), rows)
    ratios = world.ratios([f.p99 for f in beside], [f.p99 for f in idle])
    print(
        f"- p99 beside {HARVESTERS} harvesters over p99 idle (target: at most 3): {ratios}; they were answered {dict(answers)}\n"
    )


def _harvesting(url: str, answers: Counter[int]) -> AbstractContextManager[None]:
    """Harvesters, each on connections of its own, until the block ends."""

    def harvest() -> None:
        try:
            world.get(url, {})
            answers[200] += 1
        except urllib.error.HTTPError as refused:
            answers[refused.code] += 1

    return world.beside(HARVESTERS, harvest)


if __name__ == "__main__":
    main()
