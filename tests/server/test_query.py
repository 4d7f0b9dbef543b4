"""C-FIND at the repository's AE: what QIDO answers, narrowed by the same consent, to whoever is bound to a client."""

import re
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from adapters.sql import deadline
from mappings.failures import Invalid
from server.dimse import find, retrieve
from server.usecases import search
from server.usecases.agreement import move_agreement
from server.usecases.association import Noticed, list_associations
from server.usecases.client import set_client
from server.usecases.entity import remove_entity
from server.usecases.identify import AeTitle, Rejection
from tests import builders
from tests.builders import made
from tests.network import LITTLE_ENDIAN, PATIENT_FIND, STUDY_FIND, STUDY_GET, Network, hold, identifier, network
from tests.running import eventually

MANY = 40


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.settings.reading_validation_mode)
    with network(tmp_path) as opened:
        hold(
            opened.runtime,
            made("1.2.1.1.1", study="1.2.1", PatientName="Müller1", PatientID="P1", SpecificCharacterSet="ISO_IR 192"),
            made("1.2.1.1.2", study="1.2.1", PatientName="Müller1", PatientID="P1", SpecificCharacterSet="ISO_IR 192"),
            made("1.2.1.2.1", study="1.2.1", series="1.2.1.2", Modality="SR", PatientID="P1"),
            made("1.2.2.1.1", study="1.2.2", StudyDate="20210101", PatientID="P1"),
            made("1.2.3.1.1", study="1.2.3", StudyDate="20220101", PatientID="P2", PatientName="P2"),
        )
        hold(opened.runtime, made("1.9.1.1.1", study="1.9.1"), alias="BREAST", provider="hospital-b")
        yield opened


def studies(answers: list[tuple[int, Dataset]]) -> list[str]:
    assert answers[-1][0] == 0x0000
    assert all(status == 0xFF00 for status, _ in answers[:-1])
    return [answer.StudyInstanceUID for _, answer in answers[:-1]]


def test_findscu_lists_the_studies_in_sight_and_no_other(net: Network) -> None:
    asked = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "-k", "PatientID", "-k", "NumberOfStudyRelatedInstances"]
    said = net.run("findscu", "-v", "-S", *asked)
    assert said.returncode == 0
    assert re.findall(r"\(0020,000d\) UI \[?([0-9.]+)", said.stdout + said.stderr) == ["1.2.3", "1.2.2", "1.2.1"]


@pytest.mark.parametrize(
    ("level", "keys", "keyword", "found"),
    [
        ("PATIENT", {"PatientID": "", "PatientName": ""}, "PatientID", ["P2", "P1"]),
        ("STUDY", {"PatientID": "P1", "StudyInstanceUID": ""}, "StudyInstanceUID", ["1.2.2", "1.2.1"]),
        ("STUDY", {"StudyDate": "20210101-", "StudyInstanceUID": ""}, "StudyInstanceUID", ["1.2.3", "1.2.2"]),
        ("STUDY", {"ModalitiesInStudy": "SR", "StudyInstanceUID": ""}, "StudyInstanceUID", ["1.2.1"]),
        ("STUDY", {"StudyInstanceUID": ["1.2.1", "1.2.3"]}, "StudyInstanceUID", ["1.2.3", "1.2.1"]),
        ("SERIES", {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "", "Modality": ""}, "Modality", ["MR", "SR"]),
        ("IMAGE", {"StudyInstanceUID": "1.2.1", "SeriesInstanceUID": "1.2.1.1", "SOPInstanceUID": ""}, "SOPInstanceUID",
         ["1.2.1.1.1", "1.2.1.1.2"]),
        ("IMAGE", {"SOPInstanceUID": "1.2.1.2.1", "PatientID": "", "Modality": "", "StudyDate": ""}, "PatientID", ["P1"]),
        ("IMAGE", {"StudyInstanceUID": "1.9.1", "SeriesInstanceUID": "1.9.1.1", "SOPInstanceUID": ""}, "SOPInstanceUID", []),
    ],
)  # fmt: skip
def test_each_level_is_asked_under_patient_root(net: Network, level, keys, keyword, found) -> None:
    association = net.associate(build_context(PATIENT_FIND, LITTLE_ENDIAN))
    answers = net.find(association, level, model=PATIENT_FIND, **keys)
    assert [(status, answer[keyword].value) for status, answer in answers[:-1]] == [(0xFF00, value) for value in found]
    assert answers[-1][0] == 0x0000


