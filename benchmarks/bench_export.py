"""A bulk export of every ImagingStudy to gzipped NDJSON, beside a bare loop that selects, joins and packs the same rows.

Both write to the same disk, in turn with each other, each in this process; the export's includes its job and its record.
"""

import argparse
import resource
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

import psycopg
from tqdm import tqdm

from benchmarks import studies, world
from consent.subject import Role
from mappings.fhir.bulk import Kickoff
from server.settings import Settings
from server.usecases import export, give_export
from server.usecases.runtime import Runtime
from server.worker.jobs import KINDS, work_off
from tests import builders

ALIASES = ("LUNG", "LIVER", "BREAST", "PROSTATE", "BRAIN")
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's turn: rows and bytes of NDJSON, seconds by the clock and of CPU, and the most memory held, in MB."""

    rows: int
    size: int
    seconds: float
    cpu: float
    memory: float


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Export\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ALIASES)
        studies.fill(runtime, args.studies)
        _told(args, _rounds(args, runtime, home))
        runtime.close()


def _rounds(args: argparse.Namespace, runtime: Runtime, home: Path) -> dict[str, list[Turn]]:
    sides: dict[str, Callable[[], tuple[int, int]]] = {
        "ImagingStudy": lambda: _exported(runtime, "ImagingStudy"),
        "bare loop": lambda: _bare(runtime.settings, home / "bare.ndjson.gz"),
        "Patient": lambda: _exported(runtime, "Patient"),
    }
    found: dict[str, list[Turn]] = {name: [] for name in sides}
    with tqdm(total=args.rounds * len(sides), desc="export", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for name, side in sides.items():
                found[name].append(_turn(side))
                bar.update()
    return found


def _turn(side: Callable[[], tuple[int, int]]) -> Turn:
    Path("/proc/self/clear_refs").write_text("5")  # the peak of resident memory begins anew (proc(5))
    begun, spent = time.perf_counter(), _spent()
    rows, size = side()
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return Turn(rows, size, time.perf_counter() - begun, _spent() - spent, int(peak.split()[1]) / 1000)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _exported(runtime: Runtime, kind: str) -> tuple[int, int]:
    """Ask for it, do the job, and look at the files it came to; then they go."""
    caller = builders.caller(Role.INSIDE, id="inside")
    key = export.ask_export(runtime, caller, Kickoff("", "", (kind,)), "")
    work_off(runtime, export.KIND, KINDS[export.KIND], Event())
    files = [give_export.give_file(runtime, caller, key, number) for number in range(1, len(ALIASES) + 1)]
    with runtime.store.read() as connection:
        rows = export.exports.find(connection, key).given  # type: ignore[union-attr]
    for file in files:
        file.source.close()
    export.delete_export(runtime, caller, key)
    export.remove_over(runtime)
    return rows, sum(file.size for file in files)


def _bare(chosen: Settings, target: Path) -> tuple[int, int]:
    packing, rows, size = zlib.compressobj(1, zlib.DEFLATED, 31), 0, 0
    with target.open("wb") as file:
        for page in _pages(chosen):
            lines = b"\n".join((*page, b""))
            rows, size = rows + len(page), size + len(lines)
            file.write(packing.compress(lines))
        file.write(packing.flush())
    return rows, size


def _pages(chosen: Settings) -> Iterator[list[bytes]]:
    """Every document by key, on the driver as it is."""
    sqlite = not chosen.database_url
    connection: Any = sqlite3.connect(chosen.data_dir / "accord.db") if sqlite else psycopg.connect(_plain(chosen))
    mark, after = ("?" if sqlite else "%s"), 0
    statement = f"SELECT id, document FROM study WHERE id > {mark} ORDER BY id LIMIT {PAGE}"  # noqa: S608 - a mark
    while rows := connection.execute(statement, (after,)).fetchall():
        after = rows[-1][0]
        yield [document for _, document in rows]
    connection.close()


def _plain(chosen: Settings) -> str:
    return chosen.database_url.replace("+psycopg", "")


def _told(args: argparse.Namespace, found: dict[str, list[Turn]]) -> None:
    head = ("side", "rows", "rows/s", "rows/s of CPU", "MB/s", "µs of CPU a row", "most memory, MB")
    world.table(head, [_row(name, each) for name, each in found.items()])
    cpu = {name: [turn.cpu / turn.rows for turn in each] for name, each in found.items()}
    print(f"- CPU of a study exported over the bare loop's: {world.ratios(cpu['ImagingStudy'], cpu['bare loop'])}\n")
    world.say(
        f"{args.studies} studies in {len(ALIASES)} datasets on {world.database_name(args)}, one thread. The bare loop selects",
        f"documents by key, {PAGE} at a time, joins and packs them with zlib's level 1, and knows no consent. Target: at least",
        "40 000 studies/s of CPU, under 200 MB.",
    )


def _row(name: str, each: list[Turn]) -> list[object]:
    rows, size = each[0].rows, each[0].size
    seconds, cpu, memory = (median(values) for values in zip(*((t.seconds, t.cpu, t.memory) for t in each), strict=True))
    figures = (rows / seconds, rows / cpu, size / seconds / 1e6, 1e6 * cpu / rows)
    return [name, rows, *(f"{figure:.0f}" for figure in figures[:3]), f"{figures[3]:.1f}", f"{memory:.0f}"]


if __name__ == "__main__":
    main()
