"""Items of sequences are kept, answered and found: what is asked of one sequence holds on one item."""

import json

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import func, select

from adapters.sql import rarest
from adapters.sql import search as rows
from adapters.sql import tables as t
from consent.policy import VisibleDatasets
from mappings.dicom.qido import read_query
from mappings.query import AllOf, Level, Not, OneOf, Query
from server.usecases import search
from server.usecases.withdraw import withdraw_study
from tests import builders
from tests.builders import ACTOR
from tests.usecases.test_sight import deposit

EVERYBODY = VisibleDatasets(frozenset({1}), None)


def code(scheme: str, value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning = scheme, value, meaning
    return item


def request(procedure: str, step: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = procedure, step
    return item


@pytest.fixture
def held(anywhere):
    """A study with a code twice over, one with a request, and one that says nothing."""
    deposit(
        anywhere,
        ("1.2.1", "P1", {"ProcedureCodeSequence": [code("SCT", "77477000", "CT"), code("99LOCAL", "CT1", "Thorax")]}),
        (
            "1.2.2",
            "P2",
            {
                "RequestAttributesSequence": [request("RP1", "S1"), request("RP2", "S2")],
                "RequestedProcedureCodeSequence": [code("LN", "24627-2", "CT Chest")],
                "AnatomicRegionSequence": [code("SCT", "76752008", "Bréast")],
                "PerformedProcedureStepStartDate": "20200102",
                "PerformedProcedureStepStartTime": "101500",
            },
        ),
        ("1.2.3", "P3", {}),
    )
    return anywhere


def found(runtime, level, **asked):
    query, warnings = read_query(level, [(name.replace("__", "."), value) for name, value in asked.items()])
    assert warnings == []
    answers = (json.loads(one.replace(b"\1", b"")) for one in search.fragments(runtime, builders.caller(), query))
    return {one["0020000D"]["Value"][0] for one in answers}


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.INSTANCE])
@pytest.mark.parametrize(
    ("asked", "studies"),
    [
        ({"ProcedureCodeSequence__CodeValue": "77477000"}, {"1.2.1"}),
        ({"ProcedureCodeSequence__CodeValue": "CT*", "ProcedureCodeSequence__CodingSchemeDesignator": "99LOCAL"}, {"1.2.1"}),
        ({"ProcedureCodeSequence__CodeValue": "CT1", "ProcedureCodeSequence__CodingSchemeDesignator": "SCT"}, set()),
        ({"ProcedureCodeSequence__CodeMeaning": "THORAX"}, {"1.2.1"}),
        ({"RequestedProcedureCodeSequence__CodeValue": "24627-2"}, {"1.2.2"}),
        ({"ProcedureCodeSequence__CodeValue": "24627-2"}, set()),
        ({"AnatomicRegionSequence__CodeMeaning": "breast"}, {"1.2.2"}),
        ({"RequestAttributesSequence__RequestedProcedureID": "RP1\\X"}, {"1.2.2"}),
        (
            {
                "RequestAttributesSequence__RequestedProcedureID": "RP2",
                "RequestAttributesSequence__ScheduledProcedureStepID": "S2",
            },
            {"1.2.2"},
        ),
        (
            {
                "RequestAttributesSequence__RequestedProcedureID": "RP1",
                "RequestAttributesSequence__ScheduledProcedureStepID": "S2",
            },
            set(),
        ),
        ({"PerformedProcedureStepStartDate": "20200101-", "PerformedProcedureStepStartTime": "10-11"}, {"1.2.2"}),
        ({"PerformedProcedureStepStartDate": "20200102-", "PerformedProcedureStepStartTime": "1016-"}, set()),
    ],
)
def test_what_is_asked_of_a_sequence_holds_on_one_item_of_it(held, level, asked, studies):
    assert found(held, level, **asked) == studies


def test_a_study_without_the_item_is_found_by_who_asks_for_that(held):
    query = Query(Level.STUDY, Not(OneOf("procedure_code", ("77477000",))))
    with held.store.read() as connection:
        assert len(rows.fragments(connection, query, EVERYBODY, held.clock())) == 2
        lacking = Query(Level.PATIENT, Not(OneOf("request_step", ("S1",))))
        assert {patient.patient_id for _, patient in rows.patients(connection, lacking, EVERYBODY, held.clock())} == {"P1", "P3"}


@pytest.mark.parametrize("field", ["procedure_code", "requested_code", "region_code", "request_procedure", "request_step"])
def test_an_item_that_nobody_has_is_looked_up_first(held, field):
    with held.store.read() as connection:
        assert rarest.few_studies(connection, Query(Level.STUDY, AllOf((OneOf(field, ("none",)),)))) == ()


def test_an_item_is_shown_to_nobody_who_may_not_see_its_study(held):
    query = Query(Level.STUDY, OneOf("procedure_code", ("77477000",)))
    with held.store.read() as connection:
        assert rows.fragments(connection, query, VisibleDatasets(frozenset({2}), None), held.clock()) == []


def test_an_answer_says_what_it_is_found_by(held):
    query, _ = read_query(Level.SERIES, [("StudyInstanceUID", "1.2.2")])
    (said,) = (json.loads(one.replace(b"\1", b"")) for one in search.fragments(held, builders.caller(), query))
    assert [said[tag]["Value"] for tag in ("00400244", "00400245")] == [["20200102"], ["101500"]]
    assert said["00400275"]["Value"][1] == {
        "00400009": {"vr": "SH", "Value": ["S2"]},
        "00401001": {"vr": "SH", "Value": ["RP2"]},
    }
    assert said["00082218"]["Value"][0]["00080104"]["Value"] == ["Bréast"]
    assert said["00321064"]["Value"][0]["00080100"]["Value"] == ["24627-2"]
    assert list(said) == sorted(said)


def test_the_items_of_a_study_go_with_it(held):
    for study in ("1.2.1", "1.2.2"):
        withdraw_study(held, ACTOR, study)
    with held.store.read() as connection:
        assert [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (t.coded, t.request)] == [
            0,
            0,
        ]
