"""C-STORE of small and CT objects into Accord with a folder node, beside Orthanc and a bare pynetdicom sink, all of them durable.

"Accord, stock" is the same with pynetdicom's own reactors (ACCORD_DIMSE_REACTORS). The sender is dcmtk's storescu, one process an
association, with Nagle's algorithm as it comes and without (TCP_NODELAY=1, which Orthanc's own dcmtk and the sink are then told
too; Accord's sockets are always without).
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from sqlalchemy import func, select
from tqdm import tqdm

from adapters.sql import tables as t
from benchmarks import objects, world
from consent.custody import State
from tests import servers

ALIAS = "LUNG"
SIDES = ("Accord", "Accord, stock", "Orthanc", "bare sink")
REACTORS = dict(zip(SIDES, ("socket", "stock"), strict=False))
"""What drives an association of Accord's."""
KINDS = {"small": 64, "CT": 512}
"""Kind → side of its one frame in pixels."""
ASSOCIATIONS = (1, 4)
NAGLE_OBJECTS = 40
"""Objects a round where Nagle's algorithm is on: 44 or 88 ms each."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where one side listens, who works for it, and how many objects it holds."""

    port: int
    root: int
    held: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Turn:
    """One kind of object on some associations, with or without Nagle's algorithm."""

    kind: str
    associations: int
    nodelay: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What one turn took: objects a second, megabytes a second, the server's CPU in ms for each object."""

    rate: float
    megabytes: float
    cpu: float


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# C-STORE\n\n{world.machine()}\n")
    with world.folder() as home, contextlib.ExitStack() as stack:
        accords = [
            stack.enter_context(
                _accord(home / reactors, stack.enter_context(world.database(postgresql=args.postgresql)), reactors)
            )
            for reactors in REACTORS.values()
        ]
        orthancs = {nodelay: stack.enter_context(_orthanc(home, nodelay=nodelay)) for nodelay in (False, True)}
        sinks = {nodelay: stack.enter_context(_sink(home, nodelay=nodelay)) for nodelay in (False, True)}
        doors = {
            nodelay: dict(zip(SIDES, (*accords, orthancs[nodelay][0], sinks[nodelay]), strict=True)) for nodelay in (False, True)
        }
        turns = [Turn(kind, n, nodelay) for nodelay in (False, True) for kind in KINDS for n in ASSOCIATIONS]
        found, sent = _rounds(args, home, doors, turns)
        _print(args, found, turns, orthancs[True][1])
        for (nodelay, side), count in sent.items():
            total = sum(n for (_, name), n in sent.items() if name == side) if side in REACTORS else count
            assert doors[nodelay][side].held() == total, f"{side} holds {doors[nodelay][side].held()} of {total}"
        world.say(
            f"All that was answered is held: {accords[0].held()} objects in Accord, and as many as were sent in every other side."
        )


@contextlib.contextmanager
def _accord(home: Path, url: str, reactors: str) -> Iterator[Door]:
    chosen = world.settings(home, url)
    runtime = world.governed(chosen, [ALIAS])
    held = select(func.count()).select_from(t.custody).where(t.custody.c.state == State.HELD)

    def counted() -> int:
        with runtime.store.read() as connection:
            return int(connection.execute(held).scalar_one())

    with world.accord(chosen, "serve", ACCORD_DIMSE_REACTORS=reactors) as pid:
        yield Door(chosen.dimse_port, pid, counted)


@contextlib.contextmanager
def _orthanc(home: Path, *, nodelay: bool) -> Iterator[tuple[Door, str]]:
    """Orthanc's defaults, SyncStorageArea among them; any sender may store."""
    folder, port = home / f"orthanc-{nodelay}", servers.free_port()
    folder.mkdir()
    open_door = {"DicomServerEnabled": True, "DicomPort": port, "DicomAet": ALIAS, "DicomAlwaysAllowStore": True}
    with _environment(nodelay=nodelay), servers.orthanc_server(folder, **open_door) as server:

        def counted() -> int:
            return int(json.loads(world.get(f"{server.url}/statistics", world.basic(server)))["CountInstances"])

        yield Door(port, server.process.pid, counted), world.orthanc_version(server)


@contextlib.contextmanager
def _sink(home: Path, *, nodelay: bool) -> Iterator[Door]:
    folder, port = home / f"sink-{nodelay}", servers.free_port()
    command, ready = [sys.executable, "-m", "benchmarks.sink", port, folder], partial(world.listening, [port])
    with world.process(command, home / f"sink-{nodelay}.log", ready, TCP_NODELAY=str(int(nodelay))) as pid:
        yield Door(port, pid, lambda: len(list(folder.iterdir())))


