"""QIDO-RS through its door: what an answer carries of the levels above, what it includes, and how much there is beside it."""

import json

import pytest

from adapters.identity import Keys
from adapters.sql import search as rows
from mappings.dicom import qido
from server.usecases import search
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders
from tests.house import CALLERS, build

CT = "1.2.840.10008.5.1.4.1.1.2"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
AGE, PROTOCOL, MATRIX_SIZE = "00101010", "00181030", "00280010"
OURS = "/dicom-web/studies/1.2.3"


@pytest.fixture
def house(tmp_path):
    """A house with a study of CT and its segmentation, and one of MR, beside its own."""
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    deposit(
        made,
        builders.made(
            "1.2.3.1.1", Modality="CT", SOPClassUID=CT, PatientAge="045Y", ProtocolName="thorax", StudyDescription="Lung /\x01"
        ),
        builders.made("1.2.3.2.1", series="1.2.3.2", Modality="SEG", SOPClassUID=SEG, PatientAge="046Y", SeriesNumber=2),
        builders.made("1.2.4.1.1", study="1.2.4", PatientID="P2", PatientName="P2"),
    )
    yield made
    made.runtime.close()


def deposit(house, *files):
    batch = builders.batch(house.runtime)
    for number, file in enumerate(files):
        assert take(house.runtime, batch, str(number), file).outcome == "pass"
    close_batch(house.runtime, batch.id)


def ask(house, path, **headers):
    response = house.ask("GET", path, CALLERS["user"], headers=headers)
    assert response.status_code == 200, response.data
    return response


def found(house, path):
    return json.loads(ask(house, path).data)


def values(objects, tag):
    return [one[tag].get("Value") for one in objects]


def warnings(response):
    return [said.partition('"')[2].rstrip('"') for said in response.headers.getlist("Warning")]


# --- ModalitiesInStudy, SOPClassesInStudy


@pytest.mark.parametrize(
    ("path", "uids"),
    [
        ("studies?ModalitiesInStudy=CT&Modality=SEG", ["1.2.3"]),
        ("studies?ModalitiesInStudy=MR&Modality=SEG", []),
        ("studies?00080061=SEG&SOPClassesInStudy=" + CT, ["1.2.3"]),
    ],
)
def test_a_study_has_its_modalities_whatever_one_series_of_it_has(house, path, uids):
    assert [uid for (uid,) in values(found(house, f"/dicom-web/{path}"), "0020000D")] == uids


@pytest.mark.parametrize("level", ["series", "instances"])
def test_below_the_study_its_modalities_ask_the_study_and_not_the_row(house, level):
    assert len(found(house, f"{OURS}/{level}?ModalitiesInStudy=CT")) == 2
    assert len(found(house, f"{OURS}/{level}?SOPClassesInStudy={SEG}")) == 2
    assert len(found(house, f"{OURS}/{level}?Modality=CT")) == 1
    assert found(house, f"{OURS}/{level}?ModalitiesInStudy=MR") == []


# --- levels above


@pytest.mark.parametrize(
    ("path", "carried", "own"),
    [
        ("/dicom-web/series", {"00100010", "00080020", "00080061", "00201208"}, {"0020000E", "00201209"}),
        ("/dicom-web/instances", {"00100010", "00080061", "0008103E", "00201209"}, {"00080018", "00083002"}),
        (f"{OURS}/instances", {"0008103E", "00200011", "00201209"}, {"00080018", "00083002"}),
    ],
)
def test_an_answer_carries_the_levels_above_that_its_path_does_not_name(house, path, carried, own):
    for one in found(house, path):
        assert carried | own <= one.keys()
        assert list(one) == sorted(one)


@pytest.mark.parametrize("path", [f"{OURS}/series", f"{OURS}/series/1.2.3.1/instances", f"{OURS}/instances"])
def test_an_answer_leaves_out_the_study_that_its_path_names(house, path):
    assert all("00100010" not in one and "00201208" not in one for one in found(house, path))


def test_what_is_carried_is_of_the_row_s_own_study_and_its_address_its_own(house):
    for one in found(house, "/dicom-web/series?PatientName=P2*"):
        assert one["00100020"]["Value"] == ["P2"]
        assert one["00081190"]["Value"] == [f"{house.runtime.settings.base_url}/dicom-web/studies/1.2.4/series/1.2.4.1"]


def test_a_control_character_in_a_value_is_no_address(house):
    said = found(house, "/dicom-web/series?StudyInstanceUID=1.2.3&SeriesNumber=2")
    assert values(said, "00081030") == [["Lung /\x01"]]


