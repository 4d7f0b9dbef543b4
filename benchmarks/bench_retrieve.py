"""WADO-RS: studies, instances, metadata, frames and pictures from Accord and from Orthanc in turn, and files streamed barely.

Accord gives by `inside`, who may process, and holds each object to its digest on the way; "Accord, Orthanc's node" is the same
with its objects in an Orthanc. The bare stream gives the same files by Flask on the same Granian settings, unasked and unchecked.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from tqdm import tqdm

from benchmarks import objects, world
from benchmarks.world import Figures
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders, servers

SLICES, MANY, FRAMES = 200, 1_000, 100
ACCORD, NODE, ORTHANC, BARE = "Accord", "Accord, Orthanc's node", "Orthanc", "bare stream"
_MULTIPART = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_OCTETS = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_JSON, _JPEG = "application/dicom+json", "image/jpeg"
_PICTURES = 3_000


@dataclass(frozen=True, slots=True)
class Set:
    """Objects that are asked for: of one study and series, under UIDs that follow one another."""

    first: int
    size: int
    frames: int = 1
    side: int = 512

    def files(self) -> Iterator[bytes]:
        """The objects."""
        return objects.copies(objects.template(self.frames, self.side), self.first, self.size)

    @property
    def study(self) -> str:
        """The path of their study."""
        return self.series.partition("/series")[0]

    @property
    def series(self) -> str:
        """The path of their series."""
        study, series, _ = objects.uids(self.first)
        return f"studies/{study}/series/{series}"

    def instance(self, number: int = 0) -> str:
        """The path of one of them."""
        return f"{self.series}/instances/{objects.uids(self.first + number)[2]}"


CT, SMALL, LARGE = Set(1, SLICES), Set(1_001, MANY, side=64), Set(3_001, 1, FRAMES)
TWENTY, THOUSANDS = Set(4_001, 20, side=64), Set(5_001, 2_000, side=64)
SETS = (CT, SMALL, LARGE, TWENTY, THOUSANDS)


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked of every side, by how many connections, and what must come out: ratios, over the side that is named."""

    name: str
    paths: Callable[[], Sequence[str]]
    accept: str
    connections: int = 1
    bare: str = ""
    over: Sequence[tuple[tuple[str, str], str]] = ()


def _one(path: str) -> Callable[[], Sequence[str]]:
    return lambda: [path]


def _frames() -> Sequence[str]:
    return [f"{LARGE.instance()}/frames/{n}" for n in range(1, FRAMES + 1)]


def _windows() -> Sequence[str]:
    """Pictures that nobody has asked for before: each of another window."""
    return [f"{CT.instance(n % SLICES)}/rendered?window={next(_CENTRES) / 1000:.3f},400,linear" for n in range(_PICTURES)]


_CENTRES = count(40_000)
_STREAMED = ((ACCORD, BARE), "at least 0.45")


def _beside(target: str) -> tuple[tuple[str, str], str]:
    return (ACCORD, ORTHANC), target


