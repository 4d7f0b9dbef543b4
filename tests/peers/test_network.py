"""What foreign programs of DICOM's network, and an Orthanc that asks by DICOMweb, find, store and are sent, bit for bit."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread

from tests.builders import DICOM
from tests.certificates import Certificate, certificate
from tests.peers.conftest import ran
from tests.peers.test_clients import said
from tests.peers.test_images import NATIVE, pixels
from tests.peers.world import studies
from tests.running import CLEAR, Accord, eventually
from tests.servers import Orthanc, find, free_port, orthanc_server

ASKS, HERE = "PEER", "127.0.0.1"
STUDY = str(NATIVE.StudyInstanceUID)
LEVEL = "QueryRetrieveLevel=STUDY"


@pytest.fixture(scope="module")
def takes(site: Accord) -> int:
    """The port at which PEER, which asks as the provider, is sent what it asks for."""
    port = free_port()
    site.admin(f"ae add {ASKS} --client provider --from 127.0.0.1/32 --scp {HERE}:{port}")
    return port


def stored(site: Accord, deposit: Path) -> bool:
    """Whether it is kept as it was sent."""
    kept = site.get(f"/dicom-web/studies/{dcmread(deposit).StudyInstanceUID}", "provider", Accept="application/dicom")
    return kept.status_code == 200 and pixels(kept.content) == dcmread(deposit).PixelData


def taken(folder: Path) -> list[bytes]:
    """The pixels of each file in it."""
    return [dcmread(path, force=True).PixelData for path in folder.rglob("*") if path.is_file()]


def test_dcmtk_echoes_stores_finds_gets_and_moves(site: Accord, takes: int, deposit: Path, tmp_path: Path) -> None:
    at = ["-aet", ASKS, "-aec", "ACCORD", HERE, site.dimse_port]
    ran(find("echoscu"), *at)
    assert site.dcmtk("storescu", deposit, called="LIVER").returncode == 0
    assert site.dcmtk("dcmsend", DICOM / "ct/liver", "+sd", called="LIVER").returncode == 0
    assert stored(site, deposit)
    ran(find("findscu"), "-S", "-X", "-od", tmp_path, "-k", LEVEL, "-k", "StudyInstanceUID", *at)
    assert sorted(str(dcmread(each, force=True).StudyInstanceUID) for each in tmp_path.glob("rsp*.dcm")) == studies(site)
    for program, more in (("getscu", []), ("movescu", ["-aem", ASKS, "+P", takes])):
        folder = tmp_path / program
        folder.mkdir()
        ran(find(program), "-S", "-od", folder, *more, "-k", LEVEL, "-k", f"StudyInstanceUID={STUDY}", *at)
        assert taken(folder) == [NATIVE.PixelData], program


def test_dcmtk_by_tls_echoes_stores_and_finds(site: Accord, authority: Certificate, deposit: Path, tmp_path: Path) -> None:
    """Its getscu and movescu speak none."""
    own = certificate(tmp_path, "modality", issuer=authority)
    bound = f"--from 127.0.0.1/32 --certificate {own.fingerprint}"
    site.admin(f"sender add LIVER --aet MODALITY {bound}", f"ae add SECURE --client provider {bound}")
    tls = ["+tls", own.key, own.pem, "+cf", authority.pem, HERE, site.environment["ACCORD_DIMSE_TLS_PORT"]]
    asks = ["-aet", "SECURE", "-aec", "ACCORD", *tls]
    ran(find("echoscu"), *asks)
    ran(find("storescu"), "-aet", "MODALITY", "-aec", "LIVER", *tls, deposit)
    assert stored(site, deposit)
    ran(find("findscu"), "-S", "-X", "-od", tmp_path, "-k", LEVEL, "-k", "StudyInstanceUID", *asks)
    assert sorted(str(dcmread(each, force=True).StudyInstanceUID) for each in tmp_path.glob("rsp*.dcm")) == studies(site)
    by_no_certificate = subprocess.run(
        [find("echoscu"), "-aet", "SECURE", "-aec", "ACCORD", HERE, str(site.dimse_port)], check=False
    )
    assert by_no_certificate.returncode != 0


def test_dicom_rs_echoes_stores_finds_and_moves(site: Accord, rust: Path, takes: int, deposit: Path, tmp_path: Path) -> None:
    at = f"ACCORD@{HERE}:{site.dimse_port}"
    ran(rust / "dicom-echoscu", "--calling-ae-title", ASKS, "--called-ae-title", "ACCORD", at)
    ran(rust / "dicom-storescu", "--fail-first", "--calling-ae-title", "STORESCU", at.replace("ACCORD", "LIVER"), deposit)
    assert stored(site, deposit)
    asked = ("--calling-ae-title", ASKS, "--called-ae-title", "ACCORD", "-q", LEVEL)
    found = ran(rust / "dicom-findscu", *asked, "-q", "StudyInstanceUID=", at)
    assert found.count("Match #") == len(studies(site))  # it cuts long UIDs off
    moved = ("--move-destination", ASKS, "-p", takes, "-o", tmp_path / "moved", "-q", f"StudyInstanceUID={STUDY}")
    (tmp_path / "moved").mkdir()
    ran(rust / "dicom-movescu", *asked, *moved, at)
    assert taken(tmp_path / "moved") == [NATIVE.PixelData]


def test_gdcm_stores(site: Accord, deposit: Path) -> None:
    """Debian's gdcmscu ends itself by SIGABRT behind each release, dcmtk's storescp's too: what it did is looked at."""
    peer = ["--aetitle", "STORESCU", "--call", "LIVER", "-i", deposit, HERE, site.dimse_port]
    subprocess.run([str(shutil.which("gdcmscu")), "--store", *map(str, peer)], capture_output=True, check=False, timeout=60)
    assert stored(site, deposit)


