"""What every benchmark starts from: an Accord of its own on loopback, processes whose CPU is counted, and rounds taken in turn.

Nothing is left behind. Wall figures of a busy machine drift, so sides are measured in turn, round by round: quote the ratios.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from adapters.client_file import ClientFile, new_client_key, write_client
from benchmarks import bare as bare_view
from server import wiring
from server.cli import tokens
from server.settings import Settings
from server.usecases.client import add_client
from server.usecases.node import add_node
from server.usecases.party import add_party
from server.usecases.runtime import Runtime
from server.usecases.terms import publish_terms
from tests import builders, servers

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 60
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def options(text: str, parts: Iterable[str] = ()) -> argparse.Namespace:
    """The options that all benchmarks take, so that `make bench ARGS=…` reaches each of them; and which `parts` to measure."""
    parser = argparse.ArgumentParser(description=text)
    if parts:
        parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--studies", type=int, default=100_000, help="studies in the index (search, stalled)")
    parser.add_argument("--orthanc-studies", type=int, default=2_000, help="studies in Orthanc (search)")
    parser.add_argument("--hapi-studies", type=int, default=2_000, help="studies in HAPI, and in the Accord beside it (hapi)")
    parser.add_argument("--objects", type=int, default=200, help="objects a round (store)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="length of one side's turn (search, stalled)")
    parser.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL instead of SQLite")
    return parser.parse_args()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of this run's, removed at its end only: ext4 makes files slowly for minutes after many were removed."""
    with tempfile.TemporaryDirectory(prefix="accord-bench-") as made:
        yield Path(made)


@contextlib.contextmanager
def database(*, postgresql: bool) -> Iterator[str]:
    """The URL of an empty database: "" for SQLite in the data directory."""
    if not postgresql:
        yield ""
        return
    with servers.postgresql_server() as new_database:
        yield new_database()


@contextlib.contextmanager
def node(home: Path, *, orthanc: bool) -> Iterator[tuple[str, ...]]:
    """What `accord admin node add` is told of a private Orthanc; nothing for a folder in the data directory."""
    if not orthanc:
        yield ()
        return
    secret = home / "orthanc.secret"
    with servers.orthanc_server() as server:
        secret.write_text(f"{server.user}:{server.password}\n")
        yield "--kind", "orthanc", "--url", server.url, "--secret-file", str(secret)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one piece of work took: MB held before and taken at the peak, by the process that took most; and seconds."""

    before: float
    peak: float
    seconds: float


def taken(root: int, work: Callable[[], object]) -> Taken:
    """What this process and those below it take for some work, by the peak of their resident memory, mapped files too."""
    before = {pid: _resident(pid, "VmRSS") for pid in processes(root)}
    for pid in before:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    most = max(before, key=lambda pid: _resident(pid, "VmHWM") - before[pid])
    return Taken(before[most], _resident(most, "VmHWM") - before[most], seconds)


def _resident(pid: int, what: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) * 1024 / 1e6


def database_name(args: argparse.Namespace) -> str:
    """What Accord's index is in."""
    return "PostgreSQL" if args.postgresql else "SQLite"


def settings(home: Path, url: str) -> Settings:
    """Accord's own defaults, on free ports; its log goes to a file."""
    ports = {"port": servers.free_port(), "dimse_port": servers.free_port()}
    return Settings(data_dir=home / "accord", database_url=url, **ports)


def governed(chosen: Settings, aliases: Sequence[str], node: Mapping[str, str] | None = None) -> Runtime:
    """A runtime with a provider, an active agreement, an attested sender and a dataset for each alias, and two clients.

    `node`: where and of which kind theirs is, if it is no folder.
    """
    runtime = wiring.runtime(chosen, make=True)
    if node is not None:
        publish_terms(runtime, builders.ACTOR, builders.TERMS, b"Never for diagnosis.\n")
        add_node(runtime, builders.ACTOR, "central", hosting="central", networks=["127.0.0.0/8"], **node)
    for alias in aliases:
        builders.seed(runtime, alias=alias, provider=f"hospital-{alias.lower()}", attested=True)
    add_party(runtime, builders.ACTOR, "university", "University", "user")
    for name, inside in (("researcher", None), ("inside", "central")):
        client(runtime, name, inside)
    return runtime


def client(
    runtime: Runtime,
    name: str,
    node: str | None = None,
    party: str = "university",
    scope: str = "system/*.rs",
    purpose: str = "AIRESEARCH",
) -> None:
    """A client of this party, whose tokens `bearer` gets; `purpose` "" for who claims none."""
    private, public = new_client_key()
    links = {"party": party, "node": node, "terms": builders.TERMS}
    add_client(runtime, builders.ACTOR, name, jwks=public, scopes=[scope], purposes=purpose.split(), **links)
    write_client(_file(runtime.settings, name), ClientFile(name, runtime.settings.base_url, scope, purpose or None, private))


def _file(chosen: Settings, name: str) -> Path:
    return chosen.data_dir / f"{name}.client.json"


def bearer(chosen: Settings, name: str = "researcher") -> dict[str, str]:
    """The header with a fresh token; it lasts five minutes, so every round takes its own."""
    return {"Authorization": f"Bearer {tokens.fetch(_file(chosen, name))}"}


@contextlib.contextmanager
def process(
    command: Sequence[object], log: Path, ready: Callable[[], bool], seconds: float = _START_SECONDS, **environment: str
) -> Iterator[int]:
    """Run a server until the block ends, ready within `seconds`; yields its process id. It dies with this process."""
    full = [str(servers.find("setpriv")), "--pdeathsig=TERM", *map(str, command)]
    with log.open("wb") as said:
        running = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | environment)
    try:
        until = time.monotonic() + seconds
        while not ready():
            if running.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        yield running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()