@pytest.mark.parametrize("syntax", LITTLE_ENDIAN)
def test_an_answer_has_every_element_that_was_asked_for_in_unicode_empty_where_it_cannot_be_said(net: Network, syntax) -> None:
    association = net.associate(build_context(STUDY_FIND, [syntax]))
    keys = {"StudyInstanceUID": "1.2.1", "PatientName": "", "OtherPatientIDs": "", "ProcedureCodeSequence": [], "StudyDate": ""}
    (_, answer), _ = net.find(association, "STUDY", **keys)
    assert answer.PatientName == "Müller1"
    assert (answer.SpecificCharacterSet, answer.QueryRetrieveLevel, answer.RetrieveAETitle) == ("ISO_IR 192", "STUDY", "ACCORD")
    assert (answer.OtherPatientIDs, len(answer.ProcedureCodeSequence), answer.StudyDate) == ("", 0, "20200101")
    assert "StudyTime" not in answer


def test_a_question_is_read_by_its_own_character_set(net: Network) -> None:
    asked = identifier("STUDY", PatientName="MÜLLER1", StudyInstanceUID="")
    asked.SpecificCharacterSet = "ISO_IR 100"
    answers = list(net.associate().send_c_find(asked, STUDY_FIND))
    assert [answer.StudyInstanceUID for _, answer in answers[:-1]] == ["1.2.1"]


def test_a_key_that_is_not_matched_is_said_with_each_answer(net: Network) -> None:
    answers = net.find(net.associate(), "STUDY", StudyInstanceUID="1.2.1", InstitutionName="X")
    assert [status for status, _ in answers] == [0xFF01, 0x0000]


