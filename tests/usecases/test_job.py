"""Jobs done: ended with a sentence, tried again after a pause, cancelled, put back, and survived by no worker that is killed."""

import os
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from adapters.sql import jobs
from adapters.sql.custody import Lease
from adapters.sql.jobs import JobState
from mappings.failures import Conflict, Unavailable
from server.usecases import job
from server.usecases.job import Kind, Stopped, Work, cancel_job, do_next, list_jobs
from server.worker.jobs import work_off
from tests import builders

STAYS = threading.Event()


@pytest.fixture
def built(tmp_path, clock):
    """A runtime without a dataset, for which no job waits of itself."""
    runtime = builders.runtime(tmp_path, clock=clock)
    yield runtime
    runtime.close()


@pytest.fixture
def anywhere(tmp_path, clock, database):
    """The same, on each of the two databases."""
    runtime = builders.runtime(tmp_path, url=database, clock=clock)
    yield runtime
    runtime.close()


def ask(runtime, subject="LUNG"):
    with runtime.store.write() as connection:
        jobs.enqueue(connection, "count", subject, runtime.clock())


def done(runtime, run=lambda _runtime, _work: "Counted.", leaving=STAYS, **kind):
    return do_next(runtime, "count", Kind(run, **kind), leaving)


def only(runtime):
    (row,) = list_jobs(runtime)
    return row


def silent(_runtime, _work):
    raise Unavailable("node-unavailable", "The node is silent.")


def broken(_runtime, _work):
    raise ZeroDivisionError("P1 is not told")


def test_nothing_is_done_where_nothing_waits(built):
    assert not done(built)


def test_a_job_is_done_once_and_its_outcome_kept(built):
    ask(built)
    assert done(built)
    assert not done(built)
    assert (only(built).state, only(built).outcome) == (JobState.DONE, "Counted.")


def test_a_failure_is_tried_again_later_each_time_and_then_kept(built, clock):
    ask(built)
    pauses = []
    for _ in range(2):
        done(built, silent, attempts=3)
        assert not done(built, silent, attempts=3)
        pauses.append(only(built).due - clock())
        clock.on(pauses[-1].total_seconds())
    done(built, silent, attempts=3)
    assert pauses == [timedelta(seconds=5), timedelta(seconds=30)]
    assert (only(built).state, only(built).outcome) == (JobState.FAILED, "The node is silent.")
    assert job.find_troubles(built) == [f"Job {only(built).id} (count LUNG) failed: The node is silent."]
    ask(built)
    done(built)
    assert job.find_troubles(built) == []


def test_a_fault_of_ours_is_logged_and_tells_no_value(built, caplog):
    ask(built)
    done(built, broken, attempts=1)
    assert only(built).outcome == "An error that the log has."
    assert "ZeroDivisionError" in caplog.text


def test_a_failure_gives_way_to_what_was_asked_for_meanwhile(built):
    ask(built)

    def fails(runtime, work):
        ask(runtime)
        silent(runtime, work)

    done(built, fails)
    assert [row.state for row in list_jobs(built)] == [JobState.WAITING, JobState.FAILED]
    done(built)
    assert only(built).state is JobState.DONE


def test_a_periodic_job_comes_again_and_soon_where_it_failed(built, clock):
    """A node that was down when its bytes were to be read is not left unread for a whole period more."""
    ask(built)
    for run, days in ((lambda _runtime, _work: "Looked.", 90), (silent, 1)):
        done(built, run, attempts=1, period=lambda _settings: timedelta(days=90))
        waits = next(row for row in list_jobs(built) if row.state is JobState.WAITING)
        assert waits.due == clock() + timedelta(days=days)
        clock.on(timedelta(days=days).total_seconds())


def test_a_cancelled_job_ends_at_its_next_step_after_a_heartbeat(built):
    ask(built)
    steps = []

    def count(runtime, work):
        for step in range(3):
            steps.append(step)
            work.progress(step, 3)
            cancel_job(runtime, work.job.id)
            job.beat(runtime, work)
        return "Counted."

    done(built, count)
    assert steps == [0, 1]
    assert (only(built).state, only(built).outcome, only(built).done, only(built).total) == (
        JobState.CANCELLED,
        "Cancelled.",
        0,
        3,
    )
    with pytest.raises(Conflict):
        cancel_job(built, only(built).id)


