"""Supervised processes: `web`, `dimse` and `worker`, started again when one ends, and ended together."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

log = logging.getLogger("accord.serve")
RESTART_SECONDS = (0.5, 1, 2, 5, 10)
STOP_SECONDS = 15
"""What a process under way is given to end; web kills those of its own that take longer."""
KILL_SECONDS = STOP_SECONDS + 5
"""After which a child that has not ended is killed: later than web kills its own, or they would outlive it."""
PARENT = "ACCORD_PARENT_PID"


def until_stopped() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


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
    until = time.monotonic() + KILL_SECONDS
    for child in children:
        if child.process:
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
