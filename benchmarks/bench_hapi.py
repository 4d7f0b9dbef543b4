"""A read, a page, a chain back, what nobody has, and a bulk export, beside HAPI's JPA server with the same documents.

Accord with token, consent and access record, HAPI as it comes and without security, in turn. Skipped where HAPI can't be had.
"""

import argparse
import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from urllib.error import HTTPError

from tqdm import tqdm

from benchmarks import hapi_server, studies, world
from benchmarks.bench_search import ALIASES, CONNECTIONS, PAGE
from benchmarks.hapi_server import Hapi, Resource
from benchmarks.world import Figures
from server.settings import Settings

PARTS = ("questions", "export")
FRESH = {"Cache-Control": "no-cache"}
"""HAPI exports anew, instead of giving what it exported before."""
ALONE = {"Cache-Control": "no-store"}
"""HAPI neither takes a search's result from an earlier one nor keeps its own (as no-cache would, slowing who looks for one)."""
NDJSON = {"Accept": "application/fhir+ndjson"}
POLL_SECONDS = 0.1
EXPORT_SECONDS = 600
WARM_SECONDS = 5
"""Of every question, before what counts: a JVM compiles what it runs often."""
READ = "one ImagingStudy"
QUESTIONS = {
    READ: "ImagingStudy/{key}",
    f"a page of {PAGE} ImagingStudies": f"ImagingStudy?_count={PAGE}",
    "50 patients by _has": "Patient?_has:ImagingStudy:patient:modality=CT&_count=50",
    "a modality nobody has": "ImagingStudy?modality=XA",
}
REFERRED = ("Organization", "Endpoint", "ResearchStudy")
"""What patients and studies refer to."""


@dataclass(frozen=True, slots=True)
class Side:
    """One server, or one way to ask it: its name, its base URL, who works for it, the headers of a question and of an export."""

    name: str
    url: str
    root: int
    headers: Callable[[], Mapping[str, str]]
    exporting: Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Export:
    """One export: its rows, and the seconds by the clock (asked for, polled, fetched) and of CPU that it took."""

    rows: int
    seconds: float
    cpu: float


Answers = dict[tuple[int, str, str], list[Figures]]
"""Connections, question, side → its turns."""
Exports = dict[str, list[Export]]


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "", PARTS)
    print(f"# HAPI\n\n{world.machine()}\n")
    with world.folder() as home, contextlib.ExitStack() as stack:
        try:
            path = hapi_server.built(home)
        except hapi_server.Unavailable as why:
            world.say(f"Skipped: {why}")
            return
        chosen = world.settings(home, stack.enter_context(world.database(postgresql=args.postgresql)))
        runtime = world.governed(chosen, ALIASES)
        studies.fill(runtime, args.hapi_studies)
        runtime.close()
        accord = stack.enter_context(world.accord(chosen, "serve"))
        hapi = stack.enter_context(hapi_server.running(home, path))
        _loaded(args, chosen, hapi)
        _measured(args, chosen, accord, hapi)


def _loaded(args: argparse.Namespace, chosen: Settings, hapi: Hapi) -> None:
    """Give HAPI every document that Accord serves of these types."""
    begun = time.perf_counter()
    referred = [resource for kind in REFERRED for page in _pages(chosen, kind) for resource in page]
    count = hapi_server.load(hapi, [referred])
    for kind in ("Patient", "ImagingStudy"):
        loaded = hapi_server.load(hapi, tqdm(_pages(chosen, kind), desc=f"load {kind}", unit="page", leave=False))
        assert loaded == args.hapi_studies, (kind, loaded)
        count += loaded
    seconds = time.perf_counter() - begun
    print(f"- {count} resources put into HAPI in transactions of {PAGE}: {seconds:.0f} s\n", flush=True)


def _pages(chosen: Settings, kind: str) -> Iterator[list[Resource]]:
    """What Accord serves of a type, page by page."""
    url: str | None = f"{chosen.base_url}/fhir/R4/{kind}?_count={PAGE}"
    token = world.bearer(chosen)
    while url:
        bundle = json.loads(world.get(url, token))
        yield [entry["resource"] for entry in bundle.get("entry", ()) if entry["resource"]["resourceType"] == kind]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def _measured(args: argparse.Namespace, chosen: Settings, accord: int, hapi: Hapi) -> None:
    token, inside = partial(world.bearer, chosen), partial(world.bearer, chosen, "inside")
    mine = Side("Accord", f"{chosen.base_url}/fhir/R4", accord, token, inside)
    plain = Side("HAPI", hapi.url, hapi.pid, dict, lambda: FRESH)
    alone = Side("HAPI, no-store", hapi.url, hapi.pid, lambda: ALONE, lambda: FRESH)
    key = _same(args, mine, alone)
    asked = [(c, name, side) for c in CONNECTIONS for name in QUESTIONS for side in (mine, plain, alone)]
    turns = [(c, name, side) for c, name, side in asked if name != READ or side is not alone]
    if "questions" in (args.parts or PARTS):
        warming = [turn for turn in turns if turn[0] == max(CONNECTIONS)]
        _rounds(argparse.Namespace(rounds=1, seconds=WARM_SECONDS), warming, key, desc="warm")
        _say_answers(_rounds(args, turns, key))
    if "export" in (args.parts or PARTS):
        _say_exports(_exported(args, (mine, plain)))
    world.say(
        f"Both hold the same {args.hapi_studies} studies of {len(ALIASES)} datasets, their patients and what they refer to.",
        f"Accord: on {world.database_name(args)}, default settings, `accord serve`; token, consent, log and access record on.",
        f"The other side: {hapi.version} on {hapi_server.java_version()}: {' '.join(hapi_server.SETTINGS)}. Before what",
        f"counts, each question was asked for {WARM_SECONDS} s, for the JVM's compiler. Bound by the servers' CPU; HAPI's export",
        "by the schedule of its steps too, so quote its CPU.",
    )