WORK = (
    Work(f"metadata of {SLICES}", _one(f"{CT.series}/metadata"), _JSON, over=[_beside("reported")]),
    Work(f"metadata of {MANY}", _one(f"{SMALL.series}/metadata"), _JSON, over=[_beside("reported")]),
    Work(f"study of {SLICES} x 526 kB", _one(CT.study), _MULTIPART, bare="ct", over=[_STREAMED, _beside("at least 0.35")]),
    Work("instance of 526 kB", _one(CT.instance()), _MULTIPART, bare="one", over=[_STREAMED, _beside("at least 5")]),
    Work("object of 52 MB", _one(LARGE.instance()), _MULTIPART, bare="large", over=[_STREAMED, _beside("at least 2")]),
    Work("frame of 52 MB", _frames, _OCTETS, over=[_beside("at least 50"), ((NODE, ORTHANC), "at least 20")]),
    Work("picture of a CT slice", _windows, _JPEG, over=[_beside("at least 3")]),
    Work("the same again, 8 clients", _one(f"{CT.instance()}/rendered"), _JPEG, 8, over=[_beside("at least 5")]),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One thing that is asked: the root of its paths, who works for it, and the headers of a turn."""

    url: str
    root: int
    headers: Callable[[], Mapping[str, str]]


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Retrieval\n\n{world.machine()}\n")
    with world.folder() as home, contextlib.ExitStack() as stack:
        node = stack.enter_context(_node(home))
        orthanc, version = stack.enter_context(_orthanc())
        sides = {
            ACCORD: stack.enter_context(_accord(home / "folder", None, args)),
            NODE: stack.enter_context(_accord(home / "node", node, args)),
            ORTHANC: orthanc,
            BARE: stack.enter_context(_bare(home)),
        }
        _print(args, _rounds(args, sides), version)
        _memory(sides[ACCORD])


@contextlib.contextmanager
def _accord(home: Path, node: Mapping[str, str] | None, args: argparse.Namespace) -> Iterator[Side]:
    """An Accord that holds the sets, on a folder or on this node; its settings as they come."""
    home.mkdir()
    with world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ["LUNG"], node)
        batch = builders.association(runtime)
        for number, file in enumerate(_files("Accord")):
            taken = take(runtime, batch, f"{number}.dcm", memoryview(file))
            assert taken.outcome == "pass", taken
        close_batch(runtime, batch.id)
        runtime.close()
        with world.accord(chosen, "web") as pid:
            yield Side(f"{chosen.base_url}/dicom-web", pid, partial(world.bearer, chosen, "inside"))


def _files(side: str) -> Iterator[bytes]:
    files, total = chain.from_iterable(each.files() for each in SETS), sum(each.size for each in SETS)
    yield from tqdm(files, total=total, desc=side, unit="object", leave=False)


@contextlib.contextmanager
def _node(home: Path) -> Iterator[dict[str, str]]:
    """A private Orthanc as a node is told of it."""
    with servers.orthanc_server() as server:
        secret = home / "orthanc.secret"
        secret.write_text(f"{server.user}:{server.password}\n")
        yield {"kind": "orthanc", "url": server.url, "secret_file": str(secret)}


@contextlib.contextmanager
def _orthanc() -> Iterator[tuple[Side, str]]:
    with servers.orthanc_server() as server:
        for file in _files("Orthanc"):
            world.ask(f"{server.url}/instances", world.basic(server), body=file)
        yield Side(f"{server.url}/dicom-web", server.process.pid, partial(world.basic, server)), world.orthanc_version(server)


@contextlib.contextmanager
def _bare(home: Path) -> Iterator[Side]:
    """The files of the sets that it is asked for, streamed."""
    chosen, named = world.settings(home, ""), {"ct": CT, "large": LARGE}
    paths: dict[str, list[str]] = {}
    for name, asked in named.items():
        for number, file in enumerate(asked.files()):
            path = home / f"{name}{number}"
            path.write_bytes(file)
            paths.setdefault(name, []).append(str(path))
    (home / "keys.json").write_text(json.dumps(paths | {"one": paths["ct"][:1]}))
    chosen.data_dir.mkdir()
    with world.bare(home, chosen) as (url, pid):
        yield Side(f"{url}/files", pid, dict)


Found = dict[tuple[str, str], list[Figures]]


def _rounds(args: argparse.Namespace, sides: Mapping[str, Side]) -> Found:
    found = Found()
    turns = [(work, name) for work in WORK for name in sides if name != BARE or work.bare]
    with tqdm(total=args.rounds * len(turns), desc="retrieval", unit="turn", leave=False) as bar:
        for _ in range(args.rounds):
            for work, name in turns:
                found.setdefault((work.name, name), []).append(_turn(args, work, sides[name], bare=name == BARE))
                bar.update()
    return found


def _turn(args: argparse.Namespace, work: Work, side: Side, *, bare: bool) -> Figures:
    paths = [work.bare] if bare else work.paths()
    headers = {**side.headers(), "Accept": work.accept}
    return world.drive([f"{side.url}/{path}" for path in paths], headers, work.connections, args.seconds, (side.root,))


def _print(args: argparse.Namespace, found: Found, version: str) -> None:
    rows = []
    for (work, name), each in found.items():
        rate, p50, cpu = (median(getattr(f, of) for f in each) for of in ("rate", "p50", "cpu"))
        rows.append([work, name, f"{rate:.1f}", f"{p50:.1f}", f"{rate * each[0].size / 1e6:.0f}", f"{cpu:.2f}"])
    world.table(("asked", "of", "answers/s", "p50 ms", "MB/s", "server CPU ms"), rows)
    for work in WORK:
        for (one, other), target in work.over:
            rates = ([f.rate for f in found[work.name, side]] for side in (one, other))
            print(f"- {work.name}: {one} over {other} (target: {target}): {world.ratios(*rates)}")
    speed = _digested()
    for work in filter(lambda each: each.bare, WORK):
        ours, bare = (median(f.cpu for f in found[work.name, side]) for side in (ACCORD, BARE))
        least = bare + found[work.name, ACCORD][0].size / speed / 1e3
        print(f"- {work.name}: CPU {ours:.2f} ms, that of a bare stream and the digest alone {least:.2f} ms")
    long, short = (median(f.p50 for f in found[f"metadata of {n}", ACCORD]) for n in (MANY, SLICES))
    print(f"- metadata of {MANY} over {SLICES} (target: linear, {MANY // SLICES}): {long / short:.2f}x\n")
    world.say(
        f"{args.rounds} rounds of {args.seconds} s. Accord: `accord web` on {world.database_name(args)}, a folder or an Orthanc",
        "as its node; token, consent, record of access; every object held to its SHA-256 on its way, which goes at",
        f"{speed:.0f} MB/s on one core. {version}, the DICOMweb plugin's routes and defaults. Pictures are asked for under",
        "a window that nobody had before, but for the last. Bound: streams by the two cores that server and caller share, and a",
        "large one by its digest, which is one thread's work; one instance by its request and the flush of its record; pictures",
        "by encoding and drawing; frames and metadata by the statements of the request.",
    )


def _digested() -> float:
    content, began = bytes(100_000_000), time.process_time()
    hashlib.sha256(content).digest()
    return 100 / (time.process_time() - began)


def _memory(side: Side) -> None:
    """The peak of memory that a study of twenty and of two thousand objects takes, whole and as metadata."""
    rows = []
    for what, accept in (("study", _MULTIPART), ("metadata", _JSON)):
        took = [world.taken(side.root, partial(_read, side, of, what, accept)) for of in (TWENTY, THOUSANDS)]
        rows.append([what, *(f"{each.peak:.1f}" for each in took), f"{took[1].peak - took[0].peak:.1f}"])
    world.table(("asked", "taken for 20, MB", "for 2 000, MB", "more (target: at most 50)"), rows)


def _read(side: Side, of: Set, what: str, accept: str) -> None:
    path = of.study if what == "study" else f"{of.series}/metadata"
    parts = urlsplit(f"{side.url}/{path}")
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=120)) as connection:
        connection.request("GET", parts.path, headers={**side.headers(), "Accept": accept})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read(500)
        while answer.read(1 << 20):
            pass


if __name__ == "__main__":
    main()