def test_dcmjs_dimse_asks_for_commitment_and_is_told(site: Accord, node: Callable, deposit: Path) -> None:
    port = free_port()
    site.admin(f"sender add LIVER --aet DCMJS --from 127.0.0.1/32 --scp {HERE}:{port}")
    instance = str(dcmread(deposit).SOPInstanceUID)
    told = said(node("commitment", site.dimse_port, "DCMJS", "LIVER", port, deposit, "1.2.3.4"))
    assert told == {"asked": ["0"], "kept": [instance], "not kept": ["1.2.3.4"]}


# --- Orthanc's DICOMweb client


@pytest.fixture
def orthanc(site: Accord) -> Iterator[Orthanc]:
    """An Orthanc that knows this Accord as a server of its DICOMweb client."""
    known = {
        "Url": f"{site.base}/datasets/LIVER/dicom-web/",
        "HttpHeaders": {"Authorization": f"Bearer {site.token('provider')}"},
    }
    with orthanc_server(DicomWeb={"Enable": True, "Servers": {"accord": known}}) as server:
        yield server


def asks(server: Orthanc, path: str, content: bytes | None = None, *, asked: object = None) -> Any:
    """What Orthanc answers."""
    with httpx.Client(base_url=server.url, auth=(server.user, server.password), verify=CLEAR, timeout=60) as http:
        answer = http.get(path) if content is None and asked is None else http.post(path, content=content, json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_orthancs_dicomweb_client_finds_retrieves_and_stores(site: Accord, orthanc: Orthanc, deposit: Path) -> None:
    server = "/dicom-web/servers/accord"
    found = asks(orthanc, f"{server}/qido", asked={"Uri": "/studies", "Arguments": {"StudyInstanceUID": STUDY}})
    assert [each["0020000D"]["Value"] for each in found] == [STUDY]  # it makes one value of a list of one
    asks(orthanc, f"{server}/retrieve", asked={"Resources": [{"Study": STUDY}], "Synchronous": True})
    (held,) = asks(orthanc, "/instances")
    assert asks(orthanc, f"/instances/{held}/tags?simplify")["SOPInstanceUID"] == NATIVE.SOPInstanceUID
    uploaded = asks(orthanc, "/instances", deposit.read_bytes())
    asks(orthanc, f"{server}/stow", asked={"Resources": [uploaded["ID"]], "Synchronous": True})
    assert eventually(lambda: stored(site, deposit), 10)
