"""What a node that has stopped, sends without end or lies can cost: previews and stores against it while others search.

    python -m benchmarks.attack_nodes [--studies 20000] [--postgresql]

A real Orthanc stands behind a relay that can answer in its stead. In each of its states `PREVIEWS` pictures are asked for and
`STORES` objects are sent over HTTP, each again a second after its answer, while one client searches and a load balancer asks
whether we are ready. A state ends early where the server's memory passes `CEILING_MB`.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks import studies, world
from server.settings import Settings
from server.usecases.batch import close_batch
from server.usecases.node import add_node
from server.usecases.party import add_party
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders, servers

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

PREVIEWS, STORES, SEARCHERS = 40, 14, 2
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 120
CEILING_MB = 4000
WARD, SITE = "WARD", "site"
_ROOT, _NUMBERS = "1.2.826.0.1.3680043.10.1561.9", count(1_000_000)
STATES = ("idle", "well", "stopped", "endless", "lying")


@dataclass
class Seen:
    """What was answered in one state, and how long it took in seconds."""

    search: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    said: str = ""
    memory: int = 0


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Nodes under attack\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url, servers.orthanc_server() as orthanc:
        print(f"{world.orthanc_version(orthanc)}\n")
        with _relay(orthanc.url) as (relay, state):
            chosen = world.settings(home, url)
            _fill(chosen, args, home, relay, orthanc)
            with world.accord(chosen, "serve") as pid:
                found = {name: _state(name, chosen, pid, orthanc, state, max(args.seconds, 10)) for name in STATES}
    _print(found)
    world.say(
        f"{args.studies} studies on {world.database_name(args)}, default settings, {chosen.web_workers} web processes;",
        f"{PREVIEWS} previews and {STORES} stores at once, each again {PAUSE_SECONDS:.0f} s after its answer. Memory is the peak",
        "of all of the server's processes together.",
    )


def _print(found: dict[str, Seen]) -> None:
    idle = found["idle"]
    rows = []
    for name, seen in found.items():
        over = f"{_quantile(seen.search, 0.99) / _quantile(idle.search, 0.99):.1f}"
        figures = [f"{1000 * _quantile(of, at):.1f}" for of in (seen.search, seen.ready) for at in (0.5, 0.99)]
        failed = sum(n for answer, n in seen.answers.items() if answer.startswith("search") and not answer.endswith("200"))
        rows.append((name, *figures, over, failed, f"{seen.memory / 1e6:.0f}"))
    world.table(
        ("the node is", "search p50 ms", "p99", "ready p50 ms", "p99", "search p99 over idle", "searches refused", "memory MB"),
        rows,
    )
    for name, seen in found.items():
        print(f"- {name}: ready says {seen.said}; {dict(sorted(seen.answers.items()))}")
    print()


def _quantile(of: list[float], at: float) -> float:
    return sorted(of)[min(int(len(of) * at), len(of) - 1)]


# --- the world


def _fill(chosen: Settings, args: argparse.Namespace, home: Path, relay: str, orthanc: servers.Orthanc) -> None:
    """Datasets of studies on a folder, one study of `PREVIEWS` slices on the Orthanc, and clients of every kind."""
    runtime = world.governed(chosen, ["LUNG", "LIVER", "BREAST", "PROSTATE", "BRAIN"])
    studies.fill(runtime, args.studies)
    secret = home / "orthanc.secret"
    secret.write_text(f"{orthanc.user}:{orthanc.password}\n")
    add_node(runtime, builders.ACTOR, SITE, kind="orthanc", hosting="central", url=relay, secret_file=str(secret))
    builders.seed(runtime, alias=WARD, provider="hospital-ward", attested=True, node=SITE)
    add_party(runtime, builders.ACTOR, "centre", "Centre", "operator")
    world.client(runtime, "ward", party="hospital-ward", scope="system/*.cruds", purpose="")
    world.client(runtime, "centre", party="centre", scope="system/*.rs", purpose="")
    _deposit(runtime)
    runtime.close()


def _object(number: int) -> memoryview:
    """A declared object of 262 kB in a study of its own."""
    pixels = {"Rows": 512, "Columns": 512, "PixelData": bytes(512 * 512)}
    return builders.made(f"{_ROOT}.{number}.1.1", study=f"{_ROOT}.{number}", **pixels)


def _deposit(runtime: Runtime) -> None:
    batch = builders.batch(runtime, WARD, attested=True, provider="hospital-ward")
    for number in range(1, PREVIEWS + 1):
        taken = take(runtime, batch, f"{number}.dcm", _object(number))
        assert taken.outcome == "pass", taken.sentence
    close_batch(runtime, batch.id)


# --- the node, and what may stand in its place


@contextlib.contextmanager
def _relay(behind: str) -> Iterator[tuple[str, "Synchronized[int]"]]:
    """A relay to the node, in a process of its own: its address, and the index in `STATES` of how it behaves."""
    state = multiprocessing.Value("i", STATES.index("well"))
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        parts = urlsplit(behind)
        process = multiprocessing.Process(target=_serve, args=(listener, (parts.hostname, parts.port), state), daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", state
        finally:
            process.kill()
            process.join()


def _serve(listener: socket.socket, behind: tuple[str, int], state: "Synchronized[int]") -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, behind, state), daemon=True).start()


def _answer(connection: socket.socket, behind: tuple[str, int], state: "Synchronized[int]") -> None:
    began = state.value
    with connection, contextlib.suppress(OSError):
        if STATES[began] not in ("endless", "lying"):
            _through(connection, behind)
            return
        connection.recv(1 << 16)
        if STATES[began] == "lying":
            threading.Thread(target=_drain, args=(connection,), daemon=True).start()
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>" + b"It works! " * 1000
            )
            connection.shutdown(socket.SHUT_WR)
            time.sleep(1)
            return
        threading.Thread(target=_drain, args=(connection,), daemon=True).start()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
        while state.value == began:
            connection.sendall(b"0," * (1 << 18))


def _drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1 << 16):
            pass


def _through(connection: socket.socket, behind: tuple[str, int]) -> None:
    with socket.create_connection(behind) as node:
        back = threading.Thread(target=_pipe, args=(node, connection), daemon=True)
        back.start()
        _pipe(connection, node)
        back.join()


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


# --- the attack


def _state(name: str, chosen: Settings, pid: int, orthanc: servers.Orthanc, state: "Synchronized[int]", seconds: float) -> Seen:
    """Everything at once for some seconds, with the node as it is in this state."""
    seen, ended = Seen(), threading.Event()
    tokens = {who: world.bearer(chosen, who) for who in ("researcher", "inside", "ward", "centre")}
    state.value = STATES.index(name)
    if name == "stopped":
        orthanc.process.send_signal(signal.SIGSTOP)
    deeds = _deeds(chosen, tokens, seen)
    attack = [] if name == "idle" else deeds["preview"] + deeds["store"]
    threads = [threading.Thread(target=_again, args=(deed, ended, PAUSE_SECONDS)) for deed in attack]
    threads += [threading.Thread(target=_again, args=(deed, ended, 0.01)) for deed in deeds["ask"]]
    threads += [threading.Thread(target=_watch_memory, args=(pid, seen, ended))]
    for thread in threads:
        thread.start()
    ended.wait(seconds)
    if name == "stopped":
        seen.said = f"(doctor: {_doctor(chosen)}) "
    with contextlib.suppress(OSError):
        seen.said += _fetch(chosen, "GET", "/health/ready", tokens["centre"])[1].decode()
    ended.set()
    if name == "stopped":
        orthanc.process.send_signal(signal.SIGCONT)
    state.value = STATES.index("well")
    for thread in threads:
        thread.join()
    return seen


def _deeds(chosen: Settings, tokens: dict[str, dict[str, str]], seen: Seen) -> dict[str, list[Callable[[], None]]]:
    def ask(kind: str, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> None:
        began = time.perf_counter()
        try:
            status = str(_fetch(chosen, method, path, headers, body)[0])
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        if kind in ("search", "ready"):
            getattr(seen, kind).append(time.perf_counter() - began)
        seen.answers[f"{kind} {status}"] += 1

    def preview(number: int) -> Callable[[], None]:
        study = f"{_ROOT}.{number}"
        path = f"/dicom-web/studies/{study}/series/{study}.1/instances/{study}.1.1/rendered"
        return lambda: ask("preview", "GET", path, tokens["inside"] | {"Accept": "image/jpeg"})

    def store() -> None:
        headers = tokens["ward"] | {"Content-Type": "application/dicom"}
        ask("store", "POST", f"/dicom-web/studies?dataset={WARD}", headers, bytes(_object(next(_NUMBERS))))

    search = lambda: ask("search", "GET", "/dicom-web/studies?limit=100", tokens["researcher"])  # noqa: E731
    ready = lambda: ask("ready", "GET", "/health/ready", {})  # noqa: E731
    return {
        "preview": [preview(1 + n) for n in range(PREVIEWS)],
        "store": [store] * STORES,
        "ask": [search] * SEARCHERS + [ready],
    }


def _again(deed: Callable[[], None], ended: threading.Event, pause: float) -> None:
    while not ended.is_set():
        deed()
        ended.wait(pause)


def _fetch(chosen: Settings, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", chosen.port, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _doctor(chosen: Settings) -> str:
    """What `accord doctor` prints, and how long it took."""
    told = {"ACCORD_DATA_DIR": str(chosen.data_dir), "ACCORD_DATABASE_URL": chosen.database_url}
    began = time.perf_counter()
    command = [sys.executable, "-m", "server.cli.main", "doctor"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | told).stdout
    named = [line for line in said.splitlines() if SITE in line]
    return f"{named} in {time.perf_counter() - began:.1f} s"


def _watch_memory(pid: int, seen: Seen, ended: threading.Event) -> None:
    """Keep the peak of the server's memory; end the state where it passes the ceiling, for this machine's sake."""
    while not ended.wait(0.1):
        seen.memory = max(seen.memory, world.memory(pid))
        if seen.memory > CEILING_MB * 1_000_000:
            seen.said = f"(ended at {CEILING_MB} MB) "
            ended.set()


if __name__ == "__main__":
    main()
