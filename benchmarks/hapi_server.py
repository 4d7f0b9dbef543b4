"""HAPI FHIR's JPA server of R4 on H2, on loopback, with all that its Maven artifacts do by default and no security (`hapi/`).

It is compiled into a folder of the run; Maven brings its class path, at the versions that `hapi/pom.xml` pins.
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import world
from tests import servers

HERE = Path(__file__).parent / "hapi"
PROGRAMS = {"javac": "openjdk-17-jdk-headless", "mvn": "maven"}
"""Program → the Debian package that brings it."""
SETTINGS = (
    "H2 in a file, 10 connections, R4, HAPI's default storage settings (references are checked, client ids kept, history kept,",
    "results of a search kept and reused for a minute unless Cache-Control: no-store is said), pages of up to 200, no full-text",
    "index, no subscriptions, Jetty's and the JVM's defaults, no security and no record of access",
)
_START_SECONDS = 240
_LOAD_SECONDS = 120
Resource = dict[str, Any]


class Unavailable(Exception):
    """It can't be run here; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Hapi:
    """A running server: its base URL, its process, and its own name for itself."""

    url: str
    pid: int
    version: str


def built(home: Path) -> str:
    """The class path of the compiled server. Raises Unavailable."""
    if missing := sorted(package for program, package in PROGRAMS.items() if shutil.which(program) is None):
        raise Unavailable(f"HAPI needs, and this machine lacks: {', '.join(missing)}.")
    listed, classes = home / "classpath", home / "classes"
    _ran("mvn", "-q", "-B", "-f", HERE / "pom.xml", "dependency:build-classpath", f"-Dmdep.outputFile={listed}")
    path = listed.read_text()
    _ran("javac", "-proc:none", "-nowarn", "-d", classes, "-cp", path, HERE / "Hapi.java")
    return f"{classes}:{path}"


def _ran(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {(done.stdout + done.stderr).strip()[-500:]}")


@contextlib.contextmanager
def running(home: Path, path: str) -> Iterator[Hapi]:
    """An empty server until the block ends."""
    port = servers.free_port()
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    command = ["java", quiet, "-cp", path, "Hapi", home / "h2", port]
    with world.process(command, home / "hapi.log", partial(world.listening, [port]), seconds=_START_SECONDS) as pid:
        url = f"http://127.0.0.1:{port}/fhir"
        software = json.loads(world.get(f"{url}/metadata", {}))["software"]
        yield Hapi(url, pid, f"{software['name']} {software['version']}")


def java_version() -> str:
    """The first line of what Java says of itself."""
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S607 - wherever it is
    return said.splitlines()[0]


def load(hapi: Hapi, pages: Iterable[Sequence[Resource]]) -> int:
    """Put each page's resources, under their own ids, in one transaction; how many there were."""
    count = 0
    for page in pages:
        told = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in page]
        bundle = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": told}).encode()
        world.ask(hapi.url, {"Content-Type": "application/fhir+json"}, body=bundle, seconds=_LOAD_SECONDS)
        count += len(page)
    return count
