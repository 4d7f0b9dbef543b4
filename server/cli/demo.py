"""`accord demo`: a whole Accord on this machine, with sample images brought in through the real doors, and what to try."""

import fcntl
import io
import json
import logging
import os
import secrets
import shutil
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import httpx
from msgspec.structs import replace

from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from adapters.identity import publish_once
from adapters.offered import Offered
from consent.deposit import short
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Failure
from server import settings as configuration
from server import wiring
from server.cli import demo_data, processes, tokens, tour, tour_story
from server.cli.demo_data import ATTESTED, KEPT_BACK, LIVER, OPEN, PACS, QUERY
from server.cli.help import examples
from server.cli.options import accord_flags
from server.cli.progress import transfer_bar
from server.cli.supervise import supervise, until_stopped
from server.settings import Settings
from server.usecases import describe, document
from server.usecases.demo import token_file
from server.usecases.runtime import Runtime

SAMPLES = Path(__file__).parents[2] / "samples"
log = logging.getLogger("accord.demo")
RENEW_SECONDS = 200
RETRY_SECONDS = 5
OUTCOMES = {"pass": "taken", "review": "held back", "reject": "refused", "duplicate": "known"}
READY_SECONDS = 60


@click.command(epilog=examples("accord demo", "accord demo --data .demo --port 8090", "accord demo --tour"))
@accord_flags
@click.option("--tour", "touring", is_flag=True, help="tell an agreement's whole life in a demo of its own, and end")
def demo(data: str | None, port: int | None, dimse_port: int | None, bind: str | None, *, touring: bool) -> None:
    """Start a demo with sample data on this machine.

    It is filled the first time, says what to open, and stays until it is stopped.
    """
    if touring and data is None:
        with tempfile.TemporaryDirectory(prefix="accord-tour-") as place:
            _run(Path(place), port, dimse_port, bind, touring=True)
    else:
        _run(Path(data or ".demo"), port, dimse_port, bind, touring=touring)


