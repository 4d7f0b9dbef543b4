"""Stamps on both databases: whoever commits later has a later one, and documents say theirs."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from adapters.sql import feed
from adapters.sql import tables as t
from adapters.sql.store import Store, moment
from mappings.fhir.serial import meta_of
from server.usecases.batch import close_batch
from server.usecases.document import rebuild
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR, made

NOW = builders.Clock().at


@pytest.fixture
def store(database):
    opened = Store(database)
    yield opened
    opened.close()


@pytest.fixture
def runtime(tmp_path, database):
    built = builders.runtime(tmp_path, url=database, clock=builders.Clock())
    builders.seed(built)
    yield built
    built.close()


def publish(runtime, *studies, number=1):
    batch = builders.batch(runtime)
    for study in studies:
        assert str(take(runtime, batch, "a", made(f"{study}.1.{number}", study=study)).outcome) == "pass"
    close_batch(runtime, batch.id)
    runtime.clock.on(10)
    return rebuild(runtime)


def published(runtime):
    """Study → (updated, published, what its document says)."""
    s = t.study.c
    with runtime.store.read() as connection:
        rows = connection.execute(select(s.study_uid, s.updated, s.published, s.document)).all()
    return {uid: (updated, first, document and meta_of(document)[1]) for uid, updated, first, document in rows}


def test_a_stamp_is_the_time_or_the_next_after_the_last(store):
    taken = []
    for now in (NOW, NOW, NOW - timedelta(days=1), NOW + timedelta(seconds=1)):
        with store.write() as connection:
            taken.append(feed.take_stamp(connection, now))
            assert feed.newest(connection) == taken[-1]
    first = taken[0]
    assert moment(first) == NOW
    assert taken == [first, first + 1, first + 2, first + 1_000_000]


def test_whoever_asks_for_a_stamp_waits_for_the_commit_of_the_last_one(store):
    taken, asked = [], threading.Event()

    def later():
        asked.set()
        with store.write() as connection:
            taken.append(feed.take_stamp(connection, NOW - timedelta(days=1)))

    other = threading.Thread(target=later)
    with store.write() as connection:
        own = feed.take_stamp(connection, NOW)
        other.start()
        assert asked.wait(5)
        other.join(0.3)
        assert (taken, other.is_alive()) == ([], True)
        with store.read() as reading:
            assert feed.newest(reading) == 0
    other.join(5)
    assert taken == [own + 1]


def test_each_document_says_the_stamp_that_it_is_found_by_and_keeps_its_first(runtime):
    assert publish(runtime, "1.2.3", "1.2.4") == 2
    before = published(runtime)
    assert len({updated for updated, _, _ in before.values()}) == 2
    assert publish(runtime, "1.2.3", number=2) == 1
    after = published(runtime)
    assert after["1.2.4"] == before["1.2.4"]
    assert after["1.2.3"][0] > before["1.2.3"][0] == after["1.2.3"][1] == before["1.2.3"][1]
    for updated, _, said in after.values():
        assert said == moment(updated).replace(microsecond=moment(updated).microsecond // 1000 * 1000)


def test_what_was_not_published_has_no_stamp_and_leaves_a_tombstone_that_no_feed_tells_of(runtime):
    take(runtime, builders.batch(runtime), "a", made())
    assert published(runtime)["1.2.3"] == (0, None, None)
    withdraw_study(runtime, ACTOR, "1.2.3")
    with runtime.store.read() as connection:
        assert connection.execute(select(t.tombstone.c.published)).scalars().all() == [None]


def test_what_is_withdrawn_has_the_stamp_of_that(runtime):
    publish(runtime, "1.2.3")
    first = published(runtime)["1.2.3"][1]
    withdraw_study(runtime, ACTOR, "1.2.3")
    with runtime.store.read() as connection:
        (row,) = connection.execute(select(t.tombstone)).all()
        assert (row.published, row.at) == (first, feed.newest(connection))
    assert row.at > first
