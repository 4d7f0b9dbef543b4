"""Senders that push on, whatever is killed, until each of their objects is acknowledged; and the small objects they send."""

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydicom import dcmread, dcmwrite
from pydicom.dataset import FileDataset

from benchmarks.accord import DATASET, SENDER, Accord
from mappings.failures import Failure
from tests.servers import find

TEMPLATE = Path(__file__).parent.parent / "samples/dicom/mr/qin_prostate_adc/000000.dcm"
BOUNDARY = "accord-kills"
TRIES = 60


class Wrong(Exception):
    """Something that must never be."""


@dataclass(frozen=True)
class Made:
    """A synthetic object and where its file lies."""

    sop_uid: str
    path: Path


@dataclass
class Heard:
    """What the senders were told: acknowledged objects (SOP Instance UIDs), how often each, and how often a try was cut off."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    cut_off: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def yes(self, uids: Iterable[str]) -> None:
        """These were acknowledged."""
        with self.lock:
            self.acknowledged.update(uids)


# --- objects


class Maker:
    """Makes small objects, all distinct: a de-identified sample with a smaller picture and UIDs of its own (PS3.5 B.2)."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self._chance, self._folder = chance, folder
        self._template = _small(dcmread(TEMPLATE))

    def uid(self) -> str:
        """A fresh UID."""
        return f"2.25.{self._chance.getrandbits(120)}"

    def make(self, folder: str, count: int, studies: Sequence[str]) -> list[Made]:
        """So many objects in a folder, spread over these studies; every fourth does not say that it is de-identified."""
        where = self._folder / folder
        where.mkdir(parents=True)
        return [self._one(where, number, self._chance.choice(studies)) for number in range(count)]

    def _one(self, where: Path, number: int, study: str) -> Made:
        made, uid = self._template, self.uid()
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = uid
        made.StudyInstanceUID, made.SeriesInstanceUID = study, f"{study}.{self._chance.randrange(1, 4)}"
        made.PatientIdentityRemoved = "YES" if number % 4 else "NO"
        made.InstanceNumber = number
        path = where / f"{number:03}.dcm"
        dcmwrite(path, made, enforce_file_format=True)
        return Made(uid, path)


def _small(sample: FileDataset) -> FileDataset:
    sample.remove_private_tags()
    kept = {
        "SOPClassUID",
        "Modality",
        "PatientID",
        "PatientName",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "BitsAllocated",
    }
    for element in list(sample):
        if element.keyword not in kept | {"BitsStored", "HighBit", "PixelRepresentation"}:
            del sample[element.tag]
    sample.PatientName = sample.PatientID = "KILLS-1"
    sample.Rows = sample.Columns = 32
    sample.PixelData = bytes(32 * 32 * sample.BitsAllocated // 8)
    return sample


# --- senders: each sends until all of its objects are acknowledged


def store(accord: Accord, objects: list[Made], heard: Heard) -> None:
    """C-STORE by storescu; what it was not told a Success of is sent again."""
    left = {str(o.path): o.sop_uid for o in objects}
    for _ in range(TRIES):
        command = [find("storescu"), "-v", "-nh", "-aet", SENDER, "-aec", DATASET, "127.0.0.1", str(accord.dimse_port), *left]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120)
        stored = _successes(done.stdout + done.stderr)
        heard.yes(left.pop(path) for path in stored)
        if not left:
            return
        heard.cut_off["C-STORE"] += 1
        time.sleep(0.5)
    raise Wrong(f"C-STORE: {len(left)} objects were never taken: {done.stdout[-600:]}{done.stderr[-600:]}")


def _successes(said: str) -> list[str]:
    stored, sending = [], ""
    for line in said.splitlines():
        if line.startswith("I: Sending file: "):
            sending = line.removeprefix("I: Sending file: ")
        elif line.startswith("I: Received Store Response (Success)"):
            stored.append(sending)
    return stored


def stow(accord: Accord, objects: list[Made], heard: Heard) -> None:
    """STOW-RS, a few objects a request; what no answer named as stored is sent again."""
    left = {o.sop_uid: o.path for o in objects}
    said = ""
    for _ in range(TRIES):
        for some in [list(left)[at : at + 4] for at in range(0, len(left), 4)]:
            try:
                stored, said = _stowed(accord, [left[uid] for uid in some])
            except (httpx.HTTPError, Failure) as error:
                stored, said = [], repr(error)
            heard.yes(stored)
            for uid in stored:
                del left[uid]
        if not left:
            return
        heard.cut_off["STOW-RS"] += 1
        time.sleep(0.5)
    raise Wrong(f"STOW-RS: {len(left)} objects were never taken: {said}")


def _stowed(accord: Accord, files: list[Path]) -> tuple[list[str], str]:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + path.read_bytes() + b"\r\n" for path in files) + f"--{BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = {"Content-Type": kind, "Authorization": f"Bearer {accord.token()}"}
    answer = httpx.post(f"{accord.url}/dicom-web/studies", content=body, headers=headers, timeout=60)
    if answer.status_code not in (200, 202):
        return [], f"{answer.status_code} {answer.text[:300]}"
    return [item["00081155"]["Value"][0] for item in answer.json().get("00081199", {}).get("Value", [])], answer.text[:300]


def push(accord: Accord, objects: list[Made], heard: Heard) -> None:
    """`accord push` of the files, again where it gave up; its report must tell of each file once."""
    files = [str(o.path) for o in objects]
    for _ in range(TRIES):
        done = accord.run("push", *files, "--as", str(accord.client), "--dataset", DATASET, "--report", "csv", check=False)
        if done.returncode == 0:
            rows = [line.split(",") for line in done.stdout.splitlines()[1:]]
            told = Counter(row[0] for row in rows if row[1] in ("pass", "review", "duplicate"))
            if told != Counter(files):
                raise Wrong(f"accord push: its report does not tell of each file once: {done.stdout[-2000:]}")
            heard.yes(o.sop_uid for o in objects)
            return
        heard.cut_off["push"] += 1
        time.sleep(0.5)
    raise Wrong(f"accord push was never done: {done.stderr[-600:]}")


DOORS: dict[str, Callable[[Accord, list[Made], Heard], None]] = {"store": store, "stow": stow, "push": push}
