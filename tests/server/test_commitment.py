"""Storage Commitment: a sender asks whether what it sent is kept, and is told on an association of ours what is true by then."""

import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association

from adapters.sql import custody, jobs
from server.usecases import commitment
from server.usecases.sender import add_sender, remove_sender
from server.usecases.withdraw import withdraw_study
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.builders import made
from tests.network import LITTLE_ENDIAN, Network, hold, network
from tests.servers import free_port

if TYPE_CHECKING:
    from pynetdicom.transport import ThreadedAssociationServer

PUSH, PUSH_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MR, CT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"
HELD, WAITING = "1.2.1.1.1", "1.2.2.1.1"


class Modality:
    """A sender MODALITY with an SCP of its own that takes reports."""

    def __init__(self, net: Network, port: int = 0) -> None:
        self.net, self.reports, self.titles = net, list[tuple[int, Dataset]](), list[tuple[str, str]]()
        self.status = 0x0000
        self.server: ThreadedAssociationServer | None = None
        self.port = port or free_port()
        add_sender(net.runtime, builders.ACTOR, "LUNG", "MODALITY", "127.0.0.1/32", f"127.0.0.1:{self.port}")

    def listen(self) -> None:
        entity = AE("MODALITY")
        entity.add_supported_context(PUSH, LITTLE_ENDIAN, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._take), (evt.EVT_ACCEPTED, self._accepted)]
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)  # type: ignore[assignment, arg-type]

    def _accepted(self, event: evt.Event) -> None:
        request = event.assoc.requestor.primitive
        self.titles.append((request.calling_ae_title, request.called_ae_title))

    def _take(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        return self.status, None

    def associate(self) -> Association:
        return self.net.associate(
            build_context(PUSH, LITTLE_ENDIAN), build_context(MR, LITTLE_ENDIAN), calling="MODALITY", called="LUNG"
        )

    def ask(self, *references: tuple[str, str], transaction: str = "1.5.1", association: Association | None = None) -> int:
        status, _ = (association or self.associate()).send_n_action(_request(transaction, references), 1, PUSH, PUSH_INSTANCE)
        return int(status.Status)

    def work(self) -> None:
        kind = KINDS[commitment.KIND]
        work_off(self.net.runtime, commitment.KIND, kind, threading.Event())

    def close(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()


def _request(transaction: str, references: tuple[tuple[str, str], ...]) -> Dataset:
    asked = Dataset()
    asked.TransactionUID, asked.ReferencedSOPSequence = transaction, []
    for sop_class, instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        asked.ReferencedSOPSequence.append(item)
    return asked


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    with network(tmp_path, clock=builders.Clock()) as opened:
        hold(opened.runtime, made(HELD, study="1.2.1"))
        hold(opened.runtime, made("1.9.1.1.1", study="1.9.1"), alias="BREAST", provider="hospital-b")
        yield opened


@pytest.fixture
def modality(net: Network) -> Iterator[Modality]:
    opened = Modality(net)
    yield opened
    opened.close()


def _uids(report: Dataset, sequence: str) -> list[str]:
    return [item.ReferencedSOPInstanceUID for item in report.get(sequence, [])]


def test_what_was_stored_is_confirmed_on_an_association_of_ours_that_calls_as_the_ae_it_was_sent_to(modality: Modality) -> None:
    modality.listen()
    association = modality.associate()
    assert association.send_c_store(dcmread(BytesIO(made("1.2.3.1.1", study="1.2.3")))).Status == 0x0000
    assert modality.ask((MR, "1.2.3.1.1"), (MR, HELD), association=association) == 0x0000
    association.release()
    modality.work()
    ((event, report),) = modality.reports
    assert (event, report.TransactionUID, report.RetrieveAETitle) == (1, "1.5.1", "ACCORD")
    assert _uids(report, "ReferencedSOPSequence") == ["1.2.3.1.1", HELD]
    assert "FailedSOPSequence" not in report
    assert modality.titles == [("LUNG", "MODALITY")]


def test_what_waits_in_quarantine_is_kept_too(modality: Modality) -> None:
    modality.listen()
    association = modality.associate()
    waits = dcmread(BytesIO(made(WAITING, study="1.2.2", PatientIdentityRemoved=None)))
    assert association.send_c_store(waits).Status == 0x0000
    modality.ask((MR, WAITING), association=association)
    modality.work()
    assert [(event, _uids(report, "ReferencedSOPSequence")) for event, report in modality.reports] == [(1, [WAITING])]


def test_what_is_not_kept_for_this_dataset_is_named_with_its_reason(modality: Modality) -> None:
    modality.listen()
    hold(modality.net.runtime, made("1.2.4.1.1", study="1.2.4"))
    with modality.net.runtime.store.write() as connection:
        row = custody.in_care(connection, "1.2.4.1.1")
        assert row is not None
        custody.mark_damaged(connection, row.id, modality.net.runtime.clock())
    modality.ask((MR, HELD), (MR, "1.2.7"), (MR, "1.9.1.1.1"), (MR, "1.2.4.1.1"))
    modality.ask((CT, HELD), transaction="1.5.2")
    modality.work()
    (event, report), (_, other) = modality.reports
    assert (event, _uids(report, "ReferencedSOPSequence")) == (2, [HELD])
    failed = [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in report.FailedSOPSequence]
    assert failed == [("1.2.7", 0x0112), ("1.9.1.1.1", 0x0112), ("1.2.4.1.1", 0x0110)]
    assert [item.FailureReason for item in other.FailedSOPSequence] == [0x0119]


def test_what_was_withdrawn_meanwhile_is_not_confirmed(modality: Modality) -> None:
    modality.listen()
    modality.ask((MR, HELD))
    withdraw_study(modality.net.runtime, builders.ACTOR, "1.2.1")
    modality.work()
    assert [event for event, _ in modality.reports] == [2]


def test_a_report_is_tried_again_until_it_is_taken_and_then_never(modality: Modality) -> None:
    clock = modality.net.runtime.clock
    assert modality.ask((MR, HELD)) == 0x0000
    for _ in range(6):
        modality.work()  # nobody listens
        clock.on(1800)  # type: ignore[attr-defined]
    modality.listen()
    modality.status = 0x0110
    modality.work()  # it is not taken
    assert len(modality.reports) == 1
    modality.status = 0x0000
    for _ in range(2):
        clock.on(1800)  # type: ignore[attr-defined]
        modality.work()
    assert len(modality.reports) == 2


def test_after_a_week_it_is_given_up_and_nothing_is_left(modality: Modality, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "ATTEMPTS", 1)
    modality.ask((MR, HELD))
    modality.work()
    with modality.net.runtime.store.read() as connection:
        told = [(j.state, j.outcome) for j in jobs.newest(connection) if j.kind == commitment.KIND]
        assert told == [("done", "The sender took no report for a week.")]
        assert connection.exec_driver_sql("SELECT count(*) FROM commitment").scalar_one() == 0


def test_the_same_transaction_is_answered_again(modality: Modality) -> None:
    modality.listen()
    for _ in range(2):
        modality.ask((MR, HELD))
        modality.ask((MR, HELD))
        modality.work()
    assert [report.TransactionUID for _, report in modality.reports] == ["1.5.1", "1.5.1"]


def test_who_has_no_place_for_reports_is_told_when_it_asks(modality: Modality) -> None:
    at_lung = modality.net.associate(build_context(PUSH, LITTLE_ENDIAN), calling="STORESCU", called="LUNG")
    assert modality.ask((MR, HELD), association=at_lung) == 0x0124


def test_a_sender_removed_meanwhile_is_neither_heard_nor_told(modality: Modality) -> None:
    modality.listen()
    association = modality.associate()
    modality.ask((MR, HELD), association=association)
    remove_sender(modality.net.runtime, builders.ACTOR, "LUNG", "MODALITY")
    assert modality.ask((MR, HELD), association=association) == 0x0124
    modality.work()
    assert modality.reports == []


@pytest.mark.parametrize(
    ("references", "transaction"), [((), "1.5.1"), (((MR, "1.2.x"),), "1.5.1"), (((MR, HELD),), "")]
)  # fmt: skip
def test_what_is_no_request_is_refused(modality: Modality, references, transaction) -> None:
    config.settings.writing_validation_mode = config.IGNORE
    assert modality.ask(*references, transaction=transaction) == 0x0115


def test_another_action_or_instance_is_refused(modality: Modality) -> None:
    association = modality.associate()
    asked = _request("1.5.1", ((MR, HELD),))
    assert association.send_n_action(asked, 2, PUSH, PUSH_INSTANCE)[0].Status == 0x0123
    assert association.send_n_action(asked, 1, PUSH, "1.2.3")[0].Status == 0x0112


def test_too_many_that_wait_are_refused(modality: Modality, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "MOST_WAITING", 1)
    assert modality.ask((MR, HELD)) == 0x0000
    assert modality.ask((MR, HELD), transaction="1.5.2") == 0x0213


def test_commitment_is_not_offered_to_who_calls_the_repository(net: Network) -> None:
    assert [cx.abstract_syntax for cx in net.associate(build_context(PUSH, LITTLE_ENDIAN)).rejected_contexts] == [PUSH]
