"""The outside tracing service: off unless it is named, told once and in order, waited for when it is down, never of more."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest
from msgspec import structs

from adapters.sql import jobs, tracing
from adapters.sql.ledger import About, record
from consent.entries import UseOpened
from server.usecases import ledger
from server.usecases import tell_traces as trace
from server.usecases.agreement import move_agreement
from server.usecases.dataset import add_dataset
from server.usecases.runtime import Runtime
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.usecases.test_ask import OK, behaving, is_silent, says

ACTOR = builders.ACTOR


class Service:
    """A tracing service that keeps what it is told, and answers with `status`."""

    def __init__(self) -> None:
        self.told: list[dict[str, object]] = []
        self.heads: list[bytes] = []
        self.status = b"200 OK"

    def __call__(self, line: socket.socket, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        self.heads.append(head)
        if self.status == b"200 OK":
            self.told.append(json.loads(body))
        says(OK.replace(b"200 OK", self.status), b'{"ids":[],"group":"g"}')(line, request)

    def actions(self) -> list[tuple[str, str]]:
        return [(str(t["userAction"]), str(t.get("details", t.get("datasetId", t.get("datasetsIds"))))) for t in self.told]


@pytest.fixture
def service() -> Service:
    return Service()


@contextmanager
def tracing_to(built: Runtime, service) -> Iterator[Runtime]:
    with behaving(service) as url:
        yield replace(built, settings=structs.replace(built.settings, tracing_url=url))


def worked(runtime: Runtime) -> int:
    ledger.sequence(runtime)
    asked = trace.ask(runtime)
    work_off(runtime, trace.KIND, KINDS[trace.KIND], Event())
    return asked


def outcome(runtime: Runtime) -> str:
    with runtime.store.read() as connection:
        return next(job.outcome for job in jobs.newest(connection) if job.kind == trace.KIND)


def test_nothing_is_told_unless_a_service_is_named(built):
    ledger.sequence(built)
    assert trace.ask(built) == 0
    with built.store.read() as connection:
        assert [job for job in jobs.newest(connection) if job.kind == trace.KIND] == []


def test_of_what_was_before_the_service_only_which_datasets_there_are(built, service):
    move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
    with tracing_to(built, service) as runtime:
        assert worked(runtime) > 0
        assert service.actions() == [("CREATE_DATASET", "LUNG")]
        move_agreement(runtime, ACTOR, "DSA-LUNG", "resume")
        worked(runtime)
    assert service.actions() == [("CREATE_DATASET", "LUNG"), ("UPDATE_DATASET", "REACTIVATE")]
    assert service.heads[0].startswith(b"POST /api/v2/traces/ HTTP/1.1")
    assert outcome(built) == "1 traces told, 0 refused."


def test_what_is_told_is_not_told_again(built, service):
    with tracing_to(built, service) as runtime:
        assert worked(runtime) > 0
        assert worked(runtime) == 0
    assert len(service.told) == 1


def test_a_service_that_is_down_is_told_in_order_when_it_is_there_again(built, service, clock):
    with tracing_to(built, service) as runtime:
        worked(runtime)
        service.status = b"503 No"
        for verb in ("suspend", "resume", "suspend"):
            move_agreement(runtime, ACTOR, "DSA-LUNG", verb)
        worked(runtime)
        assert "503" in outcome(runtime)
        assert len(service.told) == 1
        service.status = b"200 OK"
        clock.on(60)
        work_off(runtime, trace.KIND, KINDS[trace.KIND], Event())
    assert [detail for _, detail in service.actions()[1:]] == ["INVALIDATE", "REACTIVATE", "INVALIDATE"]


def test_one_that_is_refused_for_good_keeps_no_other_from_being_told(built, service):
    with tracing_to(built, service) as runtime:
        service.status = b"422 No"
        worked(runtime)
        assert outcome(runtime) == "0 traces told, 1 refused."
        service.status = b"200 OK"
        add_dataset(runtime, ACTOR, "CHEST", "DSA-LUNG", "Chest", "x")
        worked(runtime)
    assert service.actions() == [("CREATE_DATASET", "CHEST")]


def test_a_first_telling_that_is_broken_off_begins_anew(built, service, clock):
    add_dataset(built, ACTOR, "CHEST", "DSA-LUNG", "Chest", "x")
    with tracing_to(built, service) as runtime:
        service.status = b"503 No"
        worked(runtime)
        with runtime.store.read() as connection:
            assert tracing.cursor(connection) is None
        service.status = b"200 OK"
        clock.on(60)
        work_off(runtime, trace.KIND, KINDS[trace.KIND], Event())
    assert service.actions() == [("CREATE_DATASET", "LUNG"), ("CREATE_DATASET", "CHEST")]


def test_a_service_that_says_nothing_has_its_time(built, monkeypatch):
    monkeypatch.setattr(trace, "SECONDS", 0.5)
    with tracing_to(built, is_silent) as runtime:
        worked(runtime)
    assert "did not answer within 0.5 s" in outcome(built)


def test_many_are_told_page_by_page(built, service, monkeypatch):
    monkeypatch.setattr(trace, "PAGE", 2)
    with tracing_to(built, service) as runtime:
        worked(runtime)
        for number in range(5):
            add_dataset(runtime, ACTOR, f"D{number}", "DSA-LUNG", "x", "x")
        worked(runtime)
    assert [name for _, name in service.actions()] == ["LUNG", *(f"D{n}" for n in range(5))]


def use(runtime: Runtime, actor: str, study: str) -> None:
    """A use of a study of LUNG begins, as the ledger has it."""
    entry = UseOpened(
        study=study, action="view", purpose="AIRESEARCH", window=1, dataset="LUNG", agreement="DSA-LUNG@1", terms=builders.TERMS
    )
    with runtime.store.write() as connection:
        record(connection, entry, runtime.clock(), actor, About())


def test_a_dataset_that_somebody_uses_study_by_study_is_told_once_at_a_time_and_no_study_is(built, service):
    with tracing_to(built, service) as runtime:
        worked(runtime)
        for actor, study in (("ada", "1.2.1"), ("ada", "1.2.2"), ("bob", "1.2.1")):
            use(runtime, actor, study)
        worked(runtime)
        use(runtime, "ada", "1.2.3")
        worked(runtime)
    assert [t["userId"] for t in service.told if t["userAction"] == "USE_DATASETS"] == ["ada", "bob", "ada"]
    assert "1.2." not in str([{k: v for k, v in t.items() if k != "toolVersion"} for t in service.told])
