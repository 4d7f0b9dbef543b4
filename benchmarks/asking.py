"""Repositories are asked at once: one Accord answers, one is killed while it is asked, one is late; HAPI can't be asked for age.

    python -m benchmarks.asking [--seconds 5]

The Accords are `accord web` processes with a study of each of six people; what is stopped and killed is their whole process
group. HAPI FHIR (where Java and Maven are there) holds three ImagingStudies, two of MR. Two questions are asked by `accord ask`:
one without an age, one with. What must be true: who answers tells its counts whatever the others do, nobody's silence is a zero,
and all is over when the latest's time is.
"""

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import hapi_server
from benchmarks.hapi_server import Resource
from benchmarks.kills import expect
from server.usecases.peer import add_peer
from tests import builders
from tests.running import COMMAND, TOP, answers, eventually
from tests.servers import free_port
from tests.usecases.test_ask import SECRET, fill

PEOPLE = [("M", 50, "MR"), ("M", 60, "MR"), ("F", 50, "MR"), ("M", 30, "MR"), ("M", 50, "CT"), ("F", 20, "CT")]
ASKED = ("--modality", "MR", "--sex", "M")
START_SECONDS = 60


@dataclass
class Web:
    """A running `accord web`: its URL, and its process, which leads a group."""

    url: str
    process: "subprocess.Popen[bytes]"

    def send(self, number: signal.Signals) -> None:
        """Signal all of its processes."""
        os.killpg(self.process.pid, number)


@contextlib.contextmanager
def accord(home: Path, name: str) -> Iterator[Web]:
    """An Accord with a study of each of the people, that knows the asker's secret."""
    fill(builders.runtime(home / name), *PEOPLE).close()
    port = free_port()
    settings = {"DATA_DIR": str(home / name / "data"), "PORT": str(port), "WEB_WORKERS": "1", "MIN_SUBJECTS": "1"}
    environment = os.environ | {f"ACCORD_{k}": v for k, v in settings.items()} | {"ACCORD_FEDERATION_CALLERS": f"asker {SECRET}"}
    with (home / f"{name}.log").open("wb") as log:
        command = [*COMMAND, "web"]
        process = subprocess.Popen(command, cwd=TOP, env=environment, stdout=log, stderr=log, start_new_session=True)
    web = Web(f"http://127.0.0.1:{port}", process)
    try:
        expect(eventually(lambda: answers(f"{web.url}/health/live"), START_SECONDS), f"{name} serves", [])
        yield web
    finally:
        for number in (signal.SIGCONT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                web.send(number)
        process.wait()


def images() -> list[Resource]:
    """What HAPI holds: a man and a woman with an MR each, and a CT of the man."""
    dcm = "http://dicom.nema.org/resources/ontology/DCM"
    people = [{"resourceType": "Patient", "id": sex, "gender": sex} for sex in ("male", "female")]
    studies = [
        {
            "resourceType": "ImagingStudy",
            "id": f"{modality}-{sex}".lower(),
            "status": "available",
            "subject": {"reference": f"Patient/{sex}"},
            "series": [{"uid": "1.2.3", "modality": {"system": dcm, "code": modality}}],
        }
        for modality, sex in (("MR", "male"), ("MR", "female"), ("CT", "male"))
    ]
    return [*people, *studies]


@contextlib.contextmanager
def hapi(home: Path) -> Iterator[str | None]:
    """HAPI's base URL; None where it can't be run here."""
    try:
        path = hapi_server.built(home)
    except hapi_server.Unavailable as why:
        print(f"without HAPI: {why}")
        yield None
        return
    with hapi_server.running(home, path) as running:
        hapi_server.load(running, [images()])
        print(f"{running.version} holds three studies")
        yield running.url


def ask(home: Path, seconds: int, *flags: str) -> tuple[dict[str, Any], float]:
    """What `accord ask` prints, and how long it took to ask."""
    environment = os.environ | {"ACCORD_DATA_DIR": str(home / "asker" / "data"), "ACCORD_PEER_SECONDS": str(seconds)}
    command = [*COMMAND, "ask", *ASKED, *flags, "--json"]
    began = time.monotonic()
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=True)
    print(f"$ accord ask {' '.join((*ASKED, *flags))}")
    told: dict[str, Any] = json.loads(done.stdout)
    for peer in told["peers"]:
        print("  {peer:8} {state:15} {studies!s:>5} {seconds:7.3f} s  {said}".format(**peer))
    print(f"  {done.stderr.strip()}")
    return told, time.monotonic() - began


def kill_when_asked(home: Path, web: Web, before: object) -> None:
    """Kill it a second after another question than the one `before` was recorded, which is just before that leaves."""
    database = f"file:{home / 'asker' / 'data' / 'accord.db'}?mode=ro"
    newest = "SELECT body FROM ledger_body WHERE kind = 'federation.asked' ORDER BY id DESC LIMIT 1"

    def is_new() -> bool:
        with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
            return bool(json.loads(json.loads(connection.execute(newest).fetchone()[0])["question"]) != before)

    if eventually(is_new, START_SECONDS):
        time.sleep(1)
    web.send(signal.SIGKILL)


def main() -> None:
    """Ask both questions, and hold what came."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5, help="that each peer has")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as on:
        home = Path(folder)
        (home / "secret").write_text(SECRET)
        asker = builders.runtime(home / "asker")
        webs = {name: on.enter_context(accord(home, name)) for name in ("well", "killed", "late")}
        for name, web in webs.items():
            add_peer(asker, builders.ACTOR, name, kind="accord", url=web.url, secret_file=str(home / "secret"))
        if fhir := on.enter_context(hapi(home)):
            add_peer(asker, builders.ACTOR, "hapi", kind="fhir", url=fhir)
        asker.close()
        told, _ = ask(home, START_SECONDS)
        states = {peer["peer"]: (peer["state"], peer["studies"]) for peer in told["peers"]}
        expect(
            all(states[name] == ("at least", 3) for name in webs),
            "every Accord counts three studies of men by MR",
            states.items(),
        )
        expect(fhir is None or states["hapi"] == ("answered", 1), "HAPI counts one", states.items())
        for name in ("killed", "late"):
            webs[name].send(signal.SIGSTOP)
        killing = threading.Thread(target=kill_when_asked, args=(home, webs["killed"], told["question"]))
        killing.start()
        told, took = ask(home, seconds, "--age", "40-70")
        killing.join()
        states = {peer["peer"]: (peer["state"], peer["studies"]) for peer in told["peers"]}
        expect(states["well"] == ("at least", 2), "the one that is well counts two", states.items())
        expect({states[name] for name in ("killed", "late")} == {("no answer", None)}, "no silence is a zero", states.items())
        broken = next(peer for peer in told["peers"] if peer["peer"] == "killed")
        expect(broken["seconds"] > 0.5, "it was killed while it was asked", [broken])
        expect(fhir is None or states["hapi"] == ("cannot express", None), "HAPI is not asked without the age", states.items())
        expect(took < 2 * seconds + 10, "all is over when the latest's time is", [took])
    print("All as it must be.")


if __name__ == "__main__":
    main()
