"""What the database's own troubles become: failures with a cause in the log, never a statement or its values."""

import logging
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import literal, select, text

from adapters.sql import governance, store
from adapters.sql.prepared import Prepared
from adapters.sql.store import Store, wait_for
from mappings.failures import Unavailable
from tests import builders


def test_a_broken_database_file_is_a_failure_and_its_cause_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "accord.db").write_bytes(b"not a database" * 500)
    store = Store(f"sqlite:///{tmp_path}/accord.db")
    with caplog.at_level(logging.ERROR, "accord.store"), pytest.raises(Unavailable), store.read() as connection:
        connection.execute(text("SELECT 1"))
    assert any("not a database" in record.cause for record in caplog.records)


def test_a_start_that_waits_in_vain_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open database file"):
        wait_for(Store(f"sqlite:///{tmp_path}/missing/accord.db"), 0.1)


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(store._PATIENCE, "connect_timeout", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not Store(f"postgresql://accord:x@127.0.0.1:{silent.getsockname()[1]}/accord").answers()
        assert time.monotonic() - began < 20


def test_who_waits_for_a_write_of_anothers_is_told_that_it_is_held(tmp_path: Path, database: str) -> None:
    built = builders.runtime(tmp_path, url=database)
    impatient = Store(database, lock_seconds=1)
    with built.store.write() as connection:
        governance.lock(connection)
        began = time.monotonic()
        with pytest.raises(Unavailable) as told, impatient.write() as other:
            governance.lock(other)
    assert (told.value.code, time.monotonic() - began < 10) == ("database-locked", True)
    impatient.close()
    built.close()


@pytest.fixture
def restarted(postgresql: Callable[[], str]) -> Iterator[Store]:
    """A store with a kept connection, whose server has ended it since."""
    url = postgresql()
    kept, other = Store(url), Store(url)
    with kept.read() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with other.read() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:backend, 5000)"), {"backend": backend})
    yield kept
    kept.close()
    other.close()


def test_a_connection_that_rested_over_a_restart_is_replaced_unnoticed(restarted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_REST_SECONDS", 0)
    with restarted.read() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.mark.parametrize(
    "ask", [lambda c: c.execute(text("SELECT 1")), lambda c: Prepared(select(literal(1).label("one"))).all(c, {})]
)
def test_one_that_did_not_rest_tells_its_user_and_is_replaced_for_the_next(restarted, ask) -> None:
    with pytest.raises(Unavailable) as told, restarted.read() as connection:
        ask(connection)
    assert told.value.code == "database-unavailable"
    assert restarted.answers()
