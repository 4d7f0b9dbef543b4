"""EUCAIM's federated search: what `eucaimSearch` takes beside bare grouped counts of the same studies, in turn on one driver.

Exact counts ask everything each time. With default settings a question that is new is counted, made safe, paid for and kept, the
first of a period describes each dataset too, and one that was asked before is said again. Both call the use case that the door
calls: consent, conditions and the record are in it, HTTP is not.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from statistics import median

from msgspec import structs
from sqlalchemy import text
from tqdm import tqdm

from benchmarks import studies, world
from consent.subject import federation
from server.usecases.federate import answer
from server.usecases.runtime import Caller, Runtime

DATASETS = 200
TARGET = 5
Ast = Mapping[str, object]
BARE = {
    "everything": "SELECT dataset, count(*), count(DISTINCT patient) FROM study GROUP BY dataset",
    "everything, by its series": "SELECT dataset, count(DISTINCT study.id), count(DISTINCT patient) FROM study JOIN series "
    "ON series.study = study.id GROUP BY dataset",
    "a modality": "SELECT dataset, count(DISTINCT study.id), count(DISTINCT patient) FROM study JOIN series "
    "ON series.study = study.id WHERE modality = 'CT' GROUP BY dataset",
    "a sex and ages": "SELECT dataset, count(*), count(DISTINCT patient) FROM study "
    "WHERE patient_sex = 'F' AND age BETWEEN 40 AND 69 GROUP BY dataset",
}
"""The count that answers each question, and nothing else: no consent, no ages, no words, no record."""


def _leaf(key: str, kind: str, value: object) -> Ast:
    return {"key": key, "type": kind, "value": value}


def _every(*children: Ast) -> Ast:
    return {"operand": "AND", "children": list(children)}


EVERYTHING: Ast = {"operand": "OR", "children": []}
CT = _leaf("RID10311", "EQUALS", "RID10321")
WOMEN = _leaf("SNOMEDCT263495000", "EQUALS", "SNOMEDCT248152002")
AGES = _leaf("SNOMEDCT423493009", "BETWEEN", {"min": 40, "max": 69})
ASKED: dict[str, Ast] = {
    "everything": EVERYTHING,
    "everything, by its series": EVERYTHING,
    "a modality": CT,
    "a sex and ages": _every(WOMEN, AGES),
}


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Federated search\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        runtime = world.governed(world.settings(home, url), [f"D{number:03}" for number in range(DATASETS)])
        studies.fill(runtime, args.studies)
        if args.postgresql:  # as autovacuum does after so many rows
            with runtime.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        found = _rounds(args, runtime)
        runtime.close()
    _print(args, found)


def _of(runtime: Runtime, **settings: object) -> Runtime:
    return replace(runtime, settings=structs.replace(runtime.settings, **settings))


def _rounds(args: argparse.Namespace, runtime: Runtime) -> dict[str, dict[str, list[float]]]:
    """Question → side → milliseconds, round by round."""
    exact, found = _of(runtime, min_subjects=1), dict[str, dict[str, list[float]]]()
    callers = (Caller(federation(f"caller-{number}")) for number in count())  # to each of them every question is new
    first = _took(lambda: answer(runtime, next(callers), EVERYTHING))
    print(f"The first question of a period, by default, which also describes {DATASETS} datasets: {first:.0f} ms.\n")
    with tqdm(total=args.rounds * len(ASKED), desc="federated", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for name, ast in ASKED.items():
                sides = found.setdefault(name, {"bare": [], "exact": [], "default, new": [], "default, again": []})
                sides["bare"].append(_took(lambda name=name: _count(runtime, BARE[name])))  # type: ignore[misc]
                sides["exact"].append(_took(lambda ast=ast: answer(exact, next(callers), ast)))  # type: ignore[misc]
                caller = next(callers)
                for side in ("default, new", "default, again"):
                    sides[side].append(_took(lambda ast=ast, caller=caller: answer(runtime, caller, ast)))  # type: ignore[misc]
                bar.update()
    return found


def _count(runtime: Runtime, bare: str) -> None:
    with runtime.store.read() as connection:
        assert len(connection.execute(text(bare)).all()) == DATASETS


def _took(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _print(args: argparse.Namespace, found: Mapping[str, Mapping[str, list[float]]]) -> None:
    sides = list(next(iter(found.values())))
    rows = [[name, *(f"{median(each[side]):.0f}" for side in sides)] for name, each in found.items()]
    world.table(("median ms", *sides), rows)
    for name, each in found.items():
        for side in sides[1:]:
            print(f"- {name}, {side} over bare: {world.ratios(each[side], each['bare'])}")
    print()
    world.say(
        f"{args.studies} studies of {DATASETS} datasets on {world.database_name(args)}, two series each; target: within",
        f"{TARGET}x. Everything is counted bare twice: from an index alone, and with its series, whose words the answer tells.",
    )


if __name__ == "__main__":
    main()