def extended(net: Network, asked: bytes) -> tuple[Association, bytes]:
    """An association that negotiates this of C-FIND, and what was agreed."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = STUDY_FIND, asked
    association = net.associate(
        build_context(STUDY_FIND, LITTLE_ENDIAN), build_context(STUDY_GET, LITTLE_ENDIAN), extended=[item]
    )
    return association, association.acceptor.sop_class_extended.get(UID(STUDY_FIND), b"")


def test_what_is_done_of_extended_negotiation_is_agreed_and_no_more(net: Network) -> None:
    assert extended(net, b"\1\1\1\1\1")[1] == b"\1\1\1\0\0"
    assert extended(net, b"\0\1")[1] == b"\0\1"
    assert extended(net, b"\1" * 40)[1] == b"\1\1\1\0\0"
    assert net.associate().acceptor.sop_class_extended == {}


def test_a_range_of_moments_is_matched_as_one_where_that_was_agreed(net: Network) -> None:
    hold(net.runtime, made("1.2.4.1.1", study="1.2.4", StudyDate="20200102", StudyTime="230000"))
    asked = {"StudyDate": "20200101-20200103", "StudyTime": "100000-120000", "StudyInstanceUID": ""}
    assert studies(net.find(extended(net, b"\0\1")[0], "STUDY", **asked)) == ["1.2.4"]
    assert studies(net.find(extended(net, b"\1\0")[0], "STUDY", **asked)) == []


def test_the_beginning_of_a_name_is_enough_where_that_was_agreed(net: Network) -> None:
    asked = {"PatientName": "müll", "StudyInstanceUID": ""}
    assert studies(net.find(extended(net, b"\0\0\1")[0], "STUDY", **asked)) == ["1.2.1"]
    assert studies(net.find(extended(net, b"\0\1\0")[0], "STUDY", **asked)) == []


def test_dates_and_times_are_matched_each_for_itself(net: Network) -> None:
    hold(net.runtime, made("1.2.4.1.1", study="1.2.4", StudyDate="20200102", StudyTime="230000"))
    asked = {"StudyDate": "20200101-20200103", "StudyTime": "100000-120000", "StudyInstanceUID": ""}
    assert studies(net.find(net.associate(), "STUDY", **asked)) == []


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("PATIENT", {}),  # not in the study root model
        ("WORKLIST", {}),
        ("STUDY", {"StudyInstanceUID": "1.2.*"}),
        ("STUDY", {"StudyDate": "yesterday"}),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_rule_and_not_repeated(net: Network, level, keys) -> None:
    config.settings.writing_validation_mode = config.IGNORE
    ((status, said),) = net.find(net.associate(), level, **keys)
    assert status == 0xA900
    assert said.ErrorComment.startswith("The identifier can't be answered: ")
    assert not any(str(value) in said.ErrorComment for value in keys.values())


@pytest.mark.parametrize("size", [1_000, 20_000_000])
def test_an_identifier_is_read_up_to_a_size(net: Network, size: int) -> None:
    ((status, *_),) = net.find(net.associate(), "STUDY", StudyInstanceUID="1.2.7", TextValue="x" * size)
    assert status == (0x0000 if size == 1_000 else 0xA702)


def test_a_question_that_takes_too_long_is_too_broad(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_INSTRUCTIONS", 1)
    monkeypatch.setattr(search, "PAGE_SECONDS", 1e-9)
    ((status, said),) = net.find(net.associate(), "STUDY", StudyInstanceUID="")
    assert (status, said.ErrorComment) == (0xA700, "Too broad; narrow it: too-broad")


def test_pages_are_one_question_and_one_record(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    assert studies(net.find(net.associate(), "STUDY", StudyInstanceUID="")) == ["1.2.3", "1.2.2", "1.2.1"]
    assert net.accesses() == [("researcher", "query", "c-find/study", 3)]


def test_a_cancelled_question_ends_and_is_recorded_as_far_as_it_was_read(net: Network, monkeypatch) -> None:
    monkeypatch.setattr(search, "PAGE", 1)
    asked = search.rows.fragments_of_studies
    association = net.associate()

    def slowly(*given: object) -> object:
        time.sleep(0.3)
        return asked(*given)

    monkeypatch.setattr(search.rows, "fragments_of_studies", slowly)
    answers = association.send_c_find(identifier("STUDY", StudyInstanceUID=""), STUDY_FIND, msg_id=7)
    time.sleep(0.2)  # what comes before it is begun is of no use
    association.send_c_cancel(7, query_model=STUDY_FIND)
    statuses = [status.Status for status, _ in answers]
    assert statuses[-1] == 0xFE00
    assert len(statuses) < 4
    ((*asked_for, read),) = net.accesses()
    assert asked_for == ["researcher", "query", "c-find/study"]
    assert len(statuses) - 1 <= read < 3


@pytest.mark.parametrize(
    ("door", "reader", "model"), [(find, "read_question", STUDY_FIND), (retrieve, "read_selection", STUDY_GET)]
)
def test_who_is_gone_when_it_is_answered_leaves_no_fault(net: Network, monkeypatch, door, reader, model) -> None:
    """Of an error in a thread pytest makes a failure."""
    association, ended = net.associate(build_context(model, LITTLE_ENDIAN)), threading.Event()

    association.dimse_timeout = 1  # pynetdicom waits for an answer though it has aborted

    def leaving(*_given: object) -> object:
        association.abort()
        time.sleep(0.3)  # it is read meanwhile
        ended.set()
        raise Invalid("identifier-key", "-")

    monkeypatch.setattr(door, reader, leaving)
    ask = association.send_c_find if model == STUDY_FIND else association.send_c_get
    assert [status for status, _ in ask(identifier("STUDY", StudyInstanceUID="1.2.1"), model)] == [Dataset()]
    assert ended.wait(5)
    net.scp.stop(5)


def test_a_stop_binds_the_next_question_of_an_open_association(net: Network) -> None:
    association = net.associate()
    assert len(studies(net.find(association, "STUDY", StudyInstanceUID=""))) == 3
    move_agreement(net.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert studies(net.find(association, "STUDY", StudyInstanceUID="")) == []


def test_a_removed_ae_is_refused_in_an_open_association_and_rejected_afterwards(net: Network) -> None:
    association = net.associate()
    remove_entity(net.runtime, builders.ACTOR, "RESEARCH")
    ((status, _),) = net.find(association, "STUDY", StudyInstanceUID="")
    assert status == 0x0124
    assert "Calling AE Title Not Recognized" in net.run("echoscu").stderr


def test_who_asks_for_a_disabled_client_or_from_elsewhere_is_rejected(net: Network) -> None:
    assert net.run("echoscu").returncode == 0
    assert "Calling AE Title Not Recognized" in net.run("echoscu", calling="STORESCU").stderr
    set_client(net.runtime, builders.ACTOR, "researcher", enabled=False)
    assert "Calling AE Title Not Recognized" in net.run("echoscu").stderr


def test_the_operator_is_told_how_to_let_in_who_asked(net: Network) -> None:
    noticed = Noticed()
    noticed.add(AeTitle("ACCORD", "STRANGER", "10.1.2.3"), Rejection.UNKNOWN_CALLING)
    noticed.write(net.runtime)
    (told,) = (each for each in list_associations(net.runtime) if each.row.calling == "STRANGER")
    assert told.outcome == "ACCORD has no such application entity at this address"
    assert told.remedy == ("accord", "admin", "ae", "add", "STRANGER", "--client", "NAME", "--from", "10.1.2.3/32")


def test_a_client_without_the_scope_is_refused(net: Network) -> None:
    set_client(net.runtime, builders.ACTOR, "researcher", scopes=["system/Patient.rs"])
    ((status, said),) = net.find(net.associate(), "STUDY", StudyInstanceUID="")
    assert (status, said.ErrorComment) == (0x0124, "Not for this caller: insufficient-scope")


def test_queries_are_not_offered_to_who_calls_a_dataset_nor_is_anything_stored_by_who_calls_the_repository(net: Network) -> None:
    at_dataset = net.associate(calling="STORESCU", called="LUNG")
    assert [cx.abstract_syntax for cx in at_dataset.rejected_contexts] == [STUDY_FIND]
    stored = net.associate(build_context("1.2.840.10008.5.1.4.1.1.4", LITTLE_ENDIAN)).send_c_store(
        dcmread(BytesIO(made("1.2.4.1.1")))
    )
    assert (stored.Status, stored.ErrorComment) == (0x0124, "Call the dataset's AE title to store")


def test_many_answers_come_whole(net: Network) -> None:
    hold(net.runtime, *(made(f"1.3.{n}.1.1", study=f"1.3.{n}") for n in range(MANY)))
    assert len(studies(net.find(net.associate(), "STUDY", StudyInstanceUID="", StudyDescription=""))) == MANY + 3


def test_what_is_asked_under_a_context_that_is_for_something_else_ends_the_association(
    net: Network, caplog: pytest.LogCaptureFixture
) -> None:
    association = net.associate(build_context(Verification, LITTLE_ENDIAN))
    asked = C_FIND()
    asked.MessageID, asked.Priority, asked.AffectedSOPClassUID = 1, 2, Verification
    asked.Identifier = BytesIO(encode(identifier("STUDY"), is_implicit_vr=False, is_little_endian=True) or b"")
    association.dimse.send_msg(asked, association.accepted_contexts[0].context_id)
    assert eventually(lambda: association.is_aborted)
    assert "association failed" not in caplog.messages
