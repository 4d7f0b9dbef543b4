"""Bringing images in, stopping, resuming and looking after them, with real processes that are killed on the way."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pydicom
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE, _config

from tests import servers
from tests.builders import DICOM
from tests.journeys.conftest import SECRET, Site
from tests.running import COMMAND, TOP, Accord, eventually, image

QUESTION = {"ast": {"operand": "OR", "children": []}, "id": "1"}


def named(site: Site, name: str, *arguments: object, status: int = 0):
    """`accord push … --as NAME --report json`, read."""
    done = site.accord.command("push", *arguments, "--as", site.accord.clients[name], "--report", "json", status=status)
    return json.loads(done.stdout)


def shown(site: Site, name: str) -> set[str]:
    """What every searching and fetching door shows of the liver study."""
    accord, study = site.accord, site.liver
    seen = {
        "QIDO": study in accord.get("/dicom-web/studies", name).text,
        "metadata": accord.get(f"/dicom-web/studies/{study}/metadata", name).status_code == 200,
        "WADO": accord.get(f"/dicom-web/studies/{study}", name).status_code == 200,
        "FHIR": study in accord.get("/fhir/R4/ImagingStudy?modality=CT", name).text,
        "Patient": accord.get("/fhir/R4/Patient?identifier=99000&_summary=count", name).json()["total"] == 1,
    }
    with accord.http(None, Authorization=SECRET) as http:
        seen["EUCAIM"] = "Liver" in http.post("/api/datasets/eucaimSearch", json=QUESTION).text
    return {door for door, yes in seen.items() if yes}


EVERY = {"QIDO", "metadata", "WADO", "FHIR", "Patient", "EUCAIM"}


def test_a_stop_closes_every_door_and_its_end_opens_them_again(site):
    accord, everybody = site.accord, ("provider", "inside", "researcher", "operator")
    assert shown(site, "provider") == shown(site, "researcher") == EVERY
    accord.admin("node unlink central")
    try:
        assert {name: shown(site, name) for name in everybody} == {name: set() for name in everybody}
        assert accord.dcmtk("storescu", DICOM / "ct/liver/03.dcm", called="LIVER").returncode != 0
        with accord.http("provider") as http:
            answer = http.post("/dicom-web/studies?dataset=LIVER", content=b"", headers={"Content-Type": "application/dicom"})
        assert (answer.status_code, answer.json()["title"]) == (409, "node-not-linked")
        pushed = accord.command("push", site.pushed, "--as", accord.clients["provider"], "--dataset", "LIVER", status=2)
        assert "The node that holds this dataset is not linked" in pushed.stderr
        assert "view      no   node-not-linked" in accord.command("explain", site.liver, "--as", "researcher").stdout
        accord.admin("node link central", "agreement suspend DSA-LIVER")
        assert {name: shown(site, name) for name in everybody} == {name: set() for name in everybody}
    finally:
        accord.admin("node link central", "agreement resume DSA-LIVER")
    assert shown(site, "provider") == shown(site, "researcher") == EVERY


def test_over_dimse_the_data_set_is_the_bytes_that_came(site, monkeypatch):
    """Sent as they lie in the file, and got back: the data set to the last byte; only the file meta is ours."""
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)
    study, file = generate_uid(prefix=None), site.home / "wire.dcm"
    file.write_bytes(image(study, "WIRE"))
    meta = dcmread(file, stop_before_pixels=True)
    sender = AE("STORESCU")
    sender.add_requested_context(meta.SOPClassUID, meta.file_meta.TransferSyntaxUID)
    association = sender.associate("127.0.0.1", site.accord.dimse_port, ae_title="LIVER")
    wire = association.dul.socket.socket
    assert association.is_established
    assert association.send_c_store(file).Status == 0x0000
    association.release()
    wire.close()
    where = f"/dicom-web/studies/{study}/series/{study}.1/instances/{meta.SOPInstanceUID}"
    back = site.accord.get(where, "provider", Accept="application/dicom; transfer-syntax=*").content
    assert data_set(back) == data_set(file.read_bytes())
    site.accord.admin(f"study withdraw {study} --yes")


def data_set(file: bytes) -> bytes:
    """What follows the file meta."""
    source = io.BytesIO(file)
    pydicom.filereader.read_preamble(source, force=False)
    pydicom.filereader._read_file_meta_info(source)
    return file[source.tell() :]


def test_dcmsend_brings_compressed_objects_and_each_hears_its_own_answer(site):
    """One waits for review: it holds a name although its sender is attested. One is of a study that another dataset holds."""
    accord = site.accord
    assert accord.dcmtk("echoscu", called="LIVER").returncode == 0
    assert accord.dcmtk("echoscu", called="LIVER", calling="STRANGER").returncode != 0
    files = [DICOM / "ct/syntaxes/ctimage_jpegls_lossless.dcm", DICOM / "mr/emri_small_jpegls.dcm"]
    before = {b["id"] for b in newest(site)}
    for file, status in zip(files, ("status SUCCESS", "unknown status"), strict=True):
        sent = accord.dcmtk("dcmsend", "-v", "-dn", "-nh", "-nuc", file, called="LIVER")
        assert f"with {status}" in sent.stdout + sent.stderr
    assert eventually(lambda: all(b["closed"] for b in newest(site)))
    told = [r["rule"] for b in newest(site) if b["id"] not in before for r in b["rules"]]
    assert sorted(told) == ["person-name", "study-not-yours"]
    (waiting,) = [b["id"] for b in newest(site) if b["id"] not in before and b["waiting"]]
    accord.admin(f"batch refuse {waiting} --yes", f"block lift {dcmread(files[0], stop_before_pixels=True).SOPInstanceUID}")


def newest(site: Site, name: str = "provider") -> list[dict]:
    return site.accord.get("/api/batches", name).json()["batches"]


def folder_of(site: Site, count: int) -> tuple:
    """A folder with small images of one new study; (folder, study)."""
    study = generate_uid(prefix=None)
    folder = site.home / study
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.dcm").write_bytes(image(study, "PUSHED", number))
    return folder, study


def test_a_push_that_was_killed_goes_on_where_it_was(site):
    accord, count = site.accord, 100
    folder, study = folder_of(site, count)
    before = {b["id"] for b in newest(site)}
    command = [*COMMAND, "push", str(folder), "--as", str(accord.clients["provider"]), "--dataset", "OPEN"]
    with subprocess.Popen(
        command, cwd=TOP, env=accord.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as pushing:
        assert eventually(lambda: any(b["files"] for b in newest(site) if b["id"] not in before))
        pushing.kill()
    (cut,) = [b for b in newest(site) if b["id"] not in before]
    again = named(site, "provider", folder, "--dataset", "OPEN")
    assert again["outcomes"]["reject"] == again["outcomes"]["review"] == 0
    assert again["outcomes"]["pass"] + again["outcomes"]["duplicate"] == count
    assert again["outcomes"]["duplicate"] >= cut["files"] > 0
    held = accord.get(f"/dicom-web/studies/{study}/instances?limit=1000", "provider").json()
    assert len(held) == count
    accord.admin(f"study withdraw {study} --replace --yes")
    shutil.rmtree(folder)


def test_a_report_is_read_by_its_provider_and_the_operator_in_three_forms(site):
    key = next(b["id"] for b in newest(site) if b["door"] == "push" and b["outcomes"]["review"])
    for name, status in {"provider": 200, "operator": 200, "stranger": 404, "researcher": 403, None: 401}.items():
        assert site.accord.get(f"/api/batches/{key}", name).status_code == status, name
    text, table = (site.accord.get(f"/api/batches/{key}?format={form}", "provider").text for form in ("text", "csv"))
    assert "refused: birth-date, 1 file" in text
    assert "Nothing here is for diagnosis" in text
    assert "identified/mr_p01_s01.dcm" in table
    shown = site.accord.admin(f"batch show {key}")
    assert "refused: birth-date, 1 file" in shown
    identified = dcmread(DICOM / "identified/mr_p01_s01.dcm", stop_before_pixels=True)
    for value in (identified.PatientBirthDate, str(identified.PatientName)):
        assert value, "the sample names somebody"
        assert value not in text + table + shown, "no patient's value is told"


def test_what_is_released_is_found_and_what_is_refused_is_rejected_by_name(site):
    accord = site.accord
    files = [(DICOM / f"media/77654033/CT2/171{n}6").read_bytes() for n in (6, 9)]
    released, refused = (dcmread(io.BytesIO(f), stop_before_pixels=True) for f in files)
    first, second = (stored(site, f, 202) for f in files)
    with accord.http("provider") as http:
        again = http.post("/dicom-web/studies?dataset=OPEN", content=files[0], headers={"Content-Type": "application/dicom"})
    (waits,) = again.json()["00081199"]["Value"]
    assert (again.status_code, waits["00081196"]["Value"]) == (202, [0xB0F0])
    assert f"(batch {first})" in str(waits["00741048"])
    accord.admin(f"proposal make release batch={first} --alone checked", f"batch refuse {second} --yes")

    def found() -> str:
        return accord.get(f"/dicom-web/studies/{released.StudyInstanceUID}/instances", "provider").text

    assert eventually(lambda: released.SOPInstanceUID in found()), "undeclared it would be rejected: a job releases it"
    assert refused.SOPInstanceUID not in found()
    where = (
        f"/dicom-web/studies/{released.StudyInstanceUID}/series/{released.SeriesInstanceUID}/instances/{released.SOPInstanceUID}"
    )
    assert accord.get(where, "provider", Accept="application/dicom; transfer-syntax=*").content == files[0]
    again = stored(site, files[1], 409)
    assert [r["rule"] for r in accord.get(f"/api/batches/{again}", "provider").json()["rules"]] == ["blocked"]
    accord.admin(f"block lift {refused.SOPInstanceUID}", f"study withdraw {released.StudyInstanceUID} --replace --yes")


def stored(site: Site, file: bytes, status: int) -> str:
    """The key of the batch that took (or refused) a file by STOW-RS."""
    with site.accord.http("provider") as http:
        answer = http.post("/dicom-web/studies?dataset=OPEN", content=file, headers={"Content-Type": "application/dicom"})
    assert answer.status_code == status, answer.text
    return answer.links["describedby"]["url"].rpartition("/")[2]


def test_the_looking_commands_say_what_is_so(embedded):
    accord = embedded.accord
    told = accord.command("explain", embedded.liver, "--as", "researcher", "--purpose", "AIRESEARCH").stdout
    assert "in dataset LIVER of hospital, on node central (linked)" in told
    assert "export    yes  permitted" in told
    training = accord.command("explain", embedded.liver, "--as", "researcher", "--purpose", "AITRAIN").stdout
    assert "view      yes  permitted" in training
    assert "export    no   export-in-training" in training
    assert "deposit   no   role" in told
    assert "[agreement DSA-LIVER@" in told
    assert "terms 1.0.0]" in told
    clinical = accord.command("explain", embedded.liver, "--as", "researcher", "--purpose", "TREAT").stdout
    assert "no   purpose-clinical" in clinical
    assert "LIVER stays out of the catalogue" in accord.command("doctor").stdout
    assert "no client called nobody" in accord.command("explain", embedded.liver, "--as", "nobody", status=2).stderr


def test_the_record_is_recomputed(site):
    told = site.accord.command("ledger", "verify").stdout
    assert int(told.split()[0]) > 20
    assert "all as recorded" in told


def restarted(orthanc: servers.Orthanc) -> subprocess.Popen:
    return subprocess.Popen(
        [servers.find("setpriv"), "--pdeathsig=KILL", servers.find("Orthanc"), orthanc.folder / "orthanc.json"],
        cwd=orthanc.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_when_an_orthanc_stops_it_is_named_pushes_are_told_to_wait_and_nothing_is_lost(central):
    accord = central.accord
    with servers.orthanc_server() as second:
        (central.home / "second").write_text(f"{second.user}:{second.password}\n")
        accord.admin(
            f"node add second --kind orthanc --url {second.url} --secret-file {central.home / 'second'}",
            "agreement add DSA-SECOND --terms 1.0.0 --node second --provider ward --actions query",
            "agreement propose DSA-SECOND",
            "agreement activate DSA-SECOND",
            "dataset add SECOND --agreement DSA-SECOND --title Second",
            "sender add SECOND --aet STORESCU --from 127.0.0.1/32",
        )
        study = generate_uid(prefix=None)
        files = [central.home / f"{n}.dcm" for n in range(3)]
        for number, file in enumerate(files):
            file.write_bytes(image(study, "SECOND", number))
        assert accord.dcmtk("storescu", files[0], called="SECOND").returncode == 0
        second.kill()
        back = None
        try:
            unwell = accord.get("/health/ready", "operator")
            assert unwell.status_code == 503
            assert any("second" in trouble for trouble in unwell.json()["troubles"])
            assert accord.get("/health/ready").json() == {"status": "not ready"}
            assert "Node second does not answer" in accord.command("doctor", status=1).stdout
            refused = accord.dcmtk("storescu", "-v", files[1], called="SECOND")
            assert "Refused: OutOfResources" in refused.stdout + refused.stderr
            answer = posted(accord, files[2])
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert len(accord.get(f"/dicom-web/studies/{study}/metadata", "ward").json()) == 1, "the index still tells"
            assert accord.get(f"/dicom-web/studies/{study}", "ward").status_code == 503
            back = restarted(second)
            assert eventually(lambda: accord.get("/health/ready").status_code == 200, 30)
            again = accord.dcmtk("storescu", "-v", *files[:2], called="SECOND")
            assert again.returncode == 0, again.stdout + again.stderr
            assert posted(accord, files[2]).status_code == 200  # each by its own door again: only the same bytes need not wait
            assert len(accord.get(f"/dicom-web/studies/{study}/instances", "ward").json()) == 3
            for file in files:
                where = f"/dicom-web/studies/{study}/series/{study}.1/instances/{dcmread(file).SOPInstanceUID}"
                returned = accord.get(where, "ward", Accept="application/dicom; transfer-syntax=*").content
                assert dcmread(io.BytesIO(returned)) == dcmread(file)
        finally:
            accord.admin("agreement terminate DSA-SECOND --yes", "node unlink second")
            if back is not None:
                back.kill()
                back.wait()
    assert accord.get("/health/ready").status_code == 200


def posted(accord: Accord, file: Path) -> httpx.Response:
    """The answer to a file of the ward's, sent by STOW-RS."""
    with accord.http("ward") as http:
        return http.post("/dicom-web/studies", content=file.read_bytes(), headers={"Content-Type": "application/dicom"})


def test_a_new_client_is_asked_for_nothing_but_its_own_key(embedded):
    """A client file is made once, readable by its owner only, and its token dies with its registration."""
    once = embedded.home / "once.json"
    embedded.accord.admin(f"client add once --party university --purposes AITRAIN --terms 1.0.0 --write {once}")
    assert once.stat().st_mode & 0o077 == 0
    embedded.accord.clients["once"] = once
    assert embedded.accord.get("/dicom-web/studies", "once").status_code == 200
    embedded.accord.admin("client disable once")
    assert embedded.accord.get("/dicom-web/studies", "once").json()["title"] == "client-disabled"
    assert "has been disabled" in embedded.accord.command("token", "--as", once, status=2).stderr
