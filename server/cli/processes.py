"""The processes: `serve` supervises `web`, `dimse` and `worker`; each also runs alone, as in large deployments."""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from server import settings as configuration
from server import wiring
from server.cli import lifeline
from server.log import start_log
from server.settings import Settings

if TYPE_CHECKING:  # only the web process loads it
    from flask import Flask

log = logging.getLogger("accord.serve")
RESTART_SECONDS = (0.5, 1, 2, 5, 10)
STOP_SECONDS = 15
PARENT = "ACCORD_PARENT_PID"


def settings_of(args: argparse.Namespace) -> Settings:
    """Settings from the environment and the command's own flags, which go to child processes by the environment."""
    flags = {"data_dir": args.data, "port": args.port, "dimse_port": args.dimse_port, "bind": args.bind}
    os.environ.update({f"ACCORD_{k.upper()}": str(v) for k, v in flags.items() if v is not None})
    return configuration.read()


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags every command of an Accord shares."""
    parser.add_argument("--data", metavar="DIR", help="data directory (ACCORD_DATA_DIR)")
    parser.add_argument("--port", type=int, help="HTTP port (ACCORD_PORT)")
    parser.add_argument("--dimse-port", type=int, help="DICOM port (ACCORD_DIMSE_PORT)")
    parser.add_argument("--bind", help="address to listen on (ACCORD_BIND)")


def _begin(settings: Settings) -> None:
    start_log(settings.log_level)
    if parent := os.environ.get(PARENT):
        lifeline.hold(int(parent))


def web(args: argparse.Namespace) -> int:
    """Serve HTTP: Granian's processes, each with the application of `factory`."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings

    settings = settings_of(args)
    _begin(settings)
    if _taken(settings.bind, settings.port):  # Granian would share it, and each server get half of the other's requests
        return 1
    wiring.hall(settings).store.close()  # the schema is there before the processes start
    threads = settings.streams + settings.uploads + settings.searches + settings.forms + 4
    Granian(
        "server.cli.processes:factory",
        address=settings.bind,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=threads,
        backlog=1024,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        websockets=False,
        log_enabled=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
        factory=True,
    ).serve()
    return 0


def factory() -> "Flask":
    """The application of one Granian process."""
    from adapters.identity import Keys
    from server.web.app import create

    lifeline.hold()
    settings = configuration.read()
    start_log(settings.log_level)
    return create(wiring.hall(settings), Keys.load_or_make(settings.data_dir.absolute() / "keys.json"))


def until_stopped() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def dimse(args: argparse.Namespace) -> int:
    """Serve the DICOM network."""
    from server.dimse import scp

    settings = settings_of(args)
    _begin(settings)
    stopping = until_stopped()
    served = scp.serve(wiring.hall(settings), bind=settings.bind, port=settings.dimse_port)
    stopping.wait()
    served.stop()
    return 0


def worker(args: argparse.Namespace) -> int:
    """Do the chores."""
    from server.usecases import link
    from server.worker import loop

    settings = settings_of(args)
    _begin(settings)
    hall = wiring.hall(settings)
    for said in link.refuse_nodes(hall, "operator:start"):
        log.error("node", extra={"said": said})
    loop.run(hall, until_stopped())
    return 0


def migrate(args: argparse.Namespace) -> int:
    """Bring the database to the newest schema."""
    wiring.hall(settings_of(args)).store.close()
    return 0


@dataclass(slots=True)
class Child:
    """A supervised command: started again when it ends, slower each time, until it has run a minute."""

    command: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0
    failures: int = 0
    due: float = 0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start it as a process of its own."""
        environment = os.environ | self.environment | {PARENT: str(os.getpid())}
        self.process = subprocess.Popen([sys.executable, "-m", "server.cli.main", self.command], env=environment)
        self.started = time.monotonic()

    def look(self) -> None:
        """Start it again when it has ended and its pause is over."""
        if self.process is None or self.process.poll() is None:
            return
        if self.due == 0:
            lasted = time.monotonic() - self.started
            self.failures = 0 if lasted > 60 else self.failures + 1
            pause = RESTART_SECONDS[min(self.failures, len(RESTART_SECONDS)) - 1]
            log.error("process ended", extra={"command": self.command, "status": self.process.returncode, "again_in": pause})
            self.due = time.monotonic() + pause
        elif time.monotonic() >= self.due:
            self.due = 0
            self.start()


def supervise(stopping: threading.Event) -> None:
    """Run web, dimse and worker until told to stop; then end them, forcibly after a while."""
    children = [Child(command) for command in ("web", "dimse", "worker")]
    for child in children:
        child.start()
    while not stopping.wait(0.2):
        for child in children:
            child.look()
    stop(children)


def stop(children: list[Child]) -> None:
    """End every child."""
    for child in children:
        if child.process and child.process.poll() is None:
            child.process.terminate()
    until = time.monotonic() + STOP_SECONDS
    for child in children:
        if child.process:
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()


def busy(bind: str, port: int) -> bool:
    """Whether something listens on that port already."""
    with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError:
            return True
    return False


def _taken(bind: str, *ports: int) -> bool:
    """Whether one of these ports is busy, said on standard error."""
    taken = [port for port in ports if busy(bind, port)]
    for port in taken:
        print(f"Port {port} on {bind} is taken. Choose another with --port or --dimse-port.", file=sys.stderr)
    return bool(taken)


def serve(args: argparse.Namespace) -> int:
    """All in one."""
    settings = settings_of(args)
    _begin(settings)
    if _taken(settings.bind, settings.port, settings.dimse_port):
        return 1
    wiring.hall(settings).store.close()
    print(f"Accord: {settings.base_url} · DICOM {settings.bind}:{settings.dimse_port} · data {settings.data_dir}")
    supervise(until_stopped())
    return 0


def add_parsers(commands: "argparse._SubParsersAction[Any]") -> None:
    """`serve`, `web`, `dimse`, `worker`, `migrate`."""
    for run in (serve, web, dimse, worker, migrate):
        parser = commands.add_parser(run.__name__, help=(run.__doc__ or "").strip().splitlines()[0])
        add_flags(parser)
        parser.set_defaults(run=run)