# --- includefield


@pytest.mark.parametrize("name", ["PatientAge", AGE, f"StudyDate,{AGE}", "all"])
def test_a_study_includes_what_its_first_instance_says_of_its_patient(house, name):
    assert values(found(house, f"/dicom-web/studies?StudyInstanceUID=1.2.3&includefield={name}"), AGE) == [["045Y"]]


def test_a_series_includes_what_its_own_first_instance_says(house):
    said = found(house, f"{OURS}/series?includefield={AGE}&includefield=ProtocolName,ModalitiesInStudy")
    assert values(said, AGE) == [["045Y"], ["046Y"]]
    assert said[0][PROTOCOL]["Value"] == ["thorax"]
    assert PROTOCOL not in said[1]
    assert values(said, "00080061") == [["CT", "SEG"]] * 2


def test_an_instance_includes_all_that_it_says(house):
    (said,) = found(house, f"{OURS}/series/1.2.3.1/instances?includefield=all")
    (whole,) = found(house, f"{OURS}/series/1.2.3.1/instances/1.2.3.1.1/metadata")
    assert {tag: said[tag] for tag in whole} == whole


def test_what_can_not_be_given_is_said_by_its_name(house):
    response = ask(house, f"/dicom-web/studies?includefield={MATRIX_SIZE},NoSuchThing&includefield=00081030")
    assert warnings(response) == [f"These attributes can't be given at this level: {MATRIX_SIZE}, NoSuchThing."]


def test_a_name_that_is_none_stands_in_no_header(house):
    (said,) = warnings(ask(house, "/dicom-web/studies?includefield=a%0d%0ab%22"))
    assert said == "These attributes can't be given at this level: one that is no attribute."


def test_a_page_that_reads_metadata_is_small(house, monkeypatch):
    monkeypatch.setattr(qido, "LIMIT_INCLUDING", 1)
    response = ask(house, f"/dicom-web/studies?limit=3&includefield={AGE}")
    assert len(response.json) == 1
    assert warnings(response) == ["The limit was lowered to 1, the largest page.", remain(2)]


def test_what_is_included_is_looked_for_in_the_beginning_alone(house, monkeypatch):
    monkeypatch.setitem(rows._FIRST, rows.Level.STUDY, rows.func.substr(rows._FIRST[rows.Level.STUDY], 1, 40))
    (said,) = found(house, f"/dicom-web/studies?StudyInstanceUID=1.2.3&includefield={AGE},00080096")
    assert AGE not in said


# --- how many


def remain(rest):
    return f"There are {rest} additional results that can be requested."


@pytest.mark.parametrize(
    ("asked", "total", "said"),
    [
        ("", "3", []),
        ("limit=2", "3", [remain(1)]),
        ("limit=2&offset=1", "3", []),
        ("limit=2&offset=2", "3", []),
        ("limit=2&offset=9", "3", []),
        ("limit=0", "3", [remain(3)]),
        ("PatientID=P2", "1", []),
        ("PatientID=nobody", "0", []),
    ],
)
def test_a_page_says_how_many_there_are_and_that_more_remain(house, asked, total, said):
    response = ask(house, f"/dicom-web/studies?{asked}")
    assert (response.headers["X-Total-Count"], warnings(response)) == (total, said)


def test_above_a_thousand_the_total_is_left_to_who_counts(house, monkeypatch):
    monkeypatch.setattr(search, "COUNTED", 2)
    response = ask(house, "/dicom-web/studies?limit=1")
    assert "X-Total-Count" not in response.headers
    assert warnings(response) == ["There are additional results that can be requested."]
    assert found(house, "/dicom-web/studies/count?limit=1") == {"count": 3}


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/dicom-web/studies/count", 3),
        ("/dicom-web/studies/count?ModalitiesInStudy=CT", 1),
        ("/dicom-web/series/count?PatientID=P1", 2),
        (f"{OURS}/series/count", 2),
        (f"{OURS}/instances/count?Modality=SEG", 1),
        (f"{OURS}/series/1.2.3.1/instances/count", 1),
        ("/dicom-web/instances/count?StudyInstanceUID=1.2.9", 0),
    ],
)
def test_what_matches_is_counted_at_every_level(house, path, count):
    assert found(house, path) == {"count": count}


def test_a_count_is_of_what_its_caller_may_see(house):
    counted = house.ask("GET", "/dicom-web/studies/count", CALLERS["other-provider"])
    assert counted.json == {"count": 0}
