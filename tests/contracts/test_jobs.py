"""Jobs on both databases: asked for once, begun by one, lost with a lease, and ended by its holder only."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import exc, select

from adapters.sql import jobs
from adapters.sql import tables as t
from adapters.sql.custody import Lease
from adapters.sql.jobs import JobState
from adapters.sql.store import Store

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def store(database):
    opened = Store(database)
    yield opened
    opened.close()


def ask(store, subject="LUNG", kind="describe", due=None):
    with store.write() as connection:
        jobs.enqueue(connection, kind, subject, NOW, due)


def begin(store, holder="me", now=NOW, kind="describe"):
    with store.write() as connection:
        return jobs.claim(connection, kind, Lease(holder, now + timedelta(minutes=1)), now)


def end(store, job, state=JobState.DONE, outcome="said"):
    with store.write() as connection:
        return jobs.end(connection, job, state, outcome, NOW)


def rows(store):
    with store.read() as connection:
        return sorted((r.subject, str(r.state)) for r in jobs.newest(connection))


def test_what_waits_is_not_doubled_and_is_due_when_it_was_asked_for_first(store):
    ask(store, due=LATER)
    ask(store, due=LATER + timedelta(minutes=1))
    assert rows(store) == [("LUNG", "waiting")]
    assert begin(store) is None
    ask(store, due=NOW)
    assert begin(store).subject == "LUNG"


def test_another_kind_or_subject_is_another_job(store):
    ask(store)
    ask(store, subject="LIVER")
    ask(store, kind="look")
    assert [begin(store).subject, begin(store).subject, begin(store)] == ["LUNG", "LIVER", None]
    assert begin(store, kind="look").kind == "look"


def test_what_is_asked_for_while_its_like_runs_waits_for_its_end(store):
    ask(store)
    first = begin(store)
    ask(store)
    assert rows(store) == [("LUNG", "running"), ("LUNG", "waiting")]
    assert begin(store, "other") is None
    assert end(store, first)
    assert begin(store, "other").id != first.id


def test_a_job_that_is_rolled_back_was_never_asked_for(store):
    def fail():
        with store.write() as connection:
            jobs.enqueue(connection, "describe", "LUNG", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert begin(store) is None


def test_a_lost_lease_is_claimed_by_another_and_the_first_ones_late_word_is_refused(store):
    ask(store)
    first = begin(store)
    assert begin(store, "other", LATER - timedelta(seconds=1)) is None
    second = begin(store, "other", LATER)
    assert (second.id, second.holder, second.attempts) == (first.id, "other", 2)
    with store.write() as connection:
        assert jobs.beat(connection, first, Lease("me", LATER), 1, None) is None
        assert not jobs.put_off(connection, first, NOW, "late", NOW)
    assert not end(store, first, JobState.FAILED, "late")
    assert end(store, second)
    assert not end(store, second, JobState.FAILED, "twice")


def test_a_holder_that_lost_a_job_and_began_it_again_ends_it_once(store):
    """The same process: the first of its two attempts is as lost as another's."""
    ask(store)
    first, second = begin(store), begin(store, now=LATER)
    assert not end(store, first)
    assert end(store, second)


def test_a_heartbeat_extends_the_lease_and_tells_how_far_it_is(store):
    ask(store)
    job = begin(store)
    with store.write() as connection:
        told = jobs.beat(connection, job, Lease("me", LATER + timedelta(minutes=1)), 3, 10)
    assert (told.done, told.total, told.cancelled) == (3, 10, False)
    assert begin(store, "other", LATER) is None
    assert begin(store, "other", LATER + timedelta(minutes=1)).done == 0


def cancel(store, key):
    with store.write() as connection:
        return jobs.cancel(connection, key, NOW)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told(store):
    ask(store)
    ask(store, subject="LIVER")
    running = begin(store)
    assert cancel(store, running.id).state is JobState.RUNNING
    with store.write() as connection:
        assert jobs.beat(connection, running, Lease("me", LATER), 0, None).cancelled
    assert cancel(store, running.id + 1).state is JobState.CANCELLED
    assert cancel(store, running.id + 1) is None
    assert begin(store) is None
    ask(store, subject="LIVER")
    assert begin(store).subject == "LIVER"


def test_only_the_last_end_of_its_like_is_kept(store):
    for outcome in ("one", "two"):
        ask(store)
        assert end(store, begin(store), outcome=outcome)
    with store.read() as connection:
        assert [(r.state, r.outcome, r.holder) for r in jobs.newest(connection)] == [(JobState.DONE, "two", None)]


def test_a_job_that_waits_again_is_due_later_and_gives_way_to_one_that_waits(store):
    ask(store)
    job = begin(store)
    with store.write() as connection:
        assert jobs.put_off(connection, job, LATER, "node silent", NOW)
    assert begin(store) is None
    again = begin(store, now=LATER)
    assert (again.id, again.attempts, again.outcome) == (job.id, 2, "node silent")
    ask(store)
    with pytest.raises(exc.IntegrityError), store.write() as connection:
        jobs.put_off(connection, again, LATER, "node silent", NOW)
    assert end(store, again, JobState.FAILED)


def test_failed_overdue_and_lost_jobs_are_troubles(store):
    for subject in ("FAILED", "LOST", "FINE"):
        ask(store, subject)
    end(store, begin(store), JobState.FAILED)
    begin(store)
    begin(store, now=LATER - timedelta(seconds=1))
    ask(store, "LATE")
    ask(store, "SOON", due=LATER + timedelta(hours=1))
    with store.read() as connection:
        assert [r.subject for r in jobs.troubled(connection, LATER)] == ["FAILED", "LOST", "LATE"]


def test_a_job_that_somebody_still_asks_for_is_not_begun_before_the_commit(store):
    """It would not see what it is asked for, and end the asking."""
    ask(store)
    begun = []
    with store.write() as connection:
        jobs.enqueue(connection, "describe", "LUNG", NOW)
        worker = threading.Thread(target=lambda: begun.append(begin(store)))
        worker.start()
        worker.join(0.5)  # SQLite's waits for its one writer, PostgreSQL's passes over the row
        assert [job for job in begun if job is not None] == []
    worker.join(20)
    assert (begun[0] or begin(store)).subject == "LUNG"


def test_those_who_ask_do_not_wait_for_each_other_on_postgresql(emptied):
    store = Store(emptied())
    ask(store)
    with store.write() as connection:
        jobs.enqueue(connection, "describe", "LUNG", NOW)
        other = threading.Thread(target=ask, args=(store,))
        other.start()
        other.join(10)
        assert not other.is_alive()
    store.close()


def test_many_workers_begin_each_job_once(store):
    for number in range(30):
        ask(store, f"D{number}")
    begun, lock = [], threading.Lock()

    def work(holder):
        for _ in range(60):
            job = begin(store, holder)
            if job is not None:
                with lock:
                    begun.append(job.subject)
                assert end(store, job)

    workers = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(begun) == sorted(f"D{n}" for n in range(30))
    with store.read() as connection:
        assert set(connection.execute(select(t.job.c.attempts)).scalars()) == {1}
