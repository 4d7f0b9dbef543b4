"""`accord demo` and what the README says of it, in real processes.

A fenced `sh` block of the README or of `docs/fhir.md` under a line `<!-- run -->` is run here, from the top of the repository,
against a started demo: `.demo` stands for its data directory, 8080 and 11112 for its ports. Every line must succeed.
"""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mappings.failures import Conflict, Unavailable
from server.cli import demo as demonstration
from server.cli import tour
from tests.running import CLEAR, COMMAND, TOP, eventually, process
from tests.servers import find, free_port

README = (TOP / "README.md").read_text()
FHIR = (TOP / "docs/fhir.md").read_text()
BLOCKS = re.findall(r"^<!-- run -->\n+```sh\n(.*?)^```", README + FHIR, re.MULTILINE | re.DOTALL)
SECONDS = 60


@dataclass
class Demo:
    """A running demo: its data, what it wrote for scripts, and what it printed."""

    data: Path
    log: Path

    @property
    def told(self) -> dict:
        return json.loads((self.data / "demo.json").read_text())

    @property
    def printed(self) -> str:
        return self.log.read_text()

    def get(self, path: str, name: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.told['tokens'][name]}"} if name else {}
        return httpx.get(self.told["base_url"] + path, headers=headers, timeout=SECONDS, verify=CLEAR)


