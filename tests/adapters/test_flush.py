"""A commit of SQLite's is durable when its maker returns from it, by one flush for all who waited."""

import errno
import os
import threading

import pytest
from sqlalchemy import text

from adapters.sql.flush import SharedFlush
from adapters.sql.store import Store
from mappings.failures import Full, Unavailable


@pytest.fixture
def store(tmp_path):
    opened = Store(f"sqlite:///{tmp_path}/accord.db")
    with opened.write() as connection:
        connection.execute(text("CREATE TABLE kept (n INTEGER)"))
    yield opened
    opened.close()


@pytest.fixture
def flushed(monkeypatch):
    """The names of the files that were flushed."""
    names, flush = [], os.fdatasync

    def noticed(descriptor):
        names.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", noticed)
    return names


def keep(store, number=1, *, durable=True):
    with store.write(durable=durable) as connection:
        connection.execute(text("INSERT INTO kept VALUES (:n)"), {"n": number})


def count(store):
    with store.read() as connection:
        return connection.execute(text("SELECT count(*) FROM kept")).scalar_one()


def test_a_durable_commit_is_flushed_and_another_is_not(store, flushed):
    keep(store, durable=False)
    assert flushed == []
    keep(store)
    assert flushed == ["accord.db-wal"]


def test_what_was_rolled_back_is_not_flushed(store, flushed):
    with pytest.raises(ZeroDivisionError), store.write():
        _ = 1 / 0
    assert flushed == []


def test_those_who_commit_during_a_flush_share_the_next(store, monkeypatch):
    began, on, flushes = threading.Event(), threading.Event(), []

    def slow(_descriptor):
        flushes.append(count(store))
        began.set()
        assert on.wait(10)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=keep, args=(store,)) for _ in range(5)]
    threads[0].start()
    assert began.wait(10)
    for thread in threads[1:]:
        thread.start()
    while count(store) < len(threads):
        pass
    assert all(thread.is_alive() for thread in threads)  # committed, and not durable yet
    on.set()
    for thread in threads:
        thread.join(10)
    assert flushes == [1, 5]


@pytest.mark.parametrize(("number", "failure"), [(errno.EIO, Unavailable), (errno.ENOSPC, Full)])
def test_after_a_flush_that_failed_nothing_is_called_durable_any_more(store, monkeypatch, number, failure):
    def broken(_descriptor):
        raise OSError(number, "-", "/secret")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        with pytest.raises(failure) as said:
            keep(store)
    assert "secret" not in str(said.value)
    with pytest.raises(failure):
        keep(store)


def test_a_log_that_is_gone_was_written_to_the_database(tmp_path):
    SharedFlush(tmp_path / "accord.db-wal")()