@contextlib.contextmanager
def _environment(*, nodelay: bool) -> Iterator[None]:
    """TCP_NODELAY for the processes started in this block."""
    before = os.environ.copy()
    os.environ["TCP_NODELAY"] = str(int(nodelay))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


Found = dict[tuple[Turn, str], list[Stored]]


def _rounds(
    args: argparse.Namespace, home: Path, doors: dict[bool, dict[str, Door]], turns: list[Turn]
) -> tuple[Found, dict[tuple[bool, str], int]]:
    """Every side is sent the same objects, none of them twice; the sides in turn."""
    found: Found = {}
    sent: dict[tuple[bool, str], int] = {}
    templates = {kind: objects.template(side=side) for kind, side in KINDS.items()}
    number = 1
    with tqdm(total=args.rounds * len(turns) * len(SIDES), desc="store", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for turn in turns:
                most = args.objects if turn.nodelay else min(args.objects, NAGLE_OBJECTS)
                count = most - most % turn.associations
                folders = _written(home / "out", templates[turn.kind], number, count, turn.associations)
                number += count
                for side, door in doors[turn.nodelay].items():
                    found.setdefault((turn, side), []).append(
                        _sent(folders, door, count, len(templates[turn.kind]), nodelay=turn.nodelay)
                    )
                    sent[turn.nodelay, side] = sent.get((turn.nodelay, side), 0) + count
                    bar.update()
    return found, sent


def _written(home: Path, template: bytes, start: int, count: int, folders: int) -> list[Path]:
    """The objects' files in a folder for each association, over those of the turn before: no file is made anew."""
    made = [home / str(n) for n in range(folders)]
    for folder in made:
        folder.mkdir(parents=True, exist_ok=True)
    for n, content in enumerate(objects.copies(template, start, count, folders)):
        (made[n % folders] / f"{n // folders:05}.dcm").write_bytes(content)
    return made


def _sent(folders: list[Path], door: Door, count: int, size: int, *, nodelay: bool) -> Stored:
    each = count // len(folders)
    environment = os.environ | {"TCP_NODELAY": str(int(nodelay))}
    program = [str(servers.find("storescu")), "-aet", "STORESCU", "-aec", ALIAS, "127.0.0.1", str(door.port)]
    before, began = world.cpu(door.root), time.perf_counter()
    senders = [
        subprocess.Popen([*program, *map(str, sorted(folder.iterdir())[:each])], env=environment, stderr=subprocess.PIPE)
        for folder in folders
    ]
    for sender in senders:
        _, said = sender.communicate(timeout=600)
        assert sender.returncode == 0, said.decode()
    took = time.perf_counter() - began
    return Stored(count / took, count * size / took / 1e6, 1000 * (world.cpu(door.root) - before) / count)


def _print(args: argparse.Namespace, found: Found, turns: list[Turn], orthanc: str) -> None:
    rows = []
    for turn in turns:
        for side in SIDES:
            rate, megabytes, cpu = (median(getattr(s, name) for s in found[turn, side]) for name in ("rate", "megabytes", "cpu"))
            nagle = "off" if turn.nodelay else "as it comes"
            over = world.ratios([s.rate for s in found[turn, "Accord"]], [s.rate for s in found[turn, side]])
            row = [turn.kind, turn.associations, nagle, side, f"{rate:.1f}", f"{megabytes:.1f}", f"{cpu:.2f}"]
            rows.append([*row, "" if side == "Accord" else over])
    world.table(("object", "associations", "Nagle", "into", "objects/s", "MB/s", "server CPU ms", "Accord over it"), rows)
    world.say(
        f"{args.rounds} rounds of {args.objects} objects ({NAGLE_OBJECTS} with Nagle): small 10 kB, CT 526 kB, uncompressed; the",
        f"sender is dcmtk's storescu. The other sides: {orthanc} with its defaults (SyncStorageArea true), the DICOMweb plugin",
        "loaded, SQLite index; and pynetdicom with PDUs of 131072 bytes and fsync, no index. Accord: the whole of `accord serve`",
        f"on {world.database_name(args)} and a folder node; its CPU counts the web processes and the worker too.",
    )
    world.say(
        "Bound, with Nagle: small objects by delayed acknowledgements, 44 ms on one side and 88 on both; Accord acknowledges at",
        "once. Without: Orthanc and the sink by the receiver's CPU and the flush of one file; Accord by its flushes (file,",
        "folder, the settling commit) and its statements, and with stock reactors by pynetdicom's two polling threads an",
        "association.",
    )


if __name__ == "__main__":
    main()
