"""The processes: `serve` supervises `web`, `dimse` and `worker`; each also runs alone, as in large deployments."""

import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from mappings.failures import Failure
from server import settings as configuration
from server import wiring
from server.cli import lifeline
from server.cli.help import examples, say_next
from server.cli.options import with_settings
from server.cli.supervise import PARENT, STOP_SECONDS, supervise, until_stopped
from server.log import start_log
from server.settings import Settings

if TYPE_CHECKING:  # only the web process loads it
    from flask import Flask

log = logging.getLogger("accord.serve")
_OTHER_FILES = 512
"""Descriptors of a process that are no callers' connections: database, nodes, spool, what is being read."""
KEYS = "keys.json"
AGAIN_SECONDS = 60
"""After which an HTTP process that can't begin is begun again."""
READ_SECONDS = 3
"""How long a stranger's question may take, in each web process."""


def _begin(settings: Settings) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one of Granian's has its parent's handler till it serves, and loses a stop
    start_log(settings.log_level)
    if parent := os.environ.get(PARENT):
        lifeline.hold(int(parent))


@click.command(epilog=examples("accord web --port 8080"))
@with_settings
def web(settings: Settings) -> int:
    """Serve HTTP by several processes."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings

    from server.web.bulkheads import threads_of

    _begin(settings)
    if _taken(settings.bind, settings.port):  # Granian would share it, and each server get half of the other's requests
        return 1
    if not _is_usable(settings):  # nor is the schema made by each of the processes
        return 1
    os.environ[PARENT] = str(os.getpid())  # to the processes that Granian starts
    Granian(
        "server.cli.processes:factory",
        address=settings.bind,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=threads_of(settings),
        backlog=1024,
        backpressure=_connections(settings.connections),
        http=HTTPModes.http1,  # while it waits for what may be HTTP/2, Granian has no time limit at all
        http1_settings=HTTP1Settings(header_read_timeout=settings.arrival_seconds * 1000),
        websockets=False,
        log_enabled=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
        factory=True,
    ).serve()
    return 0


def _is_usable(settings: Settings, *, make: bool = False) -> bool:
    """Whether database and keys are there and can be used; what can't be is said on standard error, once for all processes."""
    from adapters.identity import Keys

    try:
        wiring.runtime(settings, make=make).close()
        Keys.load_or_make(settings.data_dir.absolute() / KEYS)
    except Failure as failure:
        print(f"accord: {failure}", file=sys.stderr)
        return False
    return True


def _connections(wanted: int) -> int:
    """So many connections as descriptors allow, two for each while it is looked at; their limit is raised as far as it may be.

    Granian accepts over and over what it has no descriptor for.
    """
    needed, unlimited = 2 * wanted + _OTHER_FILES, resource.RLIM_INFINITY
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != unlimited and now < needed:
        now = needed if most == unlimited else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    return wanted if now == unlimited else max(1, min(wanted, (now - _OTHER_FILES) // 2))


def factory() -> "Flask":
    """The application of one Granian process."""
    from adapters.identity import Keys
    from server.web.app import create
    from server.web.context import connections

    settings = configuration.read()
    _begin(settings)
    try:
        keys = Keys.load_or_make(settings.data_dir.absolute() / KEYS)
        runtime = wiring.runtime(settings, read_seconds=READ_SECONDS)
    except Failure as failure:  # it was well when the server began, and may be again: Granian begins this process anew
        log.error("not served", extra={"why": str(failure), "again_in": AGAIN_SECONDS})  # noqa: TRY400 - no trace of ours
        time.sleep(AGAIN_SECONDS)
        sys.exit(1)
    app = create(runtime, keys)
    connections(app, settings.port, _connections(settings.connections)).watch()
    gc.freeze()  # what is there by now stays: looking at all of it for garbage again and again costs a request as it comes
    return app


@click.command(epilog=examples("accord dimse --dimse-port 11112"))
@with_settings
def dimse(settings: Settings) -> int:
    """Serve the DICOM network."""
    from server.dimse import scp

    _begin(settings)
    stopping = until_stopped()
    settings = replace(settings, connections=_connections(settings.connections))
    served = scp.serve(wiring.runtime(settings), bind=settings.bind, port=settings.dimse_port)
    stopping.wait()
    served.stop()
    return 0


@click.command(epilog=examples("accord worker", "accord worker --check"))
@click.option("--check", is_flag=True, help="say whether a worker of this machine is at work, and end")
@with_settings
def worker(settings: Settings, *, check: bool) -> int:
    """Do the chores."""
    from server.usecases import vet_node
    from server.usecases import worker as work
    from server.worker import loop

    if check:
        idle = work.find_troubles(wiring.runtime(settings, upgrade=False), wiring.host())
        print("\n".join(idle) or "A worker is at work.")
        return len(idle)
    _begin(settings)
    runtime = wiring.runtime(settings)
    for refusal in vet_node.suspend_unfit(runtime, "operator:start"):
        log.error("node", extra={"refusal": refusal})
    loop.run(runtime, until_stopped())
    return 0


@click.command(epilog=examples("accord migrate", "accord migrate --data /srv/accord"))
@with_settings
def migrate(settings: Settings) -> None:
    """Make an Accord where there is none, and bring the database to the newest schema."""
    wiring.runtime(settings, make=True).close()
    print(f"The Accord in {settings.data_dir.absolute()} has the newest schema.")
    say_next("accord admin terms add terms.txt --version 1.0.0")


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


@click.command(epilog=examples("accord serve", "accord serve --port 8080 --dimse-port 11112"))
@with_settings
def serve(settings: Settings) -> int:
    """All in one."""
    _begin(settings)
    if _taken(settings.bind, settings.port, settings.dimse_port):
        return 1
    if not _is_usable(settings, make=True):
        return 1
    print(f"Accord: {settings.base_url} · DICOM {settings.bind}:{settings.dimse_port} · data {settings.data_dir}")
    supervise(until_stopped())
    return 0
