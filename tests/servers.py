"""Private servers for tests and benchmarks: each on a free loopback port, in a folder of its own, gone when its block ends.

They die with the process that started them, however that ends (`setpriv --pdeathsig`). Standard library only, so that
`tests/prerequisites.py` can ask what is missing before anything is installed.
"""

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

PACKAGES = {
    "Orthanc": "orthanc",
    "libOrthancDicomWeb.so": "orthanc-dicomweb",
    **dict.fromkeys(("storescu", "findscu", "getscu", "movescu", "storescp"), "dcmtk"),
    "initdb": "postgresql",
    "postgres": "postgresql",
    "psql": "postgresql",
    "setpriv": "util-linux",
}
"""Program or plugin → the Debian package that brings it."""
INSTALL = "apt-get install --no-install-recommends"
_START_SECONDS = 30
_LOWEST_PORT, _PORTS = 20_000, 12_000


class MissingError(Exception):
    """Something the tests need is not installed. They can't pass without it, and are never skipped."""


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc: its base address, the credentials it asks for, its process and the folder that outlives it."""

    url: str
    user: str
    password: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        """End it as a power switch does (SIGKILL)."""
        self.process.kill()
        self.process.wait()


def find(name: str) -> Path:
    """The program or plugin; raises MissingError with the sentence that says how to get it."""
    found = _located(name)
    if found is None:
        message = f"{name} is not installed: {INSTALL} {PACKAGES[name]}"
        raise MissingError(message)
    return found


def missing() -> set[str]:
    """The Debian packages of all that is not installed."""
    return {package for name, package in PACKAGES.items() if _located(name) is None}


def free_port() -> int:
    """A port of the loopback interface on which nothing listens now.

    Below those that a kernel gives away (RFC 6335 §6: from 49152; Linux: from 32768), so that no connection and no other
    server of a process beside this one has it before the server that it is for.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def orthanc_server(folder: Path | None = None, **settings: object) -> Iterator[Orthanc]:
    """A private Orthanc with its DICOMweb plugin, on `folder` (a fresh one if None); `settings` are laid over ours.

    1.10 can't be told an address to bind: `RemoteAccessAllowed` false makes it refuse whoever does not come from this machine.
    It is stopped by SIGKILL: a polite end takes two seconds, and what it acknowledged must survive this anyway.
    """
    program, port, password = find("Orthanc"), free_port(), secrets.token_hex(8)
    with _folder() if folder is None else contextlib.nullcontext(folder) as home:
        ours = {
            "StorageDirectory": str(home / "files"),
            "IndexDirectory": str(home / "index"),
            "Plugins": [str(find("libOrthancDicomWeb.so"))],
            "HttpPort": port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"accord": password},
            "DicomServerEnabled": False,
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowEcho": False,
            "SyncStorageArea": True,
            "TcpNoDelay": True,
            "ConcurrentJobs": 1,
        }
        (home / "orthanc.json").write_text(json.dumps(ours | settings))
        url, command = f"http://127.0.0.1:{port}", [find("setpriv"), "--pdeathsig=KILL", program, home / "orthanc.json"]
        with _running(command, home, lambda: _answers(url, password), signal.SIGKILL) as process:
            yield Orthanc(url, "accord", password, home, process)


@contextlib.contextmanager
def postgresql_server(*, fsync: bool = True) -> Iterator[Callable[[], str]]:
    """A private PostgreSQL; yields a function that makes an empty database and returns its SQLAlchemy URL.

    Without `fsync` it survives its own end, however that comes, but not the machine's.
    """
    port, password, account = free_port(), secrets.token_hex(8), _account()
    with _folder() as folder:
        secret, cluster = folder / "password", folder / "cluster"
        secret.write_text(password)
        for path in (folder, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
        options = ["--username=accord", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", f"--pwfile={secret}"]
        initdb = subprocess.run(
            [*_as(account, "--no-new-privs"), find("initdb"), *options, cluster],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if initdb.returncode:
            raise RuntimeError(initdb.stderr)
        told = ("listen_addresses=127.0.0.1", "unix_socket_directories=", f"fsync={str(fsync).lower()}")
        command = [
            *_as(account, "--pdeathsig=INT"),
            find("postgres"),
            "-D",
            cluster,
            "-p",
            str(port),
            *(f"-c{each}" for each in told),
        ]

        def sql(statement: str) -> bool:
            address = f"postgresql://accord:{password}@127.0.0.1:{port}/postgres"
            return (
                subprocess.run([find("psql"), "-qX", address, "-c", statement], capture_output=True, check=False).returncode == 0
            )

        numbers = count(1)

        def new_database() -> str:
            name = f"accord_{next(numbers)}"
            if not sql(f"CREATE DATABASE {name} TEMPLATE template0"):
                message = f"PostgreSQL did not make the database {name}."
                raise RuntimeError(message)
            return f"postgresql+psycopg://accord:{password}@127.0.0.1:{port}/{name}"

        with _running(command, folder, lambda: sql("SELECT 1"), signal.SIGINT):
            yield new_database


def _located(name: str) -> Path | None:
    return next((folder / name for folder in _folders() if os.access(folder / name, os.R_OK)), None)


def _folders() -> Iterator[Path]:
    """Where programs lie. Not this interpreter's own folder: pynetdicom puts a storescu of its own there."""
    own = Path(sys.executable).parent
    yield from (path for path in map(Path, os.environ["PATH"].split(os.pathsep)) if path != own)
    yield from map(Path, ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    yield from map(Path, ("/usr/share/orthanc/plugins", "/usr/lib/orthanc", "/usr/local/share/orthanc/plugins"))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="accord-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _account() -> pwd.struct_passwd:
    """Who runs PostgreSQL, which refuses to be root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _as(account: pwd.struct_passwd, *more: str) -> list[str]:
    """One call of setpriv for everything, since a change of user forgets an earlier --pdeathsig."""
    become = (
        [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"] if account.pw_uid != os.geteuid() else []
    )
    return [str(find("setpriv")), *more, *become]


@contextlib.contextmanager
def _running(
    command: list[object], folder: Path, ready: Callable[[], bool], stop: signal.Signals
) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, ready, folder / "log")
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=_START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.05)


def _answers(url: str, password: str) -> bool:
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(None, url, "accord", password, is_authenticated=True)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords))
    try:
        with opener.open(f"{url}/system", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
