"""Finding and fetching through the real doors, with the clients that people use: dicomweb-client, fhirpy, a browser's HTTP."""

import io

import httpx
import numpy as np
import pytest
import requests
from dicomweb_client import DICOMwebClient
from fhirpy import SyncFHIRClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from tests import servers
from tests.builders import DICOM
from tests.journeys.conftest import LIVER, PUSHED, SECRET, Site
from tests.running import eventually, image

STORED = (("application/dicom", "*"),)
"""As it is stored."""


def dicomweb(site: Site, name: str) -> DICOMwebClient:
    return DICOMwebClient(f"{site.accord.base}/dicom-web", headers={"Authorization": f"Bearer {site.accord.token(name)}"})


def fhir(site: Site, name: str) -> SyncFHIRClient:
    return SyncFHIRClient(f"{site.accord.base}/fhir/R4", authorization=f"Bearer {site.accord.token(name)}")


def studies(site: Site, name: str = "researcher", **filters: str) -> set[str]:
    found = dicomweb(site, name).search_for_studies(search_filters=filters)
    return {study["0020000D"]["Value"][0] for study in found}


def decoded(picture: bytes, kind: str, size: tuple[int, int]) -> None:
    """It is a picture of this kind and size, and something is on it."""
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.size) == (kind, size)
    pixels = np.asarray(image.convert("L"))
    assert int(pixels.max()) - int(pixels.min()) > 64
    assert len(np.unique(pixels)) > 16


@pytest.mark.parametrize("name", ["provider", "inside", "researcher", "operator"])
def test_qido_finds_studies_by_wildcard_uid_list_and_dates(site, name):
    emri, liver, own = site.emri[0], site.liver, site.own
    assert {emri, liver, *own} <= studies(site, name)
    assert studies(site, name, PatientID="OWN-*") == set(own)
    assert studies(site, name, PatientID="OWN-?", StudyDate="20210101-20211231") == {own[1]}
    assert studies(site, name, PatientName="own-2") == {own[2]}, "names are matched without regard to case"
    assert studies(site, name, StudyInstanceUID=f"{own[0]},{liver}") == {own[0], liver}
    assert studies(site, name, StudyDate="20210101-") >= {own[1], own[2]}
    assert not studies(site, name, StudyDate="-20201231") & {own[1], own[2]}
    assert studies(site, name, ModalitiesInStudy="CT") == {liver}
    assert studies(site, name, PatientID="NOBODY") == set()


def test_qido_pages_to_an_end_and_counts_what_a_study_holds(site):
    client = dicomweb(site, "researcher")
    pages = [client.search_for_studies(limit=2, offset=at) for at in (0, 2, 4, 6)]
    uids = [study["0020000D"]["Value"][0] for page in pages for study in page]
    assert len(uids) == len(set(uids)) == len(studies(site))
    assert pages[-1] == []
    (liver,) = client.search_for_studies(search_filters={"StudyInstanceUID": site.liver})
    assert liver["00201208"]["Value"] == [2]
    assert liver["00080061"]["Value"] == ["CT"]
    assert liver["00081190"]["Value"] == [f"{site.accord.base}/dicom-web/studies/{site.liver}"]


def test_qido_finds_series_and_instances(site):
    client = dicomweb(site, "researcher")
    (series,) = client.search_for_series(site.liver, search_filters={"Modality": "CT"})
    assert client.search_for_series(site.liver, search_filters={"Modality": "MR"}) == []
    uid = series["0020000E"]["Value"][0]
    slices = client.search_for_instances(site.liver, uid)
    sent = {dcmread(DICOM / name, stop_before_pixels=True).SOPInstanceUID for name in LIVER}
    assert {i["00080018"]["Value"][0] for i in slices} == sent
    one = sent.pop()
    assert [i["00080018"]["Value"][0] for i in client.search_for_instances(search_filters={"SOPInstanceUID": one})] == [one]


def test_what_a_pacs_sent_comes_back_element_for_element(site):
    client = dicomweb(site, "researcher")
    study = client.retrieve_study(site.liver, media_types=STORED)
    sent = {d.SOPInstanceUID: d for d in (dcmread(DICOM / name) for name in LIVER)}
    assert {d.SOPInstanceUID for d in study} == set(sent)
    for back in study:
        assert plain(back) == plain(sent[back.SOPInstanceUID])
    series = client.retrieve_series(site.liver, study[0].SeriesInstanceUID, media_types=STORED)
    assert sorted(d.SOPInstanceUID for d in series) == sorted(sent)


