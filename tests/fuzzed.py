"""A house that is asked whatever `fuzz_fhir` makes, and what is wrong of an answer: a 5xx, no outcome, a secret, its time."""

import json
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from xml.etree import ElementTree as ET

from werkzeug.test import TestResponse

from adapters.identity import Keys
from mappings.study import patient_key, study_key
from server.cli.processes import READ_SECONDS
from server.usecases import document, export, job
from server.usecases.batch import close_batch
from server.usecases.take import take
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.fuzz_fhir import ASKERS, Case, Known, case, known
from tests.house import Who, build

SLOWEST_SECONDS = 2 * READ_SECONDS
"""More than a reading may take, and less than anybody waits."""
SECRET_STUDY, SECRET_PATIENT = "1.2.826.0.1.3680043.10.1561.77777", "NOBODYS-BUSINESS"
SECRETS = (SECRET_STUDY, SECRET_PATIENT, study_key(SECRET_STUDY), patient_key("hospital-a", SECRET_PATIENT))
BLIND = ("anonymous", "federation", "other-provider")
"""Callers whom no study of hospital-a's is shown."""
LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|/tmp/|/work/|sqlalchemy|sqlite|psycopg|werkzeug|SELECT |line \d+|division", re.IGNORECASE
)
_STUDIES = (
    {"study": "1.2.3.1", "PatientID": "A&B<C>\"'", "StudyDescription": "]]> &amp; <!--", "Modality": "CT"},
    {"study": "1.2.3.2", "PatientID": "\u202eP", "StudyDescription": "\u2028\U0001f4a9", "SpecificCharacterSet": "ISO_IR 192"},
    {"study": "1.2.3.3", "PatientID": "P1", "StudyDescription": "x" * 64, "PatientSex": "M", "AccessionNumber": "A|1,2\\3"},
    {"study": "1.2.3.4", "PatientID": "P1", "PatientSex": "F", "BodyPartExamined": "BREAST", "Modality": "MG"},
    {"study": SECRET_STUDY, "PatientID": SECRET_PATIENT},
)  # fmt: skip


class Fuzzed:
    """A house with some studies more, one of them nobody's business, and what there is to ask about."""

    def __init__(self, folder: Path, *, url: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.house = build(folder / "house", Keys.load_or_make(folder / "keys.json"), url=url)
        self.house.runtime.store.read_seconds = READ_SECONDS  # as in a process that serves
        self._deposit()
        self.known: Known = known(self.house)
        self._proofs = {name: self._proof(who) for name, who in ASKERS.items()}

    def _deposit(self) -> None:
        batch = builders.batch(self.house.runtime)
        for number, values in enumerate(_STUDIES):
            assert take(self.house.runtime, batch, "x", builders.made(f"1.2.3.9.{number}", **values)).outcome == "pass", values
        close_batch(self.house.runtime, batch.id)
        self.house.runtime.clock.on(10)  # type: ignore[attr-defined]
        document.rebuild(self.house.runtime)

    def _proof(self, who: Who) -> Who:
        """The same caller with its token made once: the clock stands still."""
        return replace(who, client=None, header=f"Bearer {self.house.token(who)}") if who.client else who

    def close(self) -> None:
        """Let go of it."""
        self.house.runtime.close()

    def asked(
        self, seed: int, numbers: range, told: Callable[[Case, TestResponse], None] = lambda _case, _answer: None
    ) -> Iterator[str]:
        """Ask these cases; what is wrong of them, in sentences. Exports that were begun are written on the way."""
        for number in numbers:
            one = case(self.known, seed, number)
            began = time.monotonic()
            answer = self.ask(one)
            took = time.monotonic() - began
            told(one, answer)
            yield from (f"{why}: {one}"[:3_000] for why in wrongs(one, answer, took))
            if answer.status_code == 202 and answer.headers.get("Content-Location"):
                yield from self._written(answer.headers["Content-Location"].rpartition("/")[2], one)

    def ask(self, one: Case) -> TestResponse:
        """The answer to a case."""
        body = {} if one.body is None else {"data": one.body}
        return self.house.ask(
            one.method, one.path, self._proofs[one.caller], headers=dict(one.headers), query_string=one.query, **body
        )

    def _written(self, key: str, one: Case) -> Iterator[str]:
        """The export is written, read and deleted by whom it was begun."""
        work_off(self.house.runtime, export.KIND, KINDS[export.KIND], Event())
        path, who = f"/fhir/R4/$export/{key}", self._proofs[one.caller]
        manifest = self.house.ask("GET", path, who)
        if manifest.status_code >= 500 or job.find_troubles(self.house.runtime):
            yield f"not written ({manifest.status_code}): {one}"
        for file in manifest.json.get("output", ()):
            answer = self.house.ask("GET", f"{path}/{file['url'].rpartition('/')[2]}", who)
            if answer.status_code != 200 or len(answer.data.splitlines()) != file["count"]:
                yield f"its file is not what its manifest says ({answer.status_code}): {one}"
        self.house.ask("DELETE", path, who)
        export.remove_over(self.house.runtime)


def wrongs(one: Case, answer: TestResponse, took: float) -> Iterator[str]:
    """What is wrong of an answer."""
    if answer.status_code >= 500:
        yield f"answered {answer.status_code}"
    if took > SLOWEST_SECONDS:
        yield f"took {took:.1f} s"
    if 400 <= answer.status_code < 500 and not _is_outcome(one, answer):
        yield f"{answer.status_code} is no OperationOutcome: {answer.data[:200]!r}"
    if answer.status_code >= 400 and (leak := LEAKS.search(answer.get_data(as_text=True))):
        yield f"tells of the inside: {leak[0]}"
    if answer.status_code < 400 and (answer.data if one.method == "HEAD" else not _is_readable(answer)):
        yield f"can't be read: {answer.data[:200]!r}"
    if one.caller in BLIND and "Authorization" not in one.headers and (told := _secret(answer)):
        yield f"tells {told}"


def _is_outcome(one: Case, answer: TestResponse) -> bool:
    if one.method == "HEAD" or answer.status_code == 412:  # RFC 9110 has no body of the one; of the other, nobody's reads one
        return not answer.data
    if (one.path == "/fhir" or ".well-known" in one.path) and answer.mimetype in ("application/problem+json", "application/json"):
        return True  # told by no door, and by another
    body = _unpacked(answer)
    if not body or not _is_readable(answer):
        return False
    if answer.mimetype == "application/fhir+xml":
        return ET.fromstring(body).tag == "{http://hl7.org/fhir}OperationOutcome"  # noqa: S314 - our own
    return answer.mimetype == "application/fhir+json" and json.loads(body)["resourceType"] == "OperationOutcome"


def _is_readable(answer: TestResponse) -> bool:
    body = _unpacked(answer)
    try:
        if answer.mimetype == "application/fhir+xml":
            return ET.fromstring(body) is not None  # noqa: S314 - our own
        lines = body.splitlines() if answer.mimetype == "application/fhir+ndjson" else [body] if body else []
        return all(isinstance(json.loads(line), dict) for line in lines)
    except (ET.ParseError, ValueError):
        return False


def _unpacked(answer: TestResponse) -> bytes:
    return zlib.decompress(answer.data, 31) if answer.headers.get("Content-Encoding") == "gzip" else answer.data


def _secret(answer: TestResponse) -> str:
    body = _unpacked(answer) if answer.data else b""  # a HEAD may say gzip, and has none
    text = body.decode("utf-8", "replace") + str(answer.headers)
    return next((secret for secret in SECRETS if secret in text), "")
