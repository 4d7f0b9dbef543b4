"""Questions to other repositories as rows: one's own, answered once, cancelled, and forgotten with their answers."""

from datetime import timedelta

import pytest

from adapters.sql import peer_queries
from tests import builders

PEERS = {"b": "accord", "c": "fhir"}


@pytest.fixture
def runtime(tmp_path, database):
    built = builders.runtime(tmp_path, url=database, clock=builders.Clock())
    yield built
    built.close()


def add(connection, now, key: str = "q", subject: str = "ada") -> int:
    asked = {"question": '{"sex":["M"]}', "peers": PEERS, "at": now, "until": now + timedelta(seconds=30)}
    return peer_queries.add(connection, key=key, subject=subject, **asked)


def test_a_question_is_found_by_who_asked_it_and_counted_while_it_is_open(runtime):
    now = runtime.clock()
    with runtime.store.write() as connection:
        query = add(connection, now)
        add(connection, now, "r", "eve")
        row = peer_queries.find(connection, "q", "ada")
        assert (row.id, dict(row.peers), row.at, row.until - row.at) == (query, PEERS, now, timedelta(seconds=30))
        assert peer_queries.find(connection, "q", "eve") is None
        assert peer_queries.counted(connection, "ada", now) == (1, 1)
        peer_queries.end(connection, query, now)
        assert peer_queries.counted(connection, "ada", now) == (1, 0)
        assert peer_queries.is_open(connection, query)


def test_a_peer_answers_once(runtime):
    with runtime.store.write() as connection:
        query = add(connection, runtime.clock())
        for told in ("first", "second"):
            peer_queries.answer(connection, query, "b", told)
        assert peer_queries.answers(connection, query) == {"b": "first"}


def test_what_is_cancelled_is_open_no_more_and_what_has_ended_is_not_cancelled(runtime):
    now = runtime.clock()
    with runtime.store.write() as connection:
        query, ended = add(connection, now), add(connection, now, "r")
        peer_queries.end(connection, ended, now)
        for each in (query, ended):
            peer_queries.cancel(connection, each, now)
        assert (peer_queries.is_open(connection, query), peer_queries.find(connection, "q", "ada").cancelled) == (False, True)
        assert not peer_queries.find(connection, "r", "ada").cancelled


def test_an_old_question_is_forgotten_with_its_answers_and_one_that_comes_later_is_not_kept(runtime):
    now = runtime.clock()
    with runtime.store.write() as connection:
        old, new = add(connection, now - timedelta(hours=2)), add(connection, now, "r")
        for each in (old, new):
            peer_queries.answer(connection, each, "b", "x")
        assert peer_queries.forget(connection, now - timedelta(hours=1)) == 1
        peer_queries.answer(connection, old, "c", "late")
        assert (peer_queries.answers(connection, old), peer_queries.answers(connection, new)) == ({}, {"b": "x"})
