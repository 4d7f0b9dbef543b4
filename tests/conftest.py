"""Fixtures that many tests share: the private servers, started once a session when first asked for."""

import gc
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.log import JsonLines
from tests import databases, servers
from tests.commands import run

SUMMARY = pytest.StashKey[list[str]]()
"""Lines that tests leave for the end of the run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=2, help="worlds of the differential test, one less of them on PostgreSQL")
    parser.addoption("--first", type=int, default=7, help="the seed of the first of them")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SUMMARY] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes hands its lines to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["summary"] = session.config.stash[SUMMARY]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    node.config.stash[SUMMARY] += getattr(node, "workeroutput", {}).get("summary", [])  # none of one that crashed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[SUMMARY]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """What a module finds is not looked through for garbage again: ten thousand tests are a million objects; doors collect."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def orthanc() -> Iterator[servers.Orthanc]:
    """An Orthanc as a careful operator sets it up: its address and credentials."""
    with servers.orthanc_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Call it for the SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    with servers.postgresql_server(fsync=False) as new_database:
        yield new_database


@pytest.fixture(scope="session")
def emptied(postgresql: Callable[[], str]) -> Iterator[Callable[[], str]]:
    """Call it for the URL of one PostgreSQL database of the newest schema, empty again."""
    database = databases.Postgresql(postgresql())
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The SQLAlchemy URL of a database of the newest schema with nothing in it: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        databases.sqlite(tmp_path / "accord.db")
        return f"sqlite:///{tmp_path}/accord.db"
    empty: Callable[[], str] = request.getfixturevalue("emptied")
    return empty()


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The SQLAlchemy URL of a database without a schema: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/accord.db"
    new: Callable[[], str] = request.getfixturevalue("postgresql")
    return new()


@pytest.fixture
def free_port() -> int:
    """A free loopback port."""
    return servers.free_port()


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Its text is the log as it is written, with what stands beside each message: one JSON object a line."""
    caplog.handler.setFormatter(JsonLines())
    return caplog


@pytest.fixture
def accord(tmp_path: Path, monkeypatch, capsys) -> Callable[[str], tuple[int, str]]:
    """`accord('admin party list')` on a data directory of its own: (status, what was said)."""
    for name in ("DATA_DIR", "DATABASE_URL", "PORT", "DIMSE_PORT", "BIND"):
        monkeypatch.delenv(f"ACCORD_{name}", raising=False)
    monkeypatch.setenv("ACCORD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir(mode=0o700)
    databases.sqlite(tmp_path / "data" / "accord.db")

    def command(line: str) -> tuple[int, str]:
        status = run(*shlex.split(line))
        said = capsys.readouterr()
        return status, said.out + said.err

    return command