def start(data: Path, port: int, dimse_port: int, log: Path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
    return process("demo", "--port", port, "--dimse-port", dimse_port, "--data", data, environment=environment, log=log)


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def demo(tmp_path_factory, ports) -> Iterator[Demo]:
    """A first start."""
    folder = tmp_path_factory.mktemp("demo")
    started = Demo(folder / "data", folder / "log")
    with start(started.data, *ports, started.log) as running:
        assert eventually(lambda: (started.data / "demo.json").exists() or running.poll() is not None, SECONDS), started.printed
        assert running.poll() is None, started.printed
        yield started
    assert not (started.data / "demo.json").exists()


def test_the_tour_tells_an_agreement_s_whole_life_and_leaves_nothing(tmp_path, ports):
    """Each of its steps is seen to be so, by the tour itself: it ends with another status where one is not."""
    told = subprocess.run(
        [*COMMAND, "demo", "--tour", "--port", str(free_port()), "--dimse-port", str(free_port())],
        env={k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")} | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=4 * SECONDS,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "entries and" in told.stdout
    assert "All of it was so" in told.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_tour_ends_at_the_first_step_that_is_not_so():
    with pytest.raises(Conflict, match=r"it is not so that the earth is flat\. Here is why"):
        tour.be_so("the earth is flat", is_so=False, said="Here is why.")


def test_what_scripts_need_is_written_for_its_owner_only(demo, ports):
    told = demo.told
    assert (demo.data / "demo.json").stat().st_mode & 0o077 == 0
    assert told["base_url"] == f"http://127.0.0.1:{ports[0]}"
    asks = {"query_ae": "ACCORD", "query_calling_ae": "DEMOQUERY"}
    stores = {"called_ae": "DEMO-LIVER", "calling_ae": "DEMOPACS"}
    assert told["dimse"] == {"host": "127.0.0.1", "port": ports[1]} | stores | asks
    assert set(told["clients"]) == set(told["tokens"]) == {"provider", "researcher", "inside", "operator"}


def test_the_samples_are_in_and_some_wait_and_some_are_refused(demo):
    assert len(demo.get("/dicom-web/studies", "researcher").json()) >= 5
    (pushed,) = [b for b in demo.get("/api/batches", "provider").json()["batches"] if b["door"] == "push"][-1:]
    assert all(pushed["outcomes"][o] for o in ("pass", "review", "reject"))
    assert pushed["waiting"]
    for name in ("provider", "researcher", "inside", "operator"):
        assert demo.get("/fhir/R4/ImagingStudy?_summary=count", name).json()["total"] >= 5, name


def test_it_says_that_it_is_a_demo_and_never_for_diagnosis(demo):
    assert "DEMO" in demo.printed
    assert "Nothing here is for diagnosis" in demo.printed


def test_a_second_demo_on_its_directory_says_so_and_ends(demo):
    flags = ("--port", free_port(), "--dimse-port", free_port(), "--data", demo.data)
    done = subprocess.run(
        [*COMMAND, "demo", *map(str, flags)], cwd=TOP, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 1
    assert f"A demo runs on {demo.data} at {demo.told['base_url']} already." in done.stderr
    assert demo.get("/health/ready").status_code == 200


def test_a_renewal_that_fails_is_tried_again_and_ends_nothing(monkeypatch, caplog):
    for failure in (Unavailable("token-endpoint-unavailable", "x"), OSError("no room"), httpx.ConnectError("x")):
        monkeypatch.setattr(demonstration, "_write", lambda *_, failure=failure: (_ for _ in ()).throw(failure))
        assert demonstration._renew(None, {}) == demonstration.RETRY_SECONDS
    assert caplog.text.count("tokens not renewed") == 3
    monkeypatch.setattr(demonstration, "_write", lambda *_: None)
    assert demonstration._renew(None, {}) == demonstration.RENEW_SECONDS


def test_make_clean_leaves_a_running_demo_alone(tmp_path):
    (tmp_path / ".demo").mkdir()
    clean = [find("make"), "-f", TOP / "Makefile", f"PYTHON={sys.executable}", "clean"]
    with (tmp_path / ".demo/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(clean, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "A demo runs on .demo" in done.stdout
        assert (tmp_path / ".demo").exists()
    subprocess.run(clean, cwd=tmp_path, capture_output=True, check=True)
    assert not (tmp_path / ".demo").exists()


def test_its_datasets_stand_in_the_catalogue_when_it_is_ready(demo):
    base = f"{demo.told['base_url']}/catalogue/datasets/"
    assert set(re.findall(rf"<({re.escape(base)}[\w-]+)>", demo.get("/catalogue").text)) == {
        f"{base}DEMO-LIVER",
        f"{base}DEMO-MIXED",
    }


def printed(demo: Demo) -> list[str]:
    """The commands that the demo prints, each whole."""
    lines = demo.printed.partition("Try, in another shell:")[2].replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if re.match(r"  (storescu|findscu|curl|\S*accord) ", line)]


def run(script: str) -> str:
    """Run shell lines from the top of the repository, each of which must succeed; what they printed."""
    done = subprocess.run(
        [find("bash"), "-euo", "pipefail", "-c", script], cwd=TOP, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, (script, done.stdout[-500:], done.stderr[-1500:])
    return done.stdout


def own(script: str) -> str:
    """With dcmtk's programs (pynetdicom puts some of its own beside this interpreter) and this interpreter's accord."""
    script = re.sub(r"(?<![\w/])(storescu|findscu|getscu) ", lambda named: f"{find(named[1])} ", script)
    return script.replace(".venv/bin/accord", f"{sys.executable} -m server.cli.main")


def test_every_printed_command_works(demo):
    commands = printed(demo)
    assert len(commands) >= 8
    for command in commands:
        said = run(own(command))
        assert '"resourceType":"OperationOutcome"' not in said
        assert "urn:accord:request" not in said, command


def test_the_readme_has_commands_to_run():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.split("\n")[0][:40])
def test_the_readmes_commands_work_on_the_demo(demo, ports, block):
    script = own(block)
    for name, value in {".demo": str(demo.data), "8080": str(ports[0]), "11112": str(ports[1])}.items():
        script = script.replace(name, value)
    said = run(script)
    assert "urn:accord:request" not in said, "none of them prints a problem"


def python(demo: Demo, marker: str) -> str:
    """What the README's Python under this marker prints."""
    (code,) = re.findall(rf"^<!-- {marker} -->\n+```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    script = code.replace(".demo", str(demo.data))
    done = subprocess.run([sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    return done.stdout


def test_the_readmes_python_runs_as_it_is_printed(demo):
    assert re.fullmatch(r"[1-5] studies, [1-5] described\n", python(demo, "run python"))


def test_another_repository_counts_what_each_agreement_shares_and_reads_every_page(demo):
    lines = python(demo, "run repository").splitlines()
    for alias in ("DEMO-LIVER", "DEMO-MIXED"):
        counted = demo.get(f"/fhir/R4/ImagingStudy?dataset={alias}&_summary=count", "researcher").json()["total"]
        told = [line.removeprefix(f"DSA-{alias} {alias} ") for line in lines if line.startswith(f"DSA-{alias} {alias} ")]
        assert told.pop().count("ImagingStudy/") == counted
        assert [line for line in told if not line.endswith(" 0")], "each has something of some kind"
        assert {line.partition("=")[0] for line in told} == {"modality", "patient.gender", "age", "bodysite"}


def test_every_make_target_in_the_readme_is_one():
    targets = set(re.findall(r"^([a-z]+):", (TOP / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) | set(re.findall(r"`make ([a-z]+)`", README))
    assert {"demo", "test", "help"} <= named <= targets


def test_a_second_start_is_quick_brings_nothing_again_and_takes_free_ports(tmp_path):
    """Started, stopped, and started again while somebody else has the ports: the same data, other ports, and it says so."""
    port, dimse_port = free_port(), free_port()
    data, log = tmp_path / "data", tmp_path / "log"
    with start(data, port, dimse_port, log):
        assert eventually((data / "demo.json").exists, SECONDS)
        first = Demo(data, log)
        before = held(first)
    log.unlink()
    with socket.create_server(("127.0.0.1", port)):
        began = time.monotonic()
        with start(data, port, dimse_port, log):
            assert eventually((data / "demo.json").exists, SECONDS)
            took = time.monotonic() - began
            second = Demo(data, log)
            assert second.told["base_url"] != f"http://127.0.0.1:{port}"
            assert f"Port {port} is taken, so HTTP is on" in second.printed
            assert second.get("/dicom-web/studies", "researcher").status_code == 200
            after = held(second)
    assert after == before
    assert took < 60, "under five seconds on a quiet machine; this one may be busy"


def held(demo: Demo) -> tuple[int, int]:
    """How many batches and studies there are."""
    return len(demo.get("/api/batches", "provider").json()["batches"]), len(demo.get("/dicom-web/studies", "researcher").json())


def test_a_demo_that_is_killed_leaves_nobody_on_its_ports(tmp_path):
    port, dimse_port = free_port(), free_port()
    data, log = tmp_path / "data", tmp_path / "log"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")}
    command = [*COMMAND, "demo", "--port", str(port), "--dimse-port", str(dimse_port), "--data", str(data)]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=TOP, env=environment, stdout=out, stderr=out) as killed,
    ):
        assert eventually(lambda: listening(port) and listening(dimse_port), SECONDS)
        killed.send_signal(signal.SIGKILL)
    assert eventually(lambda: not listening(port) and not listening(dimse_port), 10)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
