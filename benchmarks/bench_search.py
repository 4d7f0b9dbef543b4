"""QIDO-RS and FHIR pages of 100 with token, consent and access record, beside Orthanc's QIDO and a bare view.

Asked by one and by eight kept connections, in turn with the others, on the same machine.
"""

import argparse
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from sqlalchemy import select
from tqdm import tqdm

from adapters.sql import tables as t
from benchmarks import objects, studies, world
from benchmarks.world import Figures
from server.settings import Settings
from tests import servers

ALIASES = ("LUNG", "LIVER", "BREAST", "PROSTATE", "BRAIN")
CONNECTIONS = (1, 8)
PAGE = 100


@dataclass(frozen=True, slots=True)
class Side:
    """One thing that is asked: its name, its URL, who works for it, and the headers of a turn."""

    name: str
    url: str
    roots: tuple[int, ...]
    headers: Callable[[], Mapping[str, str]]


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Search\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url, contextlib.ExitStack() as stack:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ALIASES)
        studies.fill(runtime, args.studies)
        keys = {
            "fragment": _first(runtime, t.study.c.study_date.desc(), t.study.c.id.desc()),
            "document": _first(runtime, t.study.c.id),
        }
        (home / "keys.json").write_text(json.dumps(keys))
        runtime.close()
        accord = stack.enter_context(world.accord(chosen, "web"))
        plain = stack.enter_context(world.bare(home, chosen))
        orthanc = stack.enter_context(servers.orthanc_server())
        objects.fill(orthanc, args.orthanc_studies)
        _pages(args, chosen, accord, plain, orthanc)
        _depth(args, chosen, accord)


def _first(runtime: world.Runtime, *order: object) -> list[int]:
    with runtime.store.read() as connection:
        return list(connection.execute(select(t.study.c.id).order_by(*order).limit(PAGE)).scalars())  # type: ignore[arg-type]


def _pages(args: argparse.Namespace, chosen: Settings, accord: int, plain: tuple[str, int], orthanc: servers.Orthanc) -> None:
    """Every side in turn, round by round; then the table and the ratios."""
    base, token = chosen.base_url, partial(world.bearer, chosen)
    sides = (
        Side("Accord QIDO", f"{base}/dicom-web/studies?limit={PAGE}", (accord,), token),
        Side("bare view, fragments", f"{plain[0]}/studies", (plain[1],), dict),
        Side(
            "Orthanc QIDO", f"{orthanc.url}/dicom-web/studies?limit={PAGE}", (orthanc.process.pid,), partial(world.basic, orthanc)
        ),
        Side("Accord QIDO series", f"{base}/dicom-web/series?limit={PAGE}", (accord,), token),
        Side(
            "Orthanc QIDO series",
            f"{orthanc.url}/dicom-web/series?limit={PAGE}",
            (orthanc.process.pid,),
            partial(world.basic, orthanc),
        ),
        Side("Accord FHIR", f"{base}/fhir/R4/ImagingStudy?_count={PAGE}", (accord,), token),
        Side("bare view, documents", f"{plain[0]}/documents", (plain[1],), dict),
    )
    _same(sides)
    turns = [(connections, side) for connections in CONNECTIONS for side in sides]
    found = _rounds(args, turns)
    head = ("asked", "connections", "answers/s", "p50 ms", "p99 ms", "server CPU ms", "kB")
    world.table(head, [_row(side.name, connections, found[connections, side.name]) for connections, side in turns])
    for connections in CONNECTIONS:
        rates = {side.name: [f.rate for f in found[connections, side.name]] for side in sides}
        _said(connections, "QIDO over Orthanc's QIDO (target: at least 30)", rates["Accord QIDO"], rates["Orthanc QIDO"])
        series = rates["Accord QIDO series"], rates["Orthanc QIDO series"]
        _said(connections, "QIDO series over Orthanc's (target: at least 20)", *series)
        _said(connections, "bare view over QIDO (target: at most 3)", rates["bare view, fragments"], rates["Accord QIDO"])
        _said(connections, "FHIR over Orthanc's QIDO (target: at least 30)", rates["Accord FHIR"], rates["Orthanc QIDO"])
        _said(connections, "bare view over FHIR (target: at most 3)", rates["bare view, documents"], rates["Accord FHIR"])
    print()
    world.say(
        f"Accord: {args.studies} studies in {len(ALIASES)} datasets on {world.database_name(args)}, default settings,",
        f"log and access record on. The other side: {world.orthanc_version(orthanc)}, {args.orthanc_studies} studies of one",
        "instance, HTTP with Basic authentication, its own SQLite index, the DICOMweb plugin's defaults; and a Flask view that",
        "selects the same hundred rows by key. Bound by the servers' CPU (Accord: Python's lock in each of",
        f"{chosen.web_workers} processes); the caller is a process of its own, on the same cores.",
    )


def _same(sides: Sequence[Side]) -> None:
    """All sides answer a hundred."""
    for side in sides:
        told = json.loads(world.get(side.url, side.headers()), strict=False)  # Orthanc 1.10 leaves control characters in
        assert len(told["entry"] if isinstance(told, dict) else told) == PAGE, side.name


def _rounds(args: argparse.Namespace, turns: Sequence[tuple[int, Side]]) -> dict[tuple[int, str], list[Figures]]:
    found: dict[tuple[int, str], list[Figures]] = {}
    with tqdm(total=args.rounds * len(turns), desc="search", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for connections, side in turns:
                figures = world.drive(side.url, side.headers(), connections, args.seconds, side.roots)
                found.setdefault((connections, side.name), []).append(figures)
                bar.update()
    return found


def _row(name: str, connections: int, each: Sequence[Figures]) -> list[object]:
    rate, p50, p99, cpu = (median(values) for values in zip(*((f.rate, f.p50, f.p99, f.cpu) for f in each), strict=True))
    return [name, connections, f"{rate:.1f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.2f}", f"{each[0].size / 1000:.0f}"]


def _said(connections: int, what: str, over: Sequence[float], under: Sequence[float]) -> None:
    print(f"- {what}, {connections} connection{'s' * (connections > 1)}: {world.ratios(over, under)}")


def _depth(args: argparse.Namespace, chosen: Settings, accord: int) -> None:
    """Follow next links to the end; then ask for the first, the middle and the last whole page in turn."""
    urls = [f"{chosen.base_url}/fhir/R4/ImagingStudy?_count={PAGE}"]
    while following := _next(urls[-1], world.bearer(chosen) if len(urls) % 1000 == 1 else None):
        urls.append(following)
    places = {"first": urls[0], "middle": urls[len(urls) // 2], "last": urls[-1]}
    token = partial(world.bearer, chosen)
    turns = [(1, Side(name, url, (accord,), token)) for name, url in places.items()]
    found = _rounds(args, turns)
    head = ("FHIR page", "connections", "answers/s", "p50 ms", "p99 ms", "server CPU ms", "kB")
    world.table(head, [_row(f"{side.name} of {len(urls)}", 1, found[1, side.name]) for _, side in turns])
    for name in ("middle", "last"):
        _said(1, f"p50 of the {name} page over the first's", [f.p50 for f in found[1, name]], [f.p50 for f in found[1, "first"]])


_TOKEN: dict[str, str] = {}


def _next(url: str, token: dict[str, str] | None) -> str | None:
    """The page's next link."""
    _TOKEN.update(token or {})
    links = json.loads(world.get(url, _TOKEN))["link"]
    return next((link["url"] for link in links if link["relation"] == "next"), None)


if __name__ == "__main__":
    main()
