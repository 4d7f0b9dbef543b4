"""STOW-RS of small and CT objects into Accord with a folder node, beside Orthanc's DICOMweb plugin; both answer when durable.

A body holds ten objects of one study; each sender posts one after another on a kept connection.
"""

import argparse
import contextlib
import http.client
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tqdm import tqdm

from benchmarks import objects, world
from benchmarks.bench_store import ALIAS, KINDS, Stored
from tests import servers

BODY, BOUNDARY = 10, "accord-bench"
SENDERS = (1, 4)


@dataclass(frozen=True, slots=True)
class Door:
    """Where one side takes objects, with which headers, and who works for it."""

    url: str
    root: int
    headers: Mapping[str, str]


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# STOW-RS\n\n{world.machine()}\n")
    with world.folder() as home, contextlib.ExitStack() as stack:
        accord = stack.enter_context(_accord(home, stack.enter_context(world.database(postgresql=args.postgresql))))
        orthanc = stack.enter_context(servers.orthanc_server())
        other = Door(f"{orthanc.url}/dicom-web", orthanc.process.pid, world.basic(orthanc))
        _print(args, _rounds(args, {"Accord": accord, "Orthanc": other}), world.orthanc_version(orthanc))


@contextlib.contextmanager
def _accord(home: Path, url: str) -> Iterator[Door]:
    chosen = world.settings(home, url)
    runtime = world.governed(chosen, [ALIAS])
    world.client(runtime, "hospital", party=f"hospital-{ALIAS.lower()}", scope="system/*.cruds", purpose="")
    runtime.close()
    with world.accord(chosen, "web") as pid:
        yield Door(f"{chosen.base_url}/dicom-web", pid, world.bearer(chosen, "hospital"))


Found = dict[tuple[str, int, str], list[Stored]]


def _rounds(args: argparse.Namespace, sides: Mapping[str, Door]) -> Found:
    """Every side is sent the same objects, none of them twice; the sides in turn."""
    found: Found = {}
    templates = {kind: objects.template(side=side, states=True) for kind, side in KINDS.items()}
    number = 1
    with tqdm(total=args.rounds * len(KINDS) * len(SENDERS) * len(sides), desc="stow", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for kind, senders in ((kind, senders) for kind in KINDS for senders in SENDERS):
                count = args.objects - args.objects % (BODY * senders)
                bodies = list(_bodies(templates[kind], number, count))
                number += count
                for name, door in sides.items():
                    stored = _sent(bodies, senders, door, len(templates[kind]))
                    found.setdefault((kind, senders, name), []).append(stored)
                    bar.update()
    return found


def _bodies(template: bytes, start: int, count: int) -> Iterator[bytes]:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    for first in range(start, start + count, BODY):
        parts = (head + each + b"\r\n" for each in objects.copies(template, first, BODY))
        yield b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def _sent(bodies: Sequence[bytes], senders: int, door: Door, size: int) -> Stored:
    count, before, began = len(bodies) * BODY, world.cpu(door.root), time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        list(pool.map(partial(_post, door), [bodies[n::senders] for n in range(senders)]))
    took = time.perf_counter() - began
    return Stored(count / took, count * size / took / 1e6, 1000 * (world.cpu(door.root) - before) / count)


def _post(door: Door, bodies: Sequence[bytes]) -> None:
    parts, kind = urlsplit(door.url), f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = {**door.headers, "Content-Type": kind, "Accept": "application/dicom+json"}
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=120)) as connection:
        for body in bodies:
            connection.request("POST", f"{parts.path}/studies", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, (answer.status, said[:500])


def _print(args: argparse.Namespace, found: Found, orthanc: str) -> None:
    rows = []
    for (kind, senders, name), each in found.items():
        rate, megabytes, cpu = (median(getattr(s, of) for s in each) for of in ("rate", "megabytes", "cpu"))
        over = world.ratios([s.rate for s in found[kind, senders, "Accord"]], [s.rate for s in each])
        row = [kind, senders, name, f"{rate:.1f}", f"{megabytes:.1f}", f"{cpu:.2f}"]
        rows.append([*row, "" if name == "Accord" else over])
    world.table(("object", "senders", "into", "objects/s", "MB/s", "server CPU ms", "Accord over it (target: 1.5)"), rows)
    world.say(
        f"{args.rounds} rounds of {args.objects} objects, {BODY} in a body: small 10 kB, CT 526 kB, uncompressed. {orthanc} with",
        f"its defaults (SyncStorageArea true), SQLite index. Accord: `accord web` on {world.database_name(args)} and a folder",
        "node; a body's objects share one durable commit. Bound: its statements and digest for each object, and one flush of",
        "each file.",
    )


if __name__ == "__main__":
    main()
