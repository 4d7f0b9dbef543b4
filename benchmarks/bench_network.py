"""C-FIND of all studies, C-GET and C-MOVE of a CT series, by dcmtk's programs, from Accord and from Orthanc in turn.

The studies are small objects, the series is of 526 kB slices; both sides hold the same. Times include the program's own start,
and its printing of what it finds. A C-MOVE goes to the bare sink (`sink.py`), which flushes each object.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks import objects, world
from server.usecases.batch import close_batch
from server.usecases.entity import add_entity
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders, servers

SLICES = 200
ASKER, SINK = "ASKER", "SINK"
SIDES = ("Accord", "Orthanc")
WORK = ("C-FIND", "C-GET", "C-MOVE")


@dataclass(frozen=True, slots=True)
class Side:
    """Who is asked, and who works for it."""

    aet: str
    port: int
    root: int


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    args.studies = min(args.studies, 2_000)
    print(f"# C-FIND, C-GET, C-MOVE\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url, contextlib.ExitStack() as stack:
        port = servers.free_port()
        ready = partial(world.listening, [port])
        stack.enter_context(
            world.process([sys.executable, "-m", "benchmarks.sink", port, home / "sink"], home / "log", ready, TCP_NODELAY="1")
        )
        accord = stack.enter_context(_accord(home, url, port, args.studies))
        orthanc, version = stack.enter_context(_orthanc(home, port, args.studies))
        found = _rounds(args.rounds, {"Accord": accord, "Orthanc": orthanc}, args.studies)
        _print(args, found, version)


def _files(studies: int) -> Iterator[bytes]:
    """`studies` of one small object each, then one of the slices."""
    yield from objects.copies(objects.template(side=64), 1, studies, studies)
    yield from objects.copies(objects.template(), studies + 1, SLICES)


def _series(studies: int) -> str:
    """The study that has the slices."""
    return objects.uids(studies + 1)[0]


@contextlib.contextmanager
def _accord(home: Path, url: str, sink: int, studies: int) -> Iterator[Side]:
    chosen = world.settings(home, url)
    runtime = world.governed(chosen, ["LUNG"])
    here = {"networks": ["127.0.0.1/32"], "purpose": "AIRESEARCH"}
    add_entity(runtime, builders.ACTOR, ASKER, client="inside", **here)  # type: ignore[arg-type]
    add_entity(runtime, builders.ACTOR, SINK, client="inside", scp=f"127.0.0.1:{sink}", **here)  # type: ignore[arg-type]
    _hold(runtime, studies)
    with world.accord(chosen, "serve") as pid:
        yield Side(chosen.ae_title, chosen.dimse_port, pid)


def _hold(runtime: Runtime, studies: int) -> None:
    batch = builders.association(runtime)
    for number, file in enumerate(tqdm(_files(studies), total=studies + SLICES, desc="Accord", unit="object", leave=False)):
        taken = take(runtime, batch, f"{number}.dcm", memoryview(file))
        assert taken.outcome == "pass", taken
    close_batch(runtime, batch.id)


@contextlib.contextmanager
def _orthanc(home: Path, sink: int, studies: int) -> Iterator[tuple[Side, str]]:
    folder, port = home / "orthanc", servers.free_port()
    folder.mkdir()
    known = {"DicomModalities": {ASKER: [ASKER, "127.0.0.1", 104], SINK: [SINK, "127.0.0.1", sink]}}
    opened = {"DicomServerEnabled": True, "DicomPort": port, "DicomAet": "ORTHANC", "DicomAlwaysAllowFind": True}
    with servers.orthanc_server(folder, **known, **opened, DicomAlwaysAllowGet=True, DicomAlwaysAllowMove=True) as server:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        for file in tqdm(_files(studies), total=studies + SLICES, desc="Orthanc", unit="object", leave=False):
            asked = urllib.request.Request(f"{server.url}/instances", file, world.basic(server))  # noqa: S310 - loopback
            opener.open(asked, timeout=30).close()
        yield Side("ORTHANC", port, server.process.pid), world.orthanc_version(server)


Found = dict[tuple[str, str], list[tuple[float, float]]]


def _rounds(rounds: int, sides: dict[str, Side], studies: int) -> Found:
    """(seconds, the server's CPU seconds) of each piece of work by each side, in turn."""
    found: Found = {}
    with tqdm(total=rounds * len(WORK) * len(sides), desc="network", unit="turn", leave=False) as bar:
        for _ in range(rounds):
            for work in WORK:
                for name, side in sides.items():
                    found.setdefault((work, name), []).append(_timed(side, partial(_ask, work, side, studies)))
                    bar.update()
    return found


def _timed(side: Side, ask: Callable[[], None]) -> tuple[float, float]:
    before, began = world.cpu(side.root), time.perf_counter()
    ask()
    return time.perf_counter() - began, world.cpu(side.root) - before


def _ask(work: str, side: Side, studies: int) -> None:
    keys = ["QueryRetrieveLevel=STUDY", f"StudyInstanceUID={'' if work == 'C-FIND' else _series(studies)}"]
    more = ["PatientID", "PatientName", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "ModalitiesInStudy"]
    with tempfile.TemporaryDirectory(prefix="accord-got-") as folder:
        program, own, wanted = {
            "C-FIND": ("findscu", [], [*keys, *more, "NumberOfStudyRelatedInstances"]),
            "C-GET": ("getscu", ["+B", "-od", folder], keys),
            "C-MOVE": ("movescu", ["-aem", SINK], keys),
        }[work]
        asked = [argument for key in wanted for argument in ("-k", key)]
        peer = ["-aet", ASKER, "-aec", side.aet, "127.0.0.1", str(side.port)]
        done = subprocess.run(
            [str(servers.find(program)), "-S", *own, *asked, *peer], capture_output=True, text=True, timeout=120, check=True
        )
        answers = (done.stdout + done.stderr).count("(Pending)") if work == "C-FIND" else len(list(Path(folder).iterdir()))
        assert answers == {"C-FIND": studies + 1, "C-GET": SLICES, "C-MOVE": 0}[work], (answers, done.stderr[-500:])


def _print(args: argparse.Namespace, found: Found, version: str) -> None:
    rows = []
    for work in WORK:
        count = args.studies + 1 if work == "C-FIND" else SLICES
        for name in SIDES:
            seconds, cpu = (median(turn[at] for turn in found[work, name]) for at in (0, 1))
            rates = {side: [1 / took for took, _ in found[work, side]] for side in SIDES}
            over = "" if name == "Accord" else world.ratios(rates["Accord"], rates[name])
            rows.append([work, name, f"{count / seconds:.0f}", f"{seconds:.2f}", f"{1000 * cpu / count:.2f}", over])
    world.table(("work", "of", "answers or objects/s", "s", "server CPU ms", "Accord over it"), rows)
    world.say(
        f"{args.rounds} rounds; {args.studies} studies and one of {SLICES} slices of 526 kB on each side; findscu, getscu and",
        f"movescu as they come. {version} with its defaults. Accord: `accord serve` on {world.database_name(args)} and a folder",
        "node, its CPU that of all its processes; consent, record of access and digests included.",
    )


if __name__ == "__main__":
    main()
