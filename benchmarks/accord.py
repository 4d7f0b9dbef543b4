"""A private Accord for benchmarks: `accord serve` on free loopback ports, governed by `accord admin`, in a folder of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from server import settings as configuration
from server import wiring
from server.cli import tokens
from server.usecases.runtime import Runtime
from tests.servers import find, free_port

DATASET, PROVIDER, SENDER = "BENCH", "hospital", "STORESCU"
READY_SECONDS = 60
COMMAND = re.compile(rb"server\.cli\.main\0(serve|web|dimse|worker)\0")


@dataclass(frozen=True)
class Process:
    """A process of the server: what it runs, `web worker` for a child of `web`."""

    pid: int
    parent: int
    role: str


class Accord:
    """A server over `folder`. `ACCORD_*` settings are given by name; `attested`: its DICOM sender's de-identification is.

    `node`: what `accord admin node add` is told of its node, if that is not a folder.
    """

    def __init__(self, folder: Path, *, attested: bool = False, node: Sequence[str] = (), **settings: object) -> None:
        self.folder = folder
        self.port, self.dimse_port = free_port(), free_port()
        ours = {"data_dir": folder / "data", "port": self.port, "dimse_port": self.dimse_port, "min_free_mb": 0}
        said = {f"ACCORD_{name.upper()}": str(value) for name, value in (ours | settings).items()}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCORD_")} | said
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = folder / "provider.client.json"
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.run("migrate")
        for line in self._governance(node, attested=attested):
            self.run("admin", *line)

    def _governance(self, node: Sequence[str], *, attested: bool) -> Iterator[tuple[str, ...]]:
        (self.folder / "terms.txt").write_text("Never for diagnosis.\n")
        yield "terms", "add", str(self.folder / "terms.txt"), "--version", "1.0.0"
        yield "node", "add", "central", *node
        yield "party", "add", PROVIDER, "--name", "A hospital", "--role", "provider"
        yield "agreement", "add", "DSA", "--provider", PROVIDER, "--node", "central", "--terms", "1.0.0"
        yield "agreement", "propose", "DSA"
        yield "agreement", "activate", "DSA"
        yield "dataset", "add", DATASET, "--agreement", "DSA", "--title", "What the benchmark sends"
        yield "sender", "add", DATASET, "--aet", SENDER, "--from", "127.0.0.1/32"
        if attested:
            yield "sender", "attest", DATASET, "--aet", SENDER, "--person", "Dr. Bench", "--on", "2026-11-01"
        yield (
            "client",
            "add",
            PROVIDER,
            "--party",
            PROVIDER,
            "--scopes",
            "system/*.cruds",
            "--terms",
            "1.0.0",
            "--write",
            str(self.client),
        )

    def command(self, *arguments: str) -> list[str]:
        """`accord` with these arguments."""
        return [sys.executable, "-m", "server.cli.main", *arguments]

    def run(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run an `accord` command to its end."""
        done = subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"accord {' '.join(arguments)}: {done.stderr}")
        return done

    def runtime(self) -> Runtime:
        """Its database and nodes, read beside it."""
        return wiring.runtime(configuration.read(self.environment))

    def token(self) -> str:
        """A token of the provider's client."""
        return tokens.fetch(self.client)

    # --- processes

    def start(self) -> None:
        """Start it in a session of its own, and wait until its doors answer. It dies with this process."""
        command = [str(find("setpriv")), "--pdeathsig=KILL", *self.command("serve")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.wait()

    def wait(self, seconds: float = READY_SECONDS) -> None:
        """Return when both doors answer. Raises RuntimeError with the end of its log."""
        until = time.monotonic() + seconds
        while not self.answers():
            if time.monotonic() > until or (self.process and self.process.poll() is not None):
                raise RuntimeError(self.log.read_text(errors="replace")[-4000:])
            time.sleep(0.1)

    def answers(self) -> bool:
        """Whether HTTP is ready and DICOM connections are accepted."""
        try:
            with socket.create_connection(("127.0.0.1", self.dimse_port), 2):
                return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
        except (OSError, httpx.HTTPError):
            return False

    def alive(self) -> list[Process]:
        """Its processes now: those of its session."""
        found = [p for p in _processes() if self.process and p[1] == self.process.pid]
        webs = {pid for pid, _, _, role in found if role == "web"}
        named = ((pid, parent, "web worker" if parent in webs else role) for pid, _, parent, role in found)
        return [Process(*each) for each in named if each[2]]

    def ports_free(self) -> bool:
        """Whether nothing listens on its ports any more."""
        return not any(_listening(port) for port in (self.port, self.dimse_port))

    def kill(self) -> None:
        """End the whole session as a power cut does."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """End it as an operator does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def complaints(self) -> list[str]:
        """Lines of its log that only a defect writes: tracebacks, unexpected errors, processes that ended by themselves."""
        words = ("unexpected", "Traceback", "process ended", "chore failed", "Error@", "Exception@", "panicked")
        return [line[:400] for line in self.log.read_text(errors="replace").splitlines() if any(word in line for word in words)]


def _processes() -> Iterator[tuple[int, int, int, str]]:
    """(pid, session, parent, role) of every process, its role empty where it is no command of ours nor one's child."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                line = (folder / "cmdline").read_bytes()
                found = COMMAND.search(line)
                tracker = b"resource_tracker" in line
                if state != "Z" and not tracker:
                    yield int(folder.name), int(session), int(parent), found[1].decode() if found else ""


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
