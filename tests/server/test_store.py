"""STOW-RS's answer (PS3.18 Table I.1-1): what was taken and where it is had, what was not and why."""

import io

import pytest
from lxml import etree
from pydicom import dcmread

from adapters.identity import Keys
from tests.house import CALLERS, House, build
from tests.running import image

PROVIDER, RELATED = CALLERS["provider"], 'multipart/related; type="application/dicom"; boundary=b'
STUDY, OTHER = "2.25.1001", "2.25.1002"


@pytest.fixture
def house(tmp_path):
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    yield made
    made.runtime.close()


def store(house: House, *files: bytes, path: str = "/dicom-web/studies?dataset=LUNG", **headers: str):
    body = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files) + b"--b--"
    return house.ask("POST", path, PROVIDER, data=body, headers={"Content-Type": RELATED} | headers)


def uid(file: bytes) -> str:
    return str(dcmread(io.BytesIO(file)).SOPInstanceUID)


def test_the_study_is_retrieved_by_the_url_on_top_and_each_instance_by_its_own(house):
    files = [image(STUDY, "P1"), image(STUDY, "P1", 2, series=f"{STUDY}.2")]
    answer = store(house, *files)
    base = f"{house.runtime.settings.base_url}/dicom-web"
    assert (answer.status_code, answer.content_type) == (200, "application/dicom+json")
    assert answer.json["00081190"] == {"vr": "UR", "Value": [f"{base}/studies/{STUDY}"]}
    urls = [item["00081190"]["Value"][0] for item in answer.json["00081199"]["Value"]]
    assert urls == [f"{base}/studies/{STUDY}/series/{STUDY}.{n}/instances/{uid(f)}" for n, f in enumerate(files, 1)]
    for url, file in zip(urls, files, strict=True):
        path = url.removeprefix(house.runtime.settings.base_url)
        assert house.ask("GET", path, PROVIDER, headers={"Accept": "application/dicom"}).data == file
    assert store(house, files[0]).json["00081199"]["Value"][0]["00081190"]["Value"] == [urls[0]], "what was there is there"


def test_several_studies_and_none_have_no_url_on_top_but_the_place_for_one(house):
    assert store(house, image(STUDY, "P1"), image(OTHER, "P1")).json["00081190"] == {"vr": "UR"}
    refused = store(house, b"no DICOM")
    assert (refused.status_code, refused.json["00081190"]) == (409, {"vr": "UR"})


def test_what_waits_for_review_has_no_url(house):
    held = store(house, image(STUDY, "P1", InstitutionName="Somewhere"))
    (item,) = held.json["00081199"]["Value"]
    assert (held.status_code, held.json["00081190"], item["00081190"]) == (202, {"vr": "UR"}, {"vr": "UR"})
    assert item["00081196"]["Value"] == [0xB0F0]


def test_a_study_that_is_named_takes_its_own_instances_and_no_others(house):
    mine, other = image(STUDY, "P1"), image(OTHER, "P1")
    answer = store(house, mine, other, path=f"/dicom-web/studies/{STUDY}?dataset=LUNG")
    (stored,), (failed,) = answer.json["00081199"]["Value"], answer.json["00081198"]["Value"]
    assert (answer.status_code, stored["00081155"]["Value"], failed["00081155"]["Value"]) == (202, [uid(mine)], [uid(other)])
    assert failed["00081197"]["Value"] == [0xA901]
    assert house.ask("GET", f"/dicom-web/studies/{OTHER}/metadata", PROVIDER).status_code == 404
    assert store(house, other, path=f"/dicom-web/studies/{STUDY}?dataset=LUNG").status_code == 409
    assert store(house, other, path=f"/dicom-web/studies/{OTHER}?dataset=LUNG").status_code == 200


def test_a_study_that_is_named_holds_in_a_batch_too_and_for_that_request_alone(house):
    batch, file = house.batch(), image(OTHER, "P1")
    assert store(house, file, path=f"/dicom-web/studies/{STUDY}?batch={batch}").status_code == 409
    assert store(house, file, path=f"/dicom-web/studies?batch={batch}").status_code == 200


def test_who_asks_for_xml_is_answered_in_the_native_model(house):
    file = image(STUDY, "P1")
    answer = store(house, file, b"no DICOM", Accept="application/dicom+xml")
    assert (answer.status_code, answer.content_type) == (202, "application/dicom+xml")
    model, name = etree.fromstring(answer.data), "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    (url,) = model.findall(f"{name}DicomAttribute[@keyword='RetrieveURL']/{name}Value")
    assert (url.text, url.get("number")) == (f"{house.runtime.settings.base_url}/dicom-web/studies/{STUDY}", "1")
    (stored,) = model.findall(f"{name}DicomAttribute[@tag='00081199']/{name}Item")
    assert stored.find(f"{name}DicomAttribute[@keyword='ReferencedSOPInstanceUID']/{name}Value").text == uid(file)
    assert store(house, file, Accept="text/html").status_code == 406
