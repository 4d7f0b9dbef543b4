"""What viewers and their libraries ask, replayed as they ask it: each request of theirs is answered with what they read."""

import json

import pytest

from tests.house import CALLERS, House
from tests.server.test_qido import OURS, SEG, ask, house, warnings

__all__ = ["house"]
DICOM_JSON = "application/dicom+json"


def read(house: House, path: str, accept: str = DICOM_JSON):
    response = ask(house, path, Accept=accept)
    assert response.headers["Content-Type"] == accept.partition(",")[0]
    return json.loads(response.data)


def uids(objects, tag="0020000D"):
    return {one[tag]["Value"][0] for one in objects}


OHIF = "/dicom-web/studies?limit=101&offset=0&fuzzymatching=false&includefield=00081030,00080060,00080090,00100030"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {"1.2.3", "1.2.4"}),
        ("&PatientName=*p2*", {"1.2.4"}),
        ("&00100020=*P1*", {"1.2.3"}),
        ("&StudyDescription=*lung*", {"1.2.3"}),
        ("&AccessionNumber=*A*", set()),
        ("&ModalitiesInStudy=CT,SEG", {"1.2.3"}),
        ("&StudyDate=20191231-20200101", {"1.2.3", "1.2.4"}),
        ("&StudyInstanceUID=1.2.3%5C1.2.4", {"1.2.3", "1.2.4"}),
        ("&StudyInstanceUID=1.2.3,1.2.4&PatientName=*P1*", {"1.2.3"}),
    ],
)
def test_the_study_list_of_ohif_is_filled(house, asked, found):
    told = read(house, OHIF + asked)
    assert uids(told) - {house.study} == found
    for one in told:
        assert {"00080061", "00201208", "00100020", "00080020", "00080030", "00080050"} <= one.keys()
        assert all(isinstance(name, dict) for name in one["00100010"].get("Value", []))


def test_ohif_opens_a_study_by_its_series_and_looks_for_segmentations(house):
    series = read(house, f"{OURS}/series?includefield=0008103E,00080021")
    assert uids(series) == {"1.2.3"}
    assert all({"0020000E", "00080060", "00201209", "0008103E", "00080021"} <= one.keys() for one in series)
    assert uids(read(house, f"{OURS}/series?Modality=SEG"), "0020000E") == {"1.2.3.2"}
    assert len(read(house, f"{OURS}/series/1.2.3.1/instances?limit=1&includefield=00080018")) == 1


def test_the_work_list_of_slim_is_filled_and_searched(house):
    assert uids(read(house, "/dicom-web/studies?ModalitiesInStudy=CT")) == {"1.2.3"}
    assert uids(read(house, "/dicom-web/studies?ModalitiesInStudy=MR&PersonName=*p2*&fuzzymatching=true")) == {"1.2.4"}
    assert uids(read(house, "/dicom-web/studies?PatientName=p2&fuzzymatching=true")) == {"1.2.4"}
    assert uids(read(house, f"{OURS}/series?Modality=SEG"), "0020000E") == {"1.2.3.2"}
    assert uids(read(house, f"{OURS}/series/1.2.3.2/instances?SOPClassUID={SEG}"), "00080016") == {SEG}


def test_slim_asks_without_a_token_first_and_is_told_to_get_one(house):
    refused = house.ask("GET", "/dicom-web/studies?ModalitiesInStudy=SM", CALLERS["anonymous"])
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_weasis_reads_a_patient_s_studies_and_their_series_with_addresses(house):
    fields = "00080020,00080030,00080050,00080061,00080090,00081030,00100010,00100021,00200010"
    (study,) = read(house, f"/dicom-web/studies?00100020=P2&includefield={fields}")
    assert set(fields.split(",")) <= study.keys()
    (series,) = read(house, "/dicom-web/studies/1.2.4/series?includefield=0008103E,00080060,0020000E,00200011,00081190")
    assert series["00081190"]["Value"][0].endswith("/dicom-web/studies/1.2.4/series/1.2.4.1")
    assert series["00201209"]["Value"] == [1]


def test_the_client_of_idc_reads_on_until_a_page_is_empty(house):
    accept, found, offset = "application/dicom+json, application/json", [], 0
    while page := read(house, f"/dicom-web/studies?limit=1&offset={offset}", accept):
        found, offset = found + page, offset + len(page)
    assert len(found) == 3 == len(uids(found))


def test_wsidicom_is_told_which_syntax_there_is_and_probes_no_frame(house):
    response = ask(house, f"{OURS}/series/1.2.3.1/instances?includefield=AvailableTransferSyntaxUID", Accept=DICOM_JSON)
    assert warnings(response) == []
    assert response.json[0]["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    asked = f"{OURS}/instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.77.1.6&includefield=AvailableTransferSyntaxUID"
    assert read(house, asked) == []


def test_slicer_pages_through_all_studies_then_series_then_instances(house):
    offset = 0
    while studies := read(house, f"/dicom-web/studies?offset={offset}&limit=2"):
        offset += len(studies)
    assert offset == 3
    for series in read(house, f"{OURS}/series"):
        (instance,) = read(house, f"{OURS}/series/{series['0020000E']['Value'][0]}/instances")
        assert {"00080018", "00080016", "00200013"} <= instance.keys()