def plain(dataset: Dataset) -> Dataset:
    """Without group lengths and padding, which dcmtk's senders leave out."""
    kept = Dataset({e.tag: e for e in dataset if e.tag.element and e.tag != 0xFFFCFFFC})
    assert len(kept) > 50
    return kept


@pytest.mark.parametrize("name", ["provider", "inside"])
def test_what_was_pushed_comes_back_byte_for_byte(site, name):
    study, series, instance = site.emri
    sent = (DICOM / PUSHED[0]).read_bytes()
    path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
    answer = site.accord.get(path, name, Accept="application/dicom; transfer-syntax=*")
    assert answer.content == sent
    assert answer.headers["Content-Length"] == str(len(sent))
    assert "1.2.840.10008.1.2.1" in answer.headers["Content-Type"]
    multipart = site.accord.get(path, name, Accept='multipart/related; type="application/dicom"; transfer-syntax=*')
    assert sent in multipart.content
    assert dicomweb(site, name).retrieve_instance(study, series, instance, media_types=STORED) == dcmread(io.BytesIO(sent))


def test_what_is_stored_by_stow_comes_back_byte_for_byte(site):
    study = generate_uid(prefix=None)
    files = [image(study, "STOWED", number) for number in (1, 2)]
    with site.accord.http("provider", Accept="application/dicom+json") as http:
        answer = http.post("/dicom-web/studies?dataset=OPEN", content=files[0], headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 200, answer.text
    session = requests.Session()
    session.params = {"dataset": "OPEN"}
    session.headers["Authorization"] = f"Bearer {site.accord.token('provider')}"
    stored = DICOMwebClient(f"{site.accord.base}/dicom-web", session=session).store_instances([dcmread(io.BytesIO(files[1]))])
    assert [i.ReferencedSOPInstanceUID for i in stored.ReferencedSOPSequence] == [dcmread(io.BytesIO(files[1])).SOPInstanceUID]
    assert "FailedSOPSequence" not in stored
    for file in files:
        uid = dcmread(io.BytesIO(file)).SOPInstanceUID
        path = f"/dicom-web/studies/{study}/series/{study}.1/instances/{uid}"
        assert site.accord.get(path, "provider", Accept="application/dicom").content == file
    site.accord.admin(f"study withdraw {study} --replace --yes")
    session.close()


def test_a_client_that_names_no_syntax_is_given_explicit_little_endian(site):
    study, file = generate_uid(prefix=None), io.BytesIO()
    dataset = dcmread(io.BytesIO(image(study, "PLAIN", 1)))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(file, implicit_vr=True, little_endian=True)
    with site.accord.http("provider", Accept="application/dicom+json") as http:
        answer = http.post(
            "/dicom-web/studies?dataset=OPEN", content=file.getvalue(), headers={"Content-Type": "application/dicom"}
        )
    assert answer.status_code == 200, answer.text
    client = dicomweb(site, "provider")
    (stored,), (sent,) = client.retrieve_study(study, media_types=STORED), client.retrieve_study(study)
    assert (stored.file_meta.TransferSyntaxUID, sent.file_meta.TransferSyntaxUID) == (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
    )
    assert stored == dcmread(io.BytesIO(file.getvalue())) == sent


def test_without_a_dataset_stow_names_the_choice(site):
    with site.accord.http("provider") as http:
        answer = http.post("/dicom-web/studies", content=image("1.2.3", "X"), headers={"Content-Type": "application/dicom"})
    assert answer.status_code == 409
    assert "LIVER, OPEN" in answer.json()["detail"]


def test_metadata_is_what_the_object_says_with_bulk_data_by_reference(site):
    study, series, instance = site.emri
    client = dicomweb(site, "researcher")
    told = client.retrieve_instance_metadata(study, series, instance)
    said = dcmread(DICOM / PUSHED[0], stop_before_pixels=True)
    assert told["00080018"]["Value"] == [instance]
    assert told["00280010"]["Value"] == [said.Rows]
    assert told["00280008"]["Value"] == [said.NumberOfFrames]
    assert told["00080005"]["Value"] == ["ISO_IR 192"]
    assert len(client.retrieve_study_metadata(site.liver)) == 2
    assert len(client.retrieve_series_metadata(study, series)) == 1
    for value in told.values():
        assert str(value.get("BulkDataURI", site.accord.base)).startswith(site.accord.base)


def test_a_person_sees_a_picture(site):
    study, series, instance = site.emri
    for name in ("researcher", "inside", "provider"):
        client = dicomweb(site, name)
        decoded(client.retrieve_instance_rendered(study, series, instance, media_types=("image/jpeg",)), "JPEG", (64, 64))
        frame = client.retrieve_instance_frames_rendered(study, series, instance, [7], media_types=("image/jpeg",))
        decoded(frame, "JPEG", (64, 64))
    slices = dicomweb(site, "researcher").search_for_instances(site.liver)
    first = [slices[0][tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
    client = dicomweb(site, "researcher")
    decoded(client.retrieve_instance_rendered(*first, media_types=("image/png",)), "PNG", (512, 512))
    decoded(client.retrieve_instance_rendered(*first, media_types=("image/jpeg",)), "JPEG", (512, 512))


def test_a_preview_is_not_a_view_and_processing_is_not_a_download(site):
    study, series, instance = site.emri
    path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
    asked = [
        (path, "application/dicom", "researcher", 403, "no-download"),
        (path, "application/dicom", "elsewhere", 403, "no-download"),
        (path, "application/dicom", "operator", 403, "role"),
        (path, "application/dicom", "stranger", 404, "study-unknown"),
        (f"{path}/rendered", "image/png", "researcher", 403, "preview-only"),
        (f"{path}/frames/1/rendered?viewport=600,600", "image/jpeg", "inside", 403, "preview-only"),
    ]
    for where, accept, name, status, rule in asked:
        answer = site.accord.get(where, name, Accept=accept)
        assert (answer.status_code, answer.json()["title"]) == (status, rule), (where, name)
    anonymous = site.accord.get(path)
    assert (anonymous.status_code, anonymous.headers["WWW-Authenticate"]) == (401, 'Bearer realm="accord"')


@pytest.mark.parametrize("name", ["researcher", "inside", "provider", "operator"])
def test_a_fhir_client_searches_pages_and_reads(site, name):
    client = fhir(site, name)
    assert client.execute("/metadata", method="get")["fhirVersion"] == "4.0.1"
    found = client.resources("ImagingStudy").limit(2).fetch_all()
    shown = {i["value"].removeprefix("urn:oid:") for study in found for i in study["identifier"]}
    assert {site.liver, site.emri[0], *site.own} <= shown
    (liver,) = client.resources("ImagingStudy").search(modality="CT").fetch_all()
    assert liver["numberOfInstances"] == 2
    assert liver["series"][0]["instance"]
    again = client.reference("ImagingStudy", liver["id"]).to_resource()
    assert again.serialize() == liver.serialize()
    patient = client.resources("Patient").search(identifier="OWN-1").get()
    own = client.resources("ImagingStudy").search(patient=f"Patient/{patient['id']}").fetch_all()
    assert [s["identifier"][0]["value"] for s in own] == [f"urn:oid:{site.own[1]}"]
    assert {c["id"] for c in client.resources("Consent").fetch_all()} >= {"DSA-LIVER", "DSA-OPEN"}
    assert {e["id"] for e in client.resources("Endpoint").fetch_all()} >= {"LIVER", "OPEN"}
    deposits = [p for p in client.resources("Provenance").fetch_all() if f"ImagingStudy/{liver['id']}" in str(p["target"])]
    assert deposits


def test_a_fhir_client_of_another_provider_sees_no_image(site):
    client = fhir(site, "stranger")
    for kind in ("ImagingStudy", "Patient", "Consent", "Endpoint"):
        assert client.resources(kind).fetch_all() == []


def test_the_federation_is_told_safe_counts_and_the_catalogue_is_open(site):
    asked = {"ast": {"operand": "OR", "children": []}, "id": "1"}
    with site.accord.http(None, Authorization=SECRET) as http:
        told = http.post("/api/datasets/eucaimSearch", json=asked).json()["collections"]
    assert {c["name"] for c in told} == {"Liver", "Open"}
    catalogue = site.accord.get("/catalogue")
    assert (catalogue.status_code, catalogue.headers["Content-Type"]) == (200, "text/turtle")


def test_what_waits_for_review_is_seen_by_no_search(site):
    waiting = dcmread(DICOM / PUSHED[1], stop_before_pixels=True).StudyInstanceUID
    for name in ("provider", "researcher", "operator"):
        assert waiting not in studies(site, name)
        assert site.accord.get(f"/dicom-web/studies/{waiting}/metadata", name).status_code == 404


def test_every_use_is_in_the_record(site):
    study = site.emri[0]
    site.accord.get(f"/dicom-web/studies/{study}", "inside")
    (known,) = fhir(site, "inside").resources("ImagingStudy").search(identifier=f"urn:dicom:uid|urn:oid:{study}").fetch_all()
    asked = {"entity": f"ImagingStudy/{known['id']}", "subtype": "process"}
    for name, told in (("inside", True), ("provider", True), ("operator", True), ("researcher", False)):
        assert bool(fhir(site, name).resources("AuditEvent").search(**asked).fetch_all()) is told, name
    assert eventually(lambda: "all as recorded" in site.accord.command("ledger", "verify").stdout)


def test_an_orthanc_stores_and_retrieves_by_its_own_dicomweb_client(site):
    study, peer = generate_uid(prefix=None), f"{site.accord.base}/datasets/LIVER/dicom-web"
    proof = {"Authorization": f"Bearer {site.accord.token('provider')}"}
    known = {"Servers": {"accord": {"Url": f"{peer}/", "HttpHeaders": proof}}}
    with (
        servers.orthanc_server(DicomWeb=known) as orthanc,
        httpx.Client(base_url=orthanc.url, auth=(orthanc.user, orthanc.password), timeout=60) as http,
    ):
        stored = http.post("/instances", content=image(study, "FROM-ORTHANC")).json()
        sent = http.post("/dicom-web/servers/accord/stow", json={"Resources": [stored["ParentStudy"]], "Synchronous": True})
        assert (sent.status_code, sent.json()["InstancesCount"]) == (200, "1"), sent.text
        assert http.delete(f"/studies/{stored['ParentStudy']}").status_code == 200
        asked = {"Resources": [{"Study": study}], "Synchronous": True}
        assert http.post("/dicom-web/servers/accord/retrieve", json=asked).status_code == 200
        assert [found["MainDicomTags"]["StudyInstanceUID"] for found in http.get("/studies?expand").json()] == [study]


def test_the_python_client_stores_at_a_study_and_retrieves_from_a_dataset(site):
    study = generate_uid(prefix=None)
    client = DICOMwebClient(
        f"{site.accord.base}/datasets/LIVER/dicom-web", headers={"Authorization": f"Bearer {site.accord.token('provider')}"}
    )
    own = dcmread(io.BytesIO(image(study, "STORED-AT-A-STUDY")))
    told = client.store_instances([own], study_instance_uid=study)
    assert told.RetrieveURL == f"{client.base_url}/studies/{study}"
    assert [item.RetrieveURL.split("/")[-1] for item in told.ReferencedSOPSequence] == [own.SOPInstanceUID]
    (brought,) = client.retrieve_study(study, media_types=STORED)
    assert brought.SOPInstanceUID == own.SOPInstanceUID


def test_frames_and_bulk_data_are_read_by_the_client_of_the_field(site):
    client = dicomweb(site, "provider")
    (series,) = client.search_for_series(site.emri[0])
    (found,) = client.search_for_instances(site.emri[0], series["0020000E"]["Value"][0])
    named = site.emri[0], series["0020000E"]["Value"][0], found["00080018"]["Value"][0]
    whole = client.retrieve_instance(*named, media_types=STORED)
    size = len(whole.PixelData) // int(whole.NumberOfFrames)
    frames = client.retrieve_instance_frames(*named, frame_numbers=[2, 1])
    assert frames == [whole.PixelData[size : 2 * size], whole.PixelData[:size]]
    metadata = client.retrieve_instance_metadata(*named)
    assert client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"]) == [whole.PixelData]
