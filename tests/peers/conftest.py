"""What peers run on, each got once a run into a temporary folder, at the versions that the files beside this one pin."""

import json
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import Certificate, certificate
from tests.peers.world import OWN, settle, studies, world
from tests.running import Accord, image
from tests.servers import free_port

HERE = Path(__file__).parent
SECONDS, BUILD_SECONDS = 600, 3600
RUST = tuple(f"dicom-{program}@0.10.1" for program in ("echoscu", "storescu", "findscu", "movescu"))
"""dicom-rs's programs: crates, and their version."""
Program = Callable[..., str]
"""Call it with a file's name and its arguments for what it printed; it must end well."""


def ran(*command: object, **more: object) -> str:
    """What a program printed, which must end well."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, **{"cwd": HERE, "timeout": SECONDS, **more}
    )
    assert done.returncode == 0, (command[:3], done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of what each peer did."""
    reports = [each for outcome in ("passed", "failed", "error") for each in terminalreporter.getreports(outcome)]
    terminalreporter.section("peers")
    for each in sorted(reports, key=lambda report: report.nodeid):
        sentence = each.nodeid.partition("::test_")[2].replace("_", " ")
        terminalreporter.write_line(f"{each.outcome:7} {each.duration:6.1f} s  {sentence}")


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where pages in a browser come from: another origin than Accord's."""
    return free_port()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Whose certificates are believed on the DICOM network."""
    return certificate(tmp_path_factory.mktemp("certificates"), "authority", authority=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, page_port: int, authority: Certificate) -> Iterator[Accord]:
    """A filled Accord, whose answers those pages may read, and which speaks TLS on the DICOM network."""
    own = certificate(authority.pem.parent, "accord", issuer=authority)
    files = {"certificate": own.pem, "key": own.key, "authorities": authority.pem, "port": free_port()}
    tls = {f"dimse_tls_{name}": str(value) for name, value in files.items()}
    with world(tmp_path_factory.mktemp("world"), origins=f"http://127.0.0.1:{page_port}", **tls) as accord:
        yield accord


@pytest.fixture
def deposit(tmp_path: Path, site: Accord) -> Iterator[Path]:
    """A new object of a study of its own; the world is at rest again when its test has ended."""
    path = tmp_path / "new.dcm"
    path.write_bytes(image(f"{OWN}.4.{len(studies(site))}", "OWN-4", StudyDate="20240101"))
    yield path
    settle(site)


@pytest.fixture(scope="session")
def java(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs a file of `java/`, compiled in memory."""
    path = tmp_path_factory.mktemp("java") / "classpath"
    ran("mvn", "-q", "-B", "-f", HERE / "java", "dependency:build-classpath", f"-Dmdep.outputFile={path}")
    return lambda name, *arguments: ran("java", "-Xmx2g", "-cp", path.read_text(), HERE / "java" / f"{name}.java", *arguments)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs a script of `node/`."""
    home = shutil.copytree(HERE / "node", tmp_path_factory.mktemp("node") / "peers")
    ran("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", cwd=home)
    websocket = "--experimental-websocket"  # Medplum's client wants it at import; Node has it of itself since 22
    return lambda name, *arguments: ran("node", websocket, home / f"{name}.mjs", *arguments)


@pytest.fixture(scope="session")
def rust(request: pytest.FixtureRequest) -> Path:
    """The folder of dicom-rs's programs; built once, for minutes, and kept in pytest's cache."""
    home = request.config.cache.mkdir("-".join(RUST).replace("@", "-"))
    ran("cargo", "install", "--quiet", "--locked", "--root", home, *RUST, timeout=BUILD_SECONDS)
    return home / "bin"


@pytest.fixture(scope="session")
def ohif(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OHIF as its package has it built: a folder of files to serve."""
    home, named = tmp_path_factory.mktemp("ohif"), json.loads((HERE / "node/package.json").read_text())["config"]["viewer"]
    packed = ran("npm", "pack", "--silent", named, cwd=home).strip()
    shutil.unpack_archive(home / packed, home, filter="data")
    return home / "package/dist"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs a script of `python/`, or a program that is installed there, in an environment apart from Accord's own."""
    return _environment(tmp_path_factory.mktemp("python"), HERE / "python")


@pytest.fixture(scope="session")
def ckan(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs a script of `ckan/` beside CKAN, which wants versions that the others don't."""
    return _environment(tmp_path_factory.mktemp("ckan"), HERE / "ckan")


def _environment(home: Path, folder: Path) -> Program:
    venv.create(home, with_pip=True)
    ran(home / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", folder / "requirements.txt")

    def run(name: str, *arguments: object) -> str:
        script = folder / f"{name}.py"
        command = [home / "bin/python", script] if script.exists() else [home / "bin" / name]
        return ran(*command, *arguments)

    return run