def test_a_worker_that_leaves_puts_its_job_back_and_it_counts_as_no_attempt(built):
    ask(built)
    leaving = threading.Event()

    def count(_runtime, work):
        leaving.set()
        work.progress(1)

    done(built, count, leaving)
    assert (only(built).state, only(built).attempts) == (JobState.WAITING, 0)
    assert done(built)
    assert only(built).state is JobState.DONE


def test_a_worker_that_leaves_begins_nothing_more(built):
    """Not even what it has just put back: it would be another worker's only when the lease has ended."""
    ask(built)
    leaving, begun = threading.Event(), []

    def count(_runtime, work):
        begun.append(work.job.id)
        leaving.set()
        work.progress(1)

    assert work_off(built, "count", Kind(count), leaving) == 1
    assert len(begun) == 1
    assert (only(built).state, only(built).attempts) == (JobState.WAITING, 0)


def test_a_heart_beats_while_a_step_takes_long(built):
    """No other worker may begin what is under way, however long the use case is silent."""
    ask(built)
    beaten = threading.Event()
    runtime = replace(built, settings=structs.replace(built.settings, lease_seconds=1))

    def count(_runtime, work):
        work.progress(7)
        assert beaten.wait(20)
        return "Counted."

    def look():
        while not beaten.is_set():
            if only(built).done == 7:
                beaten.set()

    looking = threading.Thread(target=look)
    looking.start()
    done(runtime, count)
    looking.join()
    assert only(built).state is JobState.DONE


def test_a_worker_that_lost_its_lease_is_told_to_end_and_says_nothing(built, clock):
    ask(built)

    def slow(runtime, work):
        clock.on(runtime.settings.lease_seconds)
        with runtime.store.write() as connection:
            assert jobs.claim(connection, "count", Lease("other", clock() + timedelta(minutes=1)), clock())
        job.beat(runtime, work)
        with pytest.raises(Stopped):
            work.progress(1)
        raise Stopped

    done(built, slow)
    assert (only(built).state, only(built).holder) == (JobState.RUNNING, "other")


@pytest.mark.parametrize("point", ["job begun", "job done"])
def test_a_worker_killed_at_any_step_loses_no_job(anywhere, dies, clock, point):
    ask(anywhere)
    dies(anywhere, point, done)
    assert only(anywhere).state is JobState.RUNNING
    assert not done(anywhere), "its lease has not ended"
    clock.on(anywhere.settings.lease_seconds)
    assert done(anywhere)
    assert (only(anywhere).state, only(anywhere).attempts) == (JobState.DONE, 2)


def test_a_job_that_kills_its_worker_is_begun_no_more_than_its_kind_says(built, clock, dies):
    ask(built)
    for _ in range(2):
        dies(built, "never", lambda runtime: done(runtime, lambda *_: os._exit(9), attempts=2))
        clock.on(built.settings.lease_seconds)
    done(built, attempts=2)
    assert (only(built).state, only(built).outcome) == (JobState.FAILED, "Its worker was lost 2 times.")


def test_a_job_nobody_does_is_overdue(built, clock):
    ask(built)
    assert job.find_troubles(built) == []
    clock.on(601)
    (said,) = job.find_troubles(built)
    assert said.startswith(f"Job {only(built).id} (count LUNG) is overdue since 2026-11-22 12:00 UTC")


def test_a_heartbeat_that_the_database_does_not_hear_is_no_end(built, monkeypatch):
    ask(built)
    with built.store.write() as connection:
        work = Work(jobs.claim(connection, "count", Lease("me", built.clock()), built.clock()), STAYS)

    def deaf(**_durable):
        raise Unavailable("database-unavailable", "No.")

    monkeypatch.setattr(built.store, "write", deaf)
    job.beat(built, work)
    work.progress(1)
    assert not work.stopped.is_set()