@contextlib.contextmanager
def accord(chosen: Settings, command: str, **more: str) -> Iterator[int]:
    """`accord web` or `accord serve` as it is started anywhere; yields the process whose children do the work."""
    told = {
        "data_dir": chosen.data_dir,
        "database_url": chosen.database_url,
        "port": chosen.port,
        "dimse_port": chosen.dimse_port,
    }
    environment = {f"ACCORD_{name.upper()}": str(value) for name, value in told.items()} | more
    arguments = [sys.executable, "-m", "server.cli.main", command]
    ready = partial(listening, [chosen.port] if command == "web" else [chosen.port, chosen.dimse_port])
    with process(arguments, chosen.data_dir / f"{command}.log", ready, **environment) as pid:
        yield pid


@contextlib.contextmanager
def bare(home: Path, chosen: Settings) -> Iterator[tuple[str, int]]:
    """The bare view of this database, beside Accord: its URL and process."""
    port = servers.free_port()
    environment = {
        "ACCORD_DATA_DIR": str(chosen.data_dir),
        "ACCORD_DATABASE_URL": chosen.database_url,
        "ACCORD_PORT": str(port),
        bare_view.KEYS: str(home / "keys.json"),
    }
    command, ready = [sys.executable, "-m", "benchmarks.bare"], partial(listening, [port])
    with process(command, home / "bare.log", ready, **environment) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextlib.contextmanager
def beside(threads: int, work: Callable[[], None]) -> Iterator[None]:
    """Do this over and over in so many threads until the block ends, which begins a second after them."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            work()

    begun = [threading.Thread(target=repeat) for _ in range(threads)]
    for thread in begun:
        thread.start()
    time.sleep(1)
    try:
        yield
    finally:
        ended.set()
        for thread in begun:
            thread.join()


def listening(ports: Sequence[int]) -> bool:
    """Whether something accepts connections on each of these ports of the loopback interface."""
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
    return True


def get(url: str, headers: Mapping[str, str]) -> bytes:
    """The body of one answered GET."""
    return ask(url, headers).body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Message
    body: bytes


def ask(url: str, headers: Mapping[str, str], *, method: str = "", body: bytes | None = None, seconds: float = 60) -> Answer:
    """What comes back within so many seconds: by GET, or POST where there is a body, unless `method` says otherwise."""
    asked = urllib.request.Request(url, body, dict(headers), method=method or None)  # noqa: S310 - our own servers
    with _OPENER.open(asked, timeout=seconds) as answer:
        return Answer(answer.status, answer.headers, bytes(answer.read()))


def cpu(*roots: int) -> float:
    """Seconds of CPU that these processes and all below them have used, the ended and waited-for ones included."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            spent[int(path.parent.name)] = sum(map(int, fields[11:15])) / _TICKS
    return sum(seconds for pid, seconds in spent.items() if _below(pid, roots, parents))


def memory(root: int) -> int:
    """Bytes that this process and all below it hold in memory now."""
    parents: dict[int, int] = {}
    held: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            held[int(path.parent.name)] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return sum(size for pid, size in held.items() if _below(pid, [root], parents))


def processes(root: int) -> list[int]:
    """What runs now of this process and all below it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    return [pid for pid in parents if _below(pid, [root], parents)]


def _below(pid: int, roots: Sequence[int], parents: Mapping[int, int]) -> bool:
    while pid and pid not in roots:
        pid = parents.get(pid, 0)
    return pid != 0


def ratios(over: Sequence[float], under: Sequence[float]) -> str:
    """The median of the ratios round by round, with the least and the greatest."""
    each = [a / b for a, b in zip(over, under, strict=True)]
    return f"{median(each):.2f}x (rounds {min(each):.2f} to {max(each):.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def say(*sentences: str) -> None:
    """Print a paragraph."""
    print(textwrap.fill(" ".join(sentences), 120), end="\n\n", flush=True)


def machine() -> str:
    """What this runs on."""
    load, libraries = os.getloadavg()[0], ("granian", "flask", "sqlalchemy", "pynetdicom")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{os.cpu_count()} cores, load {load:.1f} at the start; Python {platform.python_version()}, {versions}"


def orthanc_version(server: servers.Orthanc) -> str:
    """Orthanc's own name for itself."""
    said: dict[str, Any] = json.loads(get(f"{server.url}/system", basic(server)))
    return f"Orthanc {said['Version']}"


def basic(server: servers.Orthanc) -> dict[str, str]:
    """The credentials of a private Orthanc."""
    return {"Authorization": "Basic " + b64encode(f"{server.user}:{server.password}".encode()).decode()}


@dataclass(frozen=True, slots=True)
class Figures:
    """One side's turn: answers a second, quantiles in ms, answers in all, bytes of one, and the server's CPU in ms for each."""

    rate: float
    p50: float
    p99: float
    answers: int
    size: int
    cpu: float


def drive(
    url: str | Sequence[str], headers: Mapping[str, str], connections: int, seconds: float, roots: Sequence[int]
) -> Figures:
    """Ask for `url`, or these in turn, from a process of its own, on `connections` kept alive, each when it was answered."""
    urls = [url] if isinstance(url, str) else list(url)
    asked = json.dumps({"urls": urls, "headers": dict(headers), "connections": connections, "seconds": seconds})
    before = cpu(*roots)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.caller"], input=asked.encode(), capture_output=True, check=False, timeout=seconds + 60
    )
    spent = cpu(*roots) - before
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-2000:])
    told: dict[str, Any] = json.loads(done.stdout)
    return Figures(**told, cpu=1000 * spent / told["answers"])
