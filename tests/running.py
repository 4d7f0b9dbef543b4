"""A whole Accord as its operator runs it: real processes on free loopback ports, governed by the real command line.

It is started with a parent-death signal, stopped by its process id, and nothing of it is left on its ports.
"""

import contextlib
import functools
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from server.cli.tokens import fetch
from tests.servers import find, free_port

COMMAND = (sys.executable, "-m", "server.cli.main")
TOP = Path(__file__).parents[1]
MANY = """
import json, sys
from server.cli.main import main
for line in sys.stdin:
    try:
        main(json.loads(line))
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line} ended with {end.code}")
"""
"""Many commands in one process: each would take a second to start."""
SECONDS = 60
CLEAR = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used, since all is on loopback: httpx would read every authority of this machine for each client."""
Done = subprocess.CompletedProcess[str]


def eventually(true: Callable[[], object], seconds: float = 15) -> bool:
    """Whether it becomes true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@dataclass
class Accord:
    """A running Accord: where it listens and keeps its data, and the client files it wrote."""

    data: Path
    environment: dict[str, str]
    port: int
    dimse_port: int
    clients: dict[str, Path] = field(default_factory=dict)
    tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The HTTP door."""
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments: object, status: int | None = 0, **more: object) -> Done:
        """Run one `accord` command to its end, which must have this status (None: any)."""
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=self.environment,
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            **more,
        )
        assert status in (None, done.returncode), (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def admin(self, *commands: str | Sequence[str]) -> str:
        """Run `accord admin …` commands one after the other; what they printed."""
        lines = [["admin", *(c.split() if isinstance(c, str) else c)] for c in commands]
        text = "\n".join(map(json.dumps, lines))
        done = subprocess.run(
            [sys.executable, "-c", MANY],
            input=text,
            env=self.environment,
            cwd=TOP,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def token(self, name: str) -> str:
        """A token of this client, as `accord token --as FILE` prints it."""
        until, text = self.tokens.get(name, (0.0, ""))
        if time.monotonic() > until:
            text = fetch(self.clients[name])
            self.tokens[name] = (time.monotonic() + 200, text)
        return text

    def http(self, name: str | None = None, **headers: str) -> httpx.Client:
        """An HTTP client with this client's token."""
        proof = {"Authorization": f"Bearer {self.token(name)}"} if name else {}
        return httpx.Client(base_url=self.base, headers=proof | headers, timeout=SECONDS, verify=CLEAR)

    def get(self, path: str, name: str | None = None, **headers: str) -> httpx.Response:
        """One answer."""
        with self.http(name, **headers) as client:
            return client.get(path)

    def dcmtk(self, program: str, *arguments: object, called: str, calling: str = "STORESCU") -> Done:
        """Run storescu, dcmsend or echoscu against the DICOM door."""
        peer = ["-aec", called, "-aet", calling, "127.0.0.1", str(self.dimse_port)]
        return subprocess.run(
            [find(program), *peer, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"TCP_NODELAY": "1"},
        )


@contextlib.contextmanager
def running(data: Path, **settings: str) -> Iterator[Accord]:
    """`accord serve` on this data directory and free ports, with `ACCORD_*` settings, until the block ends."""
    ports = {"ACCORD_PORT": str(free_port()), "ACCORD_DIMSE_PORT": str(free_port()), "ACCORD_DATA_DIR": str(data)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ACCORD_")} | ports
    environment |= {f"ACCORD_{name.upper()}": value for name, value in settings.items()}
    made = Accord(data, environment, int(ports["ACCORD_PORT"]), int(ports["ACCORD_DIMSE_PORT"]))
    flags = ("--port", made.port, "--dimse-port", made.dimse_port, "--data", data)
    with process("serve", *flags, environment=environment, log=data.with_suffix(".log")) as served:
        assert eventually(lambda: served.poll() is not None or answers(f"{made.base}/health/ready"), SECONDS)
        assert served.poll() is None, data.with_suffix(".log").read_text()[-2000:]
        yield made
    assert not answers(f"{made.base}/health/live")


@contextlib.contextmanager
def process(*arguments: object, environment: dict[str, str], log: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """An `accord` command that stays, ended by SIGTERM; it must end soon and well."""
    with log.open("ab") as out:
        started = subprocess.Popen(
            [find("setpriv"), "--pdeathsig=TERM", *COMMAND, *map(str, arguments)],
            cwd=TOP,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            ended = started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            ended = started.wait()
    assert ended == 0, log.read_text()[-2000:]


def answers(url: str) -> bool:
    """Whether this address answers 200."""
    try:
        return httpx.get(url, timeout=2, verify=CLEAR).status_code == 200
    except httpx.HTTPError:
        return False


@functools.cache
def _image() -> pydicom.FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, MRImageStorage
    made = pydicom.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID, made.Modality, made.PatientIdentityRemoved, made.DeidentificationMethod = (
        MRImageStorage,
        "MR",
        "YES",
        "Made for a test",
    )
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = bytes(range(256))
    return made


def image(study: str, patient: str, number: int = 1, *, series: str = "", **more: str) -> bytes:
    """A small declared MR object of our own making, its UIDs its own."""
    made = deepcopy(_image())  # what one asks for more is not every later one's
    made.StudyInstanceUID, made.SeriesInstanceUID = study, series or f"{study}.1"
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    made.PatientID = made.PatientName = patient
    made.InstanceNumber = number
    for keyword, value in more.items():
        setattr(made, keyword, value)
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