def _run(place: Path, port: int | None, dimse_port: int | None, bind: str | None, *, touring: bool) -> None:
    settings = _settings(configuration.read(data_dir=place, port=port, dimse_port=dimse_port, bind=bind, min_subjects=1))
    folder = settings.data_dir.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    alone = (folder / "lock").open("w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise click.ClickException(_runs(folder)) from None
    (folder / "demo.json").unlink(missing_ok=True)
    os.environ |= {f"ACCORD_{k}": v for k, v in _environment(settings).items()}
    runtime = wiring.runtime(settings, make=True)
    first = demo_data.seed(runtime)
    files = demo_data.clients(runtime, folder / "clients")
    demo_data.people(runtime)
    way_in = _way_in(runtime)
    stopping = until_stopped()
    served = threading.Thread(target=supervise, args=(stopping,))
    served.start()
    try:
        if touring:
            _wait(settings, stopping)
            tour.prepare(runtime)
            tour.walk(runtime, files, SAMPLES, tour_story.STORY)
        else:
            _demonstrate(runtime, files, first=first or not (folder / "filled").exists(), stopping=stopping)
    finally:
        stopping.set()
        served.join()
        (folder / "demo.json").unlink(missing_ok=True)
        way_in.unlink(missing_ok=True)


def _way_in(runtime: Runtime) -> Path:
    """The file with this run's token: whoever has it may be any of the demo's people, until the demo ends."""
    path = token_file(runtime)
    path.unlink(missing_ok=True)  # of a run that was killed
    publish_once(path, secrets.token_urlsafe(32))
    return path


def _runs(folder: Path) -> str:
    """That a demo runs on this directory, and where."""
    try:
        where = f" at {json.loads((folder / 'demo.json').read_text())['base_url']}"
    except (OSError, ValueError, KeyError):  # it is starting
        where = ""
    return f"A demo runs on {folder}{where} already. Stop it with Ctrl-C where it was started, or start another with --data."


def _settings(settings: Settings) -> Settings:
    quiet = {"log_level": os.environ.get("ACCORD_LOG_LEVEL", "WARNING"), "repository": "DEMO repository", "min_free_mb": 100}
    settings = replace(settings, **quiet, federation_secret=settings.federation_secret or "Secret demo")
    settings = replace(settings, mail_folder=settings.mail_folder or str(settings.data_dir.absolute() / "mail"))
    ports = _free(settings.bind, settings.port, "HTTP"), _free(settings.bind, settings.dimse_port, "DICOM")
    return replace(settings, port=ports[0], dimse_port=ports[1])


def _environment(settings: Settings) -> dict[str, str]:
    names = (
        "data_dir",
        "bind",
        "port",
        "dimse_port",
        "min_subjects",
        "log_level",
        "repository",
        "min_free_mb",
        "federation_secret",
        "mail_folder",
    )
    return {name.upper(): str(getattr(settings, name)) for name in names}


def _free(bind: str, port: int, door: str) -> int:
    for candidate in range(port, port + 100):
        if not processes.busy(bind, candidate):
            if candidate != port:
                print(f"Port {port} is taken, so {door} is on {candidate}.")
            return candidate
    raise OSError(f"No port from {port} to {port + 99} is free on {bind}.")


def _demonstrate(runtime: Runtime, files: Mapping[str, Path], *, first: bool, stopping: threading.Event) -> None:
    _wait(runtime.settings, stopping)
    if first and not stopping.is_set():
        _fill(runtime, files)
    if stopping.is_set():
        return
    describe.ask_all(runtime)
    _until_done(runtime)
    print(summary(runtime, files), flush=True)
    _write(runtime, files)  # who waits for it finds all of it said
    pause = RENEW_SECONDS
    while not stopping.wait(pause):
        pause = _renew(runtime, files)


def _renew(runtime: Runtime, files: Mapping[str, Path]) -> int:
    """Write fresh tokens; the seconds until the next. What keeps it from that (a server that starts again) ends no demo."""
    try:
        _write(runtime, files)
    except (Failure, OSError, httpx.HTTPError) as why:
        log.warning("tokens not renewed", extra={"why": str(why), "again_in": RETRY_SECONDS})
        return RETRY_SECONDS
    return RENEW_SECONDS


def _wait(settings: Settings, stopping: threading.Event) -> None:
    until = time.monotonic() + READY_SECONDS
    while not stopping.wait(0.1):
        try:
            with socket.create_connection((settings.bind, settings.dimse_port), 1):
                pass
            if httpx.get(f"{settings.base_url}/health/ready", timeout=2).status_code == 200:
                return
        except (OSError, httpx.HTTPError):
            if time.monotonic() > until:
                raise OSError("The doors did not open within a minute; see the messages above.") from None


def _fill(runtime: Runtime, files: Mapping[str, Path]) -> None:
    """Push the samples: through the DICOM door from the attested sender, over HTTP from the provider's client; release some."""
    sent, pushed = demo_data.attested_files(SAMPLES), demo_data.pushed_files(SAMPLES)
    with transfer_bar("DEMO images", sum(f.stat().st_size for f in (*sent, *pushed)), stays=False) as moved:
        _send(runtime.settings, sent, moved)
        key = _push(files["provider"], pushed, moved)
    receipts = _receipts(files["provider"], key)
    demo_data.release_some(runtime, key, receipts)
    (runtime.settings.data_dir.absolute() / "filled").write_text("\n".join((key, *_pushed(receipts))))


def _push(client: Path, files: list[Path], moved: Callable[[int], None]) -> str:
    with AccordClient(read_client(client)) as accord:
        key = accord.open_batch(OPEN)
        accord.send(key, [Offered(f.relative_to(SAMPLES / "dicom").as_posix(), f, f.stat().st_size) for f in files], moved)
        accord.close_batch(key)
    return key


def _receipts(client: Path, key: str) -> list[dict[str, str]]:
    """What became of each file, as its provider is told: to the operator a file has no name."""
    told = io.BytesIO()
    with AccordClient(read_client(client)) as accord:
        accord.report(key, "json", told)
    receipts: list[dict[str, str]] = json.loads(told.getvalue())["receipts"]
    return receipts


def _until_done(runtime: Runtime, seconds: float = 15) -> None:
    """Wait until the worker has made every study's document and dataset's description: what is printed works at once."""
    until = time.monotonic() + seconds
    while (document.is_pending(runtime) or describe.is_pending(runtime)) and time.monotonic() < until:
        time.sleep(0.2)


def _send(settings: Settings, files: list[Path], moved: Callable[[int], None]) -> None:
    from pydicom import dcmread
    from pynetdicom import AE

    sender = AE(ae_title=PACS)
    for file in files:
        meta = dcmread(file, stop_before_pixels=True)
        sender.add_requested_context(meta.SOPClassUID, meta.file_meta.TransferSyntaxUID)
    association = sender.associate(settings.bind, settings.dimse_port, ae_title=ATTESTED)
    if not association.is_established:
        raise OSError("The DICOM door did not accept the demo's own sender.")
    for file in files:
        association.send_c_store(dcmread(file))
        moved(file.stat().st_size)
    association.release()


def _write(runtime: Runtime, files: Mapping[str, Path]) -> None:
    """Write demo.json anew, with fresh tokens: whole or not at all, readable by its owner only."""
    settings = runtime.settings
    dimse = {"host": settings.bind, "port": settings.dimse_port, "called_ae": ATTESTED, "calling_ae": PACS}
    dimse |= {"query_ae": settings.ae_title, "query_calling_ae": QUERY}
    told = {
        "base_url": settings.base_url,
        "dimse": dimse,
        "clients": {name: str(path) for name, path in files.items()},
        "tokens": {name: tokens.fetch(path) for name, path in files.items()},
    }
    data = settings.data_dir.absolute()
    descriptor, draft = tempfile.mkstemp(dir=data, prefix=".demo-")  # 0600
    with os.fdopen(descriptor, "w") as file:
        json.dump(told, file, indent=1)
    Path(draft).rename(data / "demo.json")


def _pushed(receipts: Sequence[Mapping[str, str]]) -> list[str]:
    """What became of the samples: a line for each outcome and rule, with a file of it."""
    examples: dict[tuple[str, str], str] = {}
    for file in receipts:
        examples.setdefault((file["outcome"], file["rule"]), file["file"])
    counts = Counter((file["outcome"], file["rule"]) for file in receipts)
    rows = sorted(counts.items())
    return [f"  {n:3} {OUTCOMES[o]:9} {short(rule)} ({examples[o, rule]})" for (o, rule), n in rows]


def summary(runtime: Runtime, files: Mapping[str, Path]) -> str:
    """What to open, what became of the samples, and what to try."""
    settings = runtime.settings
    base, here = settings.base_url, os.path.relpath
    batch, _, pushed = (settings.data_dir.absolute() / "filled").read_text().partition("\n")
    accord = shutil.which("accord") or ".venv/bin/accord"
    accord = here(accord) if not accord.startswith("/usr") else "accord"
    as_ = {name: f'-H "Authorization: Bearer $({accord} token --as {here(path)})"' for name, path in files.items()}
    show = f"{accord} admin batch"
    flags = f"--data {here(settings.data_dir)}"
    return f"""
DEMO: everything here is invented or public test data. {NEVER_FOR_DIAGNOSIS}

  FHIR      {base}/fhir/R4/metadata
  Catalogue {base}/catalogue
  Health    {base}/health/ready
  People    http://localhost:{settings.port}/demo/{token_file(runtime).read_text()}  (sign in as one of them, until the demo ends)
  Mail      {here(settings.mail_folder)}  (a Maildir: codes to sign with, and notices)
  DICOM     {settings.bind}:{settings.dimse_port}  (called AE {ATTESTED}, calling AE {PACS}; to ask: {settings.ae_title}, {QUERY})
  Scripts   {here(settings.data_dir)}/demo.json

The samples, as they were pushed (batch {batch}); the operator has released some since:
{pushed}

Try, in another shell:
  # a PACS sends an image that is not in yet
  storescu -aec {ATTESTED} -aet {PACS} {settings.bind} {settings.dimse_port} {here(SAMPLES / "dicom" / KEPT_BACK)}
  # a researcher looks for studies (DICOMweb) and reads them (FHIR)
  curl -s {as_["researcher"]} "{base}/dicom-web/studies?ModalitiesInStudy=CT"
  curl -s {as_["researcher"]} "{base}/fhir/R4/ImagingStudy?modality=MR"
  # on the DICOM network too
  findscu -S -k QueryRetrieveLevel=STUDY -k StudyInstanceUID \\
       -aec {settings.ae_title} -aet {QUERY} {settings.bind} {settings.dimse_port}
  # and takes one out: its agreement lets it go for AIRESEARCH, to who holds a permit that names export
  curl -sf {as_["researcher"]} -o {here(settings.data_dir)}/liver.multipart "{base}/dicom-web/studies/{LIVER}"
  # what was pushed, refused and quarantined, and why
  curl -s {as_["provider"]} "{base}/api/batches/{batch}?format=text"
  {show} list {flags}
  # EUCAIM's question (counts are exact in the demo: ACCORD_MIN_SUBJECTS=1; elsewhere fewer than 10 are not told)
  curl -s -H "Authorization: {settings.federation_secret}" -H "Content-Type: application/json" \\
       -d '{{"ast":{{"operand":"OR","children":[]}},"id":"1"}}' {base}/api/datasets/eucaimSearch
  # the provider's stop: nothing comes out any more, until it is resumed
  {accord} admin agreement suspend DSA-{ATTESTED} {flags}
  {accord} admin agreement resume DSA-{ATTESTED} {flags}
  # who may do what with a study, and by which rule; the record, recomputed
  {accord} ledger verify {flags}

Stop with Ctrl-C. `make clean` removes its data."""