def _same(args: argparse.Namespace, mine: Side, other: Side) -> str:
    """Both sides find the same, of every question; the id of a study that both hold."""
    found = [_found(side, args.hapi_studies) for side in (mine, other)]
    assert found[0][1:] == found[1][1:], [each[1:] for each in found]
    return found[0][0]


def _found(side: Side, count: int) -> tuple[str, int, int, int]:
    """The id of a study, how many studies are on a page and how many patients have a CT, and how many nobody has."""
    read = partial(_json, side)
    page = read(f"ImagingStudy?_count={PAGE}")["entry"]
    assert read("ImagingStudy?_summary=count")["total"] == count, side.name
    patients = read("Patient?_has:ImagingStudy:patient:modality=CT&_summary=count")["total"]
    return page[-1]["resource"]["id"], len(page), patients, len(read("ImagingStudy?modality=XA").get("entry", ()))


def _json(side: Side, path: str) -> Resource:
    told: Resource = json.loads(world.get(f"{side.url}/{path}", side.headers()))
    return told


def _rounds(args: argparse.Namespace, turns: Sequence[tuple[int, str, Side]], key: str, desc: str = "hapi") -> Answers:
    found: Answers = {}
    with tqdm(total=args.rounds * len(turns), desc=desc, unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for connections, name, side in turns:
                url = f"{side.url}/{QUESTIONS[name].format(key=key)}"
                figures = world.drive(url, side.headers(), connections, args.seconds, [side.root])
                found.setdefault((connections, name, side.name), []).append(figures)
                bar.update()
    return found


def _exported(args: argparse.Namespace, sides: Sequence[Side]) -> Exports:
    found: Exports = {side.name: [] for side in sides}
    with tqdm(total=args.rounds * len(sides), desc="export", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for side in sides:
                found[side.name].append(_export(side))
                assert found[side.name][-1].rows == args.hapi_studies, (side.name, found[side.name][-1].rows)
                bar.update()
    return found


def _export(side: Side) -> Export:
    """Ask for an export, look at it until it is there, fetch its files, and delete it where that can be asked."""
    headers = dict(side.exporting())
    begun, spent = time.perf_counter(), world.cpu(side.root)
    kickoff = headers | {"Prefer": "respond-async", "Accept": "application/fhir+json"}
    place = world.ask(f"{side.url}/$export?_type=ImagingStudy", kickoff).headers["Content-Location"]
    while (looked := world.ask(place, headers)).status != 200:
        assert time.perf_counter() < begun + EXPORT_SECONDS, f"{side.name}: {looked.headers['X-Progress']}"
        time.sleep(POLL_SECONDS)
    files = [world.get(each["url"], headers | NDJSON) for each in json.loads(looked.body)["output"]]
    seconds, cpu = time.perf_counter() - begun, world.cpu(side.root) - spent
    with contextlib.suppress(HTTPError):  # HAPI knows how to stop an export, not to delete one that is done
        world.ask(place, headers, method="DELETE")
    return Export(sum(len(file.splitlines()) for file in files), seconds, cpu)


def _say_answers(found: Answers) -> None:
    head = ("asked", "side", "connections", "answers/s", "p50 ms", "p99 ms", "server CPU ms", "kB")
    world.table(head, [_row(*turn, each) for turn, each in found.items()])
    for connections, name, side in found:
        if side != "Accord":
            over, under = found[connections, name, "Accord"], found[connections, name, side]
            rates = world.ratios([f.rate for f in over], [f.rate for f in under])
            spent = world.ratios([f.cpu for f in under], [f.cpu for f in over])
            kept = f"{connections} connection{'s' * (connections > 1)}"
            print(f"- {name}, {kept}: answers/s over those of {side}: {rates}; its CPU over Accord's: {spent}")
    print(flush=True)


def _row(connections: int, name: str, side: str, each: Sequence[Figures]) -> list[object]:
    rate, p50, p99, cpu = (median(values) for values in zip(*((f.rate, f.p50, f.p99, f.cpu) for f in each), strict=True))
    return [name, side, connections, f"{rate:.1f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.2f}", f"{each[0].size / 1000:.1f}"]


def _say_exports(found: Exports) -> None:
    rows = [
        (name, each[0].rows, *(f"{median(values):.{digits}f}" for values, digits in _columns(each)))
        for name, each in found.items()
    ]
    world.table(("export of ImagingStudy", "rows", "seconds", "rows/s", "rows/s of CPU"), rows)
    mine, other = found["Accord"], found["HAPI"]
    clock = world.ratios([e.rows / e.seconds for e in mine], [e.rows / e.seconds for e in other])
    spent = world.ratios([e.rows / e.cpu for e in mine], [e.rows / e.cpu for e in other])
    print(f"- export: rows/s over HAPI's: {clock}; rows/s of CPU over HAPI's: {spent}\n", flush=True)


def _columns(each: Sequence[Export]) -> tuple[tuple[list[float], int], ...]:
    """Seconds, rows a second and rows a second of CPU, each with the digits that are said."""
    return (
        ([e.seconds for e in each], 2),
        ([e.rows / e.seconds for e in each], 0),
        ([e.rows / e.cpu for e in each], 0),
    )


if __name__ == "__main__":
    main()
