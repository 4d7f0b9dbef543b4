"""Identifiers of C-FIND, C-GET and C-MOVE: read as the question that QIDO asks, and answered with each element that was named."""

import random
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from mappings.dicom import identifier as identifiers
from mappings.dicom.identifier import (
    LEVELS,
    Answers,
    Selection,
    failed_list,
    read_identifier,
    read_question,
    read_selection,
)
from mappings.dicom.qido import read_query
from mappings.failures import Invalid
from mappings.query import AllOf, Level

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def encoded(syntax=EXPLICIT, **keys):
    asked = Dataset()
    for keyword, value in {"QueryRetrieveLevel": "STUDY", **keys}.items():
        setattr(asked, keyword, value)
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(file, asked)
    return file.getvalue()


def read(syntax=EXPLICIT, **keys):
    return read_identifier(encoded(syntax, **keys), syntax, LEVELS)


def decoded(data, syntax=EXPLICIT):
    return dcmread(BytesIO(data), force=True) if syntax == IMPLICIT else _explicit(data)


def _explicit(data):
    return read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_keys_ask_what_the_same_attributes_ask_in_qido(syntax):
    query, complete = read_question(read(syntax, PatientID="P1", StudyDate="20200101-", ModalitiesInStudy="CT", StudyID=""))
    asked, _ = read_query(Level.STUDY, [("StudyDate", "20200101-"), ("ModalitiesInStudy", "CT"), ("PatientID", "P1")])
    assert isinstance(query.where, AllOf)
    assert query.where.parts[0] == asked.where
    assert (query.level, complete) == (Level.STUDY, True)


def test_patients_are_asked_of_their_studies():
    query, _ = read_question(read(QueryRetrieveLevel="PATIENT", PatientID="P1"))
    assert query.level is Level.STUDY


@pytest.mark.parametrize("key", [{"InstitutionName": "X"}, {"PatientComments": "a*"}])
def test_a_key_that_no_field_answers_is_no_complete_matching(key):
    assert read_question(read(PatientID="P1", **key))[1] is False


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_key_in_a_sequence_is_one_of_its_items_alone(syntax):
    inner = Dataset()
    inner.PatientID, inner.RequestedProcedureID = "P1", "R1"
    query, complete = read_question(read(syntax, RequestAttributesSequence=[inner]))
    asked, _ = read_query(Level.STUDY, [("RequestAttributesSequence.RequestedProcedureID", "R1")])
    assert (query.where, complete) == (AllOf((asked.where, AllOf())), False)


def test_levels_above_are_read_only_where_they_are_asked_for():
    own = read(QueryRetrieveLevel="SERIES", StudyInstanceUID="1.2", SeriesInstanceUID="", Modality="")
    more = read(QueryRetrieveLevel="SERIES", StudyInstanceUID="1.2", SeriesInstanceUID="", PatientName="")
    assert [read_question(asked)[0].above for asked in (own, more)] == [(), (Level.STUDY,)]


def test_text_is_read_by_the_character_set_of_the_request():
    assert read(SpecificCharacterSet="ISO_IR 144", PatientName="Люк").value(0x00100010) == "Люк"


@pytest.mark.parametrize(
    ("data", "levels", "code"),
    [
        (encoded(QueryRetrieveLevel="PATIENT"), ("STUDY",), "identifier-level"),
        (b"", LEVELS, "identifier-level"),
        (b"\x08\x00\x52\x00CS\xff\xff", LEVELS, "identifier-unreadable"),
    ],
)
def test_what_is_no_identifier_is_refused(data, levels, code):
    with pytest.raises(Invalid) as refused:
        read_identifier(data, EXPLICIT, levels)
    assert refused.value.code == code


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("seed", range(20))
def test_broken_bytes_are_refused_or_asked_and_answered_and_nothing_else(syntax, seed):
    chance = random.Random(seed)
    inner = Dataset()
    inner.RequestedProcedureID, inner.CodeValue = "R1", "C1"
    whole = encoded(syntax, PatientName="A*", StudyDate="20200101-", StudyInstanceUID=["1.2", "1.3"], Rows=5,
                    RequestAttributesSequence=[inner], ModalitiesInStudy="CT", StudyTime="10")  # fmt: skip
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            asked = read_identifier(bytes(broken[: chance.randint(0, len(broken))]), syntax, LEVELS)
            read_question(asked)
            read_selection(asked)
        except Invalid:
            continue
        assert Answers(asked, syntax, "ACCORD").write(ANSWER)


def test_more_elements_than_are_answered_are_refused(monkeypatch):
    monkeypatch.setattr(identifiers, "MOST_ELEMENTS", 1)
    with pytest.raises(Invalid):
        read(StudyID="")


def test_a_selection_is_the_levels_unique_key_and_one_of_each_above():
    assert read_selection(read(StudyInstanceUID=["1.2", "1.3"])) == Selection(studies=("1.2", "1.3"))
    series = read(QueryRetrieveLevel="SERIES", StudyInstanceUID="1.2", SeriesInstanceUID=["1.2.1", "1.2.2"])
    assert read_selection(series) == Selection(studies=("1.2",), series=("1.2.1", "1.2.2"))
    for keys in (
        {},
        {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "1.2"},
        {"QueryRetrieveLevel": "PATIENT", "PatientID": "*"},
    ):
        with pytest.raises(Invalid):
            read_selection(read(**keys))


ANSWER = {
    "00080020": {"vr": "DA", "Value": ["20200101"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
    "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
    "00200010": {"vr": "SH"},
    "00201208": {"vr": "IS", "Value": [12]},
    "00280010": {"vr": "US", "Value": [512]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00081032": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["C1"]}, "00080102": {"vr": "SH", "Value": ["99X"]}}]},
}  # fmt: skip


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_an_answer_is_what_was_asked_for(syntax):
    empty = ("StudyDate", "PatientName", "ModalitiesInStudy", "StudyID", "StudyInstanceUID", "InstitutionName")
    asked = read(syntax, **dict.fromkeys(empty, ""), Rows=None, NumberOfStudyRelatedInstances="", ProcedureCodeSequence=[])
    answer = decoded(Answers(asked, syntax, "ACCORD").write(ANSWER), syntax)
    assert (answer.StudyDate, answer.ModalitiesInStudy, answer.Rows) == ("20200101", ["CT", "SR"], 512)
    assert (answer.PatientName.alphabetic, answer.PatientName.ideographic) == ("Yamada^Tarou", "山田^太郎")
    assert (answer.NumberOfStudyRelatedInstances, answer.StudyInstanceUID) == (12, "1.2.3")
    assert [(item.CodeValue, item.CodingSchemeDesignator) for item in answer.ProcedureCodeSequence] == [("C1", "99X")]
    assert (answer.StudyID, answer.InstitutionName) == ("", "")
    assert (answer.QueryRetrieveLevel, answer.RetrieveAETitle, answer.SpecificCharacterSet) == ("STUDY", "ACCORD", "ISO_IR 192")
    assert [element.tag for element in answer] == sorted(element.tag for element in answer)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_what_failed_is_named_as_far_as_one_element_holds(syntax):
    uids = [f"1.2.{number}" for number in range(20_000)]
    told = list(decoded(failed_list(uids, syntax), syntax).FailedSOPInstanceUIDList)
    assert told == uids[: len(told)]
    assert len(told) > 5_000
    assert decoded(failed_list(["1.2.3"], syntax), syntax).FailedSOPInstanceUIDList == "1.2.3"
