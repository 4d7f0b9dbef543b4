"""The two Accords that journeys run on, each started once and ended after the last: folder and SQLite, Orthanc and PostgreSQL."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from tests import servers
from tests.builders import DICOM
from tests.running import Accord, eventually, image, running

EMBEDDED, CENTRAL = "SQLite and folder", "PostgreSQL and Orthanc"
SECRET = "Secret journey"
PURPOSES = "AIRESEARCH,AITRAIN"
LIVER = ("ct/liver/01.dcm", "ct/liver/02.dcm")
PUSHED = ("mr/emri_small.dcm", "media/77654033/CT2/17106", "media/77654033/CT2/17136", "identified/mr_p01_s01.dcm")


@dataclass
class Site:
    """A running Accord with data in it. LIVER may be downloaded by permit, OPEN only be processed inside and previewed."""

    name: str
    accord: Accord
    home: Path
    pushed: Path
    liver: str = ""
    emri: tuple[str, str, str] = ("", "", "")
    own: list[str] = field(default_factory=list)


def governance(node: str) -> list[list[str]]:
    """What an operator types before the first image comes, in order."""
    common = "--terms 1.0.0 --node central --provider hospital"
    lines = [
        f"node add central --networks 127.0.0.0/8 {node}",
        "party add hospital --name Hospital --role provider",
        "party add ward --name Ward --role provider",
        "party add clinic --name Clinic --role provider",
        "party add university --name University --role user",
        "party add centre --name Centre --role operator",
        f"agreement add DSA-LIVER {common} --class conditional --actions query,process,export --visibility full --federated",
        f"agreement add DSA-OPEN {common} --actions query,process --visibility preview --federated",
        *(f"agreement {verb} DSA-{alias}" for alias in ("LIVER", "OPEN") for verb in ("propose", "activate")),
        "dataset add LIVER --agreement DSA-LIVER --title Liver",
        "dataset add OPEN --agreement DSA-OPEN --title Open",
        "permit add LIVER --party university --export",
        "sender add LIVER --aet STORESCU --from 127.0.0.1/32",
        "sender attest LIVER --aet STORESCU --person Dr.Attest --on 2026-11-01",
    ]
    return [line.split() for line in lines]


def clients(folder: Path) -> dict[str, list[str]]:
    """Client name → the command that registers it and writes its file."""
    named = {
        "provider": "--party hospital --scopes system/*.cruds",
        "stranger": "--party clinic --scopes system/*.cruds",
        "ward": "--party ward --scopes system/*.cruds",
        "researcher": f"--party university --purposes {PURPOSES}",
        "elsewhere": f"--party university --purposes {PURPOSES}",
        "inside": f"--party university --purposes {PURPOSES} --node central",
        "operator": "--party centre --scopes system/*.crs",
    }
    return {n: f"client add {n} --terms 1.0.0 --write {folder / n}.json {flags}".split() for n, flags in named.items()}


def govern(accord: Accord, home: Path, node: str) -> None:
    """All of it, and the client files."""
    terms = home / "terms.txt"
    terms.write_text("Never for diagnosis.\n")
    made = clients(home)
    accord.admin(["terms", "add", str(terms), "--version", "1.0.0"], *governance(node), *made.values())
    accord.clients |= {name: home / f"{name}.json" for name in made}


def fill(site: Site) -> None:
    """A PACS sends two slices; the provider pushes a folder and stores images of our own making."""
    accord = site.accord
    sent = accord.dcmtk("storescu", *(DICOM / name for name in LIVER), called="LIVER")
    assert sent.returncode == 0, sent.stderr
    site.liver = dcmread(DICOM / LIVER[0], stop_before_pixels=True).StudyInstanceUID
    read = dcmread(DICOM / PUSHED[0], stop_before_pixels=True)
    site.emri = (read.StudyInstanceUID, read.SeriesInstanceUID, read.SOPInstanceUID)
    for name in PUSHED:
        target = site.pushed / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((DICOM / name).read_bytes())
    own = site.pushed / "own"
    own.mkdir()
    for number in range(3):
        site.own.append(generate_uid(prefix=None))
        (own / f"{number}.dcm").write_bytes(image(site.own[-1], f"OWN-{number}", StudyDate=f"202{number}0101"))


@contextlib.contextmanager
def made(name: str, home: Path, node: str, **settings: str) -> Iterator[Site]:
    """A site with data in it, for as long as the block lasts."""
    with running(home / "data", federation_secret=SECRET, min_subjects="1", min_free_mb="1", **settings) as accord:
        site = Site(name, accord, home, home / "pushed")
        govern(accord, home, node)
        fill(site)
        # refused files are among them: status 1
        report = accord.command("push", site.pushed, "--as", accord.clients["provider"], "--dataset", "OPEN", status=1)
        (home / "report.txt").write_text(report.stdout)
        assert eventually(lambda: accord.get("/fhir/R4/ImagingStudy?_summary=count", "provider").json().get("total") == 5)
        yield site


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Everything in one folder."""
    with made(EMBEDDED, tmp_path_factory.mktemp("embedded"), "--kind folder") as site:
        yield site


@pytest.fixture(scope="package")
def central(tmp_path_factory: pytest.TempPathFactory, orthanc: servers.Orthanc, postgresql: Callable[[], str]) -> Iterator[Site]:
    """PostgreSQL, and a real Orthanc as the node."""
    home = tmp_path_factory.mktemp("central")
    (home / "secret").write_text(f"{orthanc.user}:{orthanc.password}\n")
    node = f"--kind orthanc --url {orthanc.url} --secret-file {home / 'secret'}"
    with made(CENTRAL, home, node, database_url=postgresql()) as site:
        yield site


@pytest.fixture(params=["embedded", "central"])
def site(request: pytest.FixtureRequest) -> Site:
    """Each of the two."""
    found: Site = request.getfixturevalue(request.param)
    return found
