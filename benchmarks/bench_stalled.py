"""A search beside 32 stalled downloads of 52 MB each: its p50 and p99 with and without them, in turn.

A stalled reader takes the headers and a few kilobytes and then nothing more, as one whose disk is full or whose link is gone.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from statistics import median
from urllib.parse import urlsplit

from tqdm import tqdm

from benchmarks import objects, studies, world
from benchmarks.world import Figures
from server.settings import Settings
from server.usecases.batch import close_batch
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders

STALLED, FRAMES = 32, 100
TAKEN = 8192
TRIES = 20
ALIAS = "LUNG"


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Stalled downloads\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, [ALIAS])
        studies.fill(runtime, args.studies)
        size = _deposited(runtime)
        runtime.close()
        with world.accord(chosen, "web") as pid:
            found = _rounds(args.rounds, args.seconds, chosen, pid, size)
    rows = [
        [name, connections, *(f"{median(getattr(f, figure) for f in each):.2f}" for figure in ("rate", "p50", "p99", "cpu"))]
        for (name, connections), each in found.items()
    ]
    world.table(("while", "connections", "answers/s", "p50 ms", "p99 ms", "server CPU ms"), rows)
    for connections in (1, 4):
        idle, stalled = ([f.p99 for f in found[name, connections]] for name in ("idle", f"{STALLED} stalled"))
        said = f"- p99 beside stalled downloads over p99 idle (target: at most 3), {connections} searching"
        print(f"{said}: {world.ratios(stalled, idle)}")
    print()
    world.say(
        f"QIDO pages of 100 of {args.studies} studies. {STALLED} downloads, {size / 1e6:.0f} MB each, by an inside client, all",
        f"answered 200, the first {TAKEN // 1024} kB read and no more; {chosen.web_workers} processes with {chosen.streams}",
        "places for streams each, a thread a place. Bound by Python's lock in each process; a stalled stream holds none.",
    )


def _deposited(runtime: Runtime) -> int:
    """One object of a hundred frames, taken as any other; its size in bytes."""
    made = next(objects.copies(objects.template(frames=FRAMES), 1, 1))
    batch = builders.batch(runtime, ALIAS, attested=True, provider=f"hospital-{ALIAS.lower()}")
    taken = take(runtime, batch, "big.dcm", memoryview(made))
    assert taken.rule == "attested", taken.sentence
    close_batch(runtime, batch.id)
    return len(made)


def _rounds(rounds: int, seconds: float, chosen: Settings, pid: int, size: int) -> dict[tuple[str, int], list[Figures]]:
    found: dict[tuple[str, int], list[Figures]] = {}
    url = f"{chosen.base_url}/dicom-web/studies?limit=100"

    def measure(name: str) -> None:
        for connections in (1, 4):
            figures = world.drive(url, world.bearer(chosen), connections, seconds, (pid,))
            found.setdefault((name, connections), []).append(figures)

    for _ in tqdm(range(rounds), desc="stalled", unit="round", leave=False):
        measure("idle")
        with _stalled(chosen, size):
            measure(f"{STALLED} stalled")
    return found


@contextlib.contextmanager
def _stalled(chosen: Settings, size: int) -> Iterator[None]:
    """The downloads, begun and then not read, until the block ends."""
    study, series, instance = objects.uids(1)
    path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
    headers = world.bearer(chosen, "inside") | {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    with contextlib.ExitStack() as stack:
        for _ in range(STALLED):
            reader = stack.enter_context(contextlib.closing(_begun(chosen.base_url, path, headers)))
            head = _read(reader, TAKEN)
            assert int(_field(head, b"content-length")) > size - 1, head[:400]
        yield


def _begun(base: str, path: str, headers: Mapping[str, str]) -> socket.socket:
    """A connection whose download was granted. The kernel deals connections to the processes unevenly: 503 is tried again."""
    parts = urlsplit(base)
    lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", *(f"{name}: {value}" for name, value in headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    said = b""
    for _ in range(TRIES):
        reader = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        reader.sendall(request)
        said = reader.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL)
        if said.endswith(b"200"):
            return reader
        reader.close()
        assert said.endswith(b"503"), said
    raise ConnectionError(said)


def _read(reader: socket.socket, count: int) -> bytes:
    held = b""
    while len(held) < count:
        held += reader.recv(count - len(held))
    return held


def _field(head: bytes, name: bytes) -> bytes:
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return next(value for key, _, value in (line.partition(b":") for line in lines) if key.lower() == name).strip()


if __name__ == "__main__":
    main()
