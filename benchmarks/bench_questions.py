"""Questions of many studies: one resource, a chain back, sorted and far pages, what nobody has, texts, and their totals.

Asked by one kept connection, in turn, with token, consent and access record. `bench_search.py` has the bare view beside pages.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

from sqlalchemy import select
from tqdm import tqdm

from adapters.sql import tables as t
from benchmarks import studies, world
from benchmarks.bench_search import ALIASES
from benchmarks.world import Figures
from server.settings import Settings

QUESTIONS = (
    ("one resource", "ImagingStudy/{key}", None, "at least 3 000/s, all connections"),
    ("a page of 50 patients by _has", "Patient?_has:ImagingStudy:patient:modality=CT", None, "under 5 ms"),
    ("a page of 100, newest first", "ImagingStudy?_sort=-started&_count=100", None, "reported"),
    ("a page of 100 with patients", "ImagingStudy?_include=ImagingStudy:subject&_count=100", None, "reported"),
    ("a modality nobody has", "ImagingStudy?modality=XA", 0, "at most 10 ms"),
    ("a time nobody has", "ImagingStudy?started=gt2090", 0, "at most 10 ms"),
    ("patients by a modality nobody has", "Patient?_has:ImagingStudy:patient:modality=XA", 0, "at most 10 ms"),
    ("total of a modality nobody has", "ImagingStudy?modality=XA&_summary=count", 0, "at most 50 ms"),
    ("total of a time nobody has", "ImagingStudy?started=gt2090&_summary=count", 0, "at most 50 ms"),
    ("total of a modality that a fifth has", "ImagingStudy?modality=MR&_summary=count", None, "reported"),
)
"""What is asked of FHIR, its path, how many it finds where that is certain, and the target."""
SEARCHES = (
    ("QIDO page of 100", "limit=100", None, "reported"),
    ("QIDO offset 10 000", "limit=100&offset=10000", None, "within 2x of the page"),
    ("QIDO name's prefix that a hundred have", "limit=100&PatientName=SUBJECT-00001*", None, "at most 10 ms"),
    ("QIDO name's prefix nobody has", "limit=100&PatientName=SUBJECT-9*", 0, "at most 10 ms"),
    ("QIDO name's substring nobody has", "limit=100&PatientName=*ZZZ*", 0, "at most 100 ms"),
    ("QIDO name's substring that some have", "limit=100&PatientName=*0123*", None, "at most 100 ms"),
    ("QIDO description's substring nobody has", "limit=100&StudyDescription=*knee*", 0, "at most 100 ms"),
    ("QIDO description's substring all have", "limit=100&StudyDescription=*portal*", None, "at most 100 ms"),
)
"""The same of QIDO-RS, at study level."""
READERS, READ = 8, 4000
"""Connections that read one resource at a time, and how many they read in turn: more than statements are kept."""


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Questions\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        keys = _filled(chosen, args.studies)
        (home / "keys.json").write_text(json.dumps({"document": [args.studies // 2]}))
        with world.accord(chosen, "web") as accord, world.bare(home, chosen) as plain:
            found = _rounds(args, chosen, accord, keys, plain)
    world.table(("asked", "p50 ms", "p99 ms", "answers/s", "server CPU ms", "target"), [_row(*each) for each in found.items()])
    world.say(
        f"Accord: {args.studies} studies of {len(ALIASES)} datasets on {world.database_name(args)}, default settings, log and",
        f"access record on; one kept connection, {READERS} for the last line. Bound by the database's CPU for questions, and by",
        f"Python's lock in each of {chosen.web_workers} processes for reads.",
    )


def _filled(chosen: Settings, count: int) -> list[str]:
    """An index of so many studies; the ids of some all over it, of which each is asked in turn."""
    runtime = world.governed(chosen, ALIASES)
    studies.fill(runtime, count)
    with runtime.store.read() as connection:
        spread = select(t.study.c.key).where(t.study.c.id % max(count // READ, 1) == 0)
        keys = list(connection.execute(spread.order_by(t.study.c.key)).scalars())
    runtime.close()
    return keys


Found = dict[tuple[str, str], list[Figures]]


def _rounds(args: argparse.Namespace, chosen: Settings, accord: int, keys: list[str], plain: tuple[str, int]) -> Found:
    token, found = partial(world.bearer, chosen), Found()
    with tqdm(total=args.rounds * (len(QUESTIONS) + len(SEARCHES) + 3), desc="questions", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for name, url, finds, target in _asked(chosen, keys[len(keys) // 2]):
                if finds is not None:
                    told = json.loads(world.get(url, token()))
                    assert (told["total"] if isinstance(told, dict) else len(told)) == finds, name
                found.setdefault((name, target), []).append(world.drive(url, token(), 1, args.seconds, (accord,)))
                bar.update()
            name, path, _, target = QUESTIONS[0]
            urls = [f"{chosen.base_url}/fhir/R4/{path.format(key=key)}" for key in keys]
            figures = world.drive(urls, token(), READERS, args.seconds, (accord,))
            found.setdefault((f"{name}, {READERS} connections", target), []).append(figures)
            figures = world.drive(f"{plain[0]}/documents", {}, READERS, args.seconds, (plain[1],))
            found.setdefault((f"bare view of it, {READERS} connections", "the least that a view does"), []).append(figures)
            urls = [f"{plain[0]}/guarded/{key}" for key in keys]
            figures = world.drive(urls, {"Authorization": "Bearer guarded"}, READERS, args.seconds, (plain[1],))
            found.setdefault((f"guarded view of it, {READERS} connections", "the least that is demanded of it"), []).append(
                figures
            )
            bar.update(3)
    return found


def _asked(chosen: Settings, key: str) -> Iterator[tuple[str, str, int | None, str]]:
    """Every question with its URL."""
    for name, path, finds, target in QUESTIONS:
        yield name, f"{chosen.base_url}/fhir/R4/{path.format(key=key)}", finds, target
    for name, path, finds, target in SEARCHES:
        yield name, f"{chosen.base_url}/dicom-web/studies?{path}", finds, target


def _row(asked: tuple[str, str], each: Sequence[Figures]) -> list[object]:
    rate, p50, p99, cpu = (median(values) for values in zip(*((f.rate, f.p50, f.p99, f.cpu) for f in each), strict=True))
    return [asked[0], f"{p50:.2f}", f"{p99:.2f}", f"{rate:.0f}", f"{cpu:.2f}", asked[1]]


if __name__ == "__main__":
    main()
