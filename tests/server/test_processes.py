"""The processes, as they are started by mistake."""

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import processes
from tests import builders
from tests.running import COMMAND, TOP


def test_a_second_web_server_does_not_share_the_port_of_the_first(tmp_path: Path) -> None:
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Granian listens
        first.bind(("127.0.0.1", 0))
        first.listen()
        port = first.getsockname()[1]
        ours = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
        command = ["timeout", "--signal=TERM", "20", *COMMAND, "web", "--data", str(tmp_path), "--port", str(port)]
        done = subprocess.run(command, env=ours, cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr


def test_what_a_command_makes_is_for_its_owner_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    ours = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
    subprocess.run([*COMMAND, "migrate", "--data", str(tmp_path)], env=ours, cwd=TOP, check=True, umask=0o022)
    assert (tmp_path / "accord.db").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("limits", "connections", "raised"),
    [
        ((1024, 524_288), 2048, (4608, 524_288)),
        ((1024, resource.RLIM_INFINITY), 2048, (4608, resource.RLIM_INFINITY)),
        ((1024, 2048), 768, (2048, 2048)),
        ((65_536, 65_536), 2048, None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 2048, None),
        ((256, 256), 1, None),
    ],
)
def test_there_are_so_many_connections_as_descriptors_allow(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], connections: int, raised: tuple[int, int] | None
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: asked.append(pair))
    assert processes._connections(2048) == connections
    assert [pair for pair in asked if pair != limits] == ([] if raised is None else [raised])


def test_reading_in_a_web_process_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_begin", lambda _settings: None)  # its log is for a process of its own
    monkeypatch.setenv("ACCORD_DATA_DIR", str(tmp_path / "data"))
    builders.runtime(tmp_path).close()
    runtime = processes.factory().extensions["accord"].runtime
    assert runtime.store.read_seconds == processes.READ_SECONDS == 3
    runtime.close()


def test_a_stop_while_a_process_starts_ends_it_at_once() -> None:
    """Granian's own take their parent's handler with them, which tells nobody; the server was killed 15 seconds later."""
    code = (
        "import os, signal, time; from server.cli import processes; from server import settings; "
        "signal.signal(signal.SIGTERM, lambda *_: None); processes._begin(settings.read({})); "
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP, timeout=15, check=False).returncode == -signal.SIGTERM
