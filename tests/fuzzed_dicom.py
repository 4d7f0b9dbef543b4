"""Houses that are asked whatever `fuzz_dicomweb`, `fuzz_objects` and `fuzz_dimse` make, and what is wrong of what they answer."""

import contextlib
import gc
import io
import logging
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydicom import dcmread
from werkzeug.test import TestResponse

from server.usecases import document
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders
from tests.fuzz_dicomweb import Stored, case
from tests.fuzz_dimse import Call, Calls
from tests.fuzz_fhir import ASKERS, Case
from tests.fuzz_objects import Stores
from tests.fuzzed import BLIND, LEAKS, SECRET_PATIENT, SECRET_STUDY, Fuzzed
from tests.network import Network, hold, network
from tests.server.test_converted import COMPRESSED, LOSSY, PLAIN, anonymous

ENCODINGS = PLAIN | COMPRESSED | LOSSY
SECONDS = 5
"""Within which a connection is answered that has said all it will."""
_HEAD = struct.Struct(">BBL")
_ANSWERS, _DATA = frozenset({2, 3, 4, 5, 6, 7}), 4
_RELEASE = _HEAD.pack(5, 0, 4) + bytes(4)
_NAMES = ("A-ASSOCIATE-AC", "A-ASSOCIATE-RJ", "P-DATA-TF", "A-RELEASE-RQ", "A-RELEASE-RP", "A-ABORT")


def stored(fuzzed: Fuzzed) -> list[Stored]:
    """What there is to ask about: objects of every kind of encoding, a report, and what is nobody's business."""
    runtime = fuzzed.house.runtime
    files = [
        builders.sample("sr/qin_headneck_tid1500_sr.dcm"),
        *(memoryview(anonymous(name, n)) for n, name in enumerate(ENCODINGS.values(), 1)),
    ]
    batch = builders.batch(runtime, attested=True)
    for file in files:
        taken = take(runtime, batch, "x", file)
        assert taken.outcome in {"pass", "duplicate"}, taken
    close_batch(runtime, batch.id)
    document.rebuild(runtime)
    headers = [dcmread(io.BytesIO(file), stop_before_pixels=True) for file in files]
    secret = fuzzed.house.ask("GET", f"/dicom-web/studies/{SECRET_STUDY}/instances", ASKERS["provider"]).json[0]
    hidden = Stored(SECRET_STUDY, *(secret[tag]["Value"][0] for tag in ("0020000E", "00080018")))
    return [*(Stored(h.StudyInstanceUID, h.SeriesInstanceUID, h.SOPInstanceUID) for h in headers), hidden]


def asked(fuzzed: Fuzzed, seed: int, numbers: range, answered: Counter[str]) -> Iterator[str]:
    """Ask these of DICOMweb; what is wrong, in sentences."""
    held = stored(fuzzed)
    yield from _told(fuzzed, (case(held, seed, number) for number in numbers), answered)


def brought(fuzzed: Fuzzed, seed: int, numbers: range, answered: Counter[str]) -> Iterator[str]:
    """Store these by STOW-RS; what is wrong, in sentences."""
    stores = Stores(seed)
    yield from _told(fuzzed, (stores.case(number) for number in numbers), answered)


def _told(fuzzed: Fuzzed, cases: Iterator[Case], answered: Counter[str]) -> Iterator[str]:
    for one in cases:
        answer = fuzzed.ask(one)
        answered[str(answer.status_code)] += 1
        yield from (f"{why}: {one}"[:3_000] for why in wrongs(one, answer))
        answer.close()


def wrongs(one: Case, answer: TestResponse) -> Iterator[str]:
    """What is wrong of an answer."""
    text = answer.get_data(as_text=True) if answer.status_code >= 400 else ""
    if answer.status_code >= 500:
        yield f"answered {answer.status_code}"
    is_report = answer.status_code == 409 and one.method == "POST"  # none was stored: Table I.1-1 says why (PS3.18 section 10.5)
    if text and answer.mimetype != "application/problem+json" and not is_report:
        yield f"{answer.status_code} is no problem"
    if leak := LEAKS.search(text):
        yield f"tells of the inside: {leak[0]}"
    if any({"\r", "\n"} & set(value) or name == "X-Bad" for name, value in answer.headers):
        yield "a header breaks"
    elsewhere = one.caller in BLIND or not one.path.startswith(("/dicom-web", "/datasets/LUNG"))
    told = f"{answer.data.decode('latin-1')} {answer.headers}"
    if elsewhere and any(secret in told and secret not in f"{one.path} {one.query}" for secret in (SECRET_STUDY, SECRET_PATIENT)):
        yield "tells what is hidden"


# --- the network door


@contextlib.contextmanager
def called(folder: Path, url: str = "") -> Iterator[Network]:
    """A door with two datasets behind it."""
    with network(folder, settings={"url": url}) as opened:
        hold(opened.runtime, builders.sample("mr/emri_small.dcm"), builders.made("1.2.1.1.1", study="1.2.1"))
        yield opened


def connected(net: Network, seed: int, numbers: range, answered: Counter[str]) -> Iterator[str]:
    """Make these connections; what is wrong, in sentences."""
    calls, faults = Calls(seed), _Faults()
    with faults.heard():
        for number in numbers:
            one = calls.case(number)
            said, kept = _said(net.scp.port, one)
            answered[_named(said)] += 1
            waited = ["kept waiting"] if kept else []
            yield from (f"{why}: case {number}" for why in (*faults.taken(), *unanswered(said), *waited))


class _Faults(logging.Handler):
    """What a door logs as an error, and what ends one of its threads; what writers that ran before it log is not its."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._heard: list[str] = []
        self._others = {thread.ident for thread in threading.enumerate() if thread.name == "accesses"}

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread in self._others:
            return
        self._heard.append(f"logs {record.getMessage()} {getattr(record, 'cause', '')} {getattr(record, 'at', '')}")

    def taken(self) -> list[str]:
        """What was heard since."""
        taken, self._heard = self._heard, []
        return taken

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Listen."""
        log, before = logging.getLogger("accord"), threading.excepthook
        log.addHandler(self)
        threading.excepthook = lambda args: self._heard.append(f"a thread ended: {args.exc_type.__name__} {args.exc_value}")
        try:
            yield
        finally:
            log.removeHandler(self)
            threading.excepthook = before


def _said(port: int, one: Call) -> tuple[bytes, bool]:
    """What is said to a connection, and whether it was kept waiting."""
    said, until = b"", time.monotonic() + SECONDS
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(OSError):  # it was closed
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(SECONDS)
        connection.sendall(one.request)
        if one.request[:1] == b"\1" and len(one.request) >= 6 and len(one.request) == 6 + _HEAD.unpack_from(one.request)[2]:
            said = connection.recv(65_536)
        if said[:1] == b"\2":
            connection.sendall(b"".join(one.messages) + (_RELEASE if one.releases else b""))
        if said[:1] != b"\2" or not one.releases:
            connection.shutdown(socket.SHUT_WR)
        try:
            while piece := connection.recv(65_536):
                said += piece
        except TimeoutError:
            return said, True
    return said, time.monotonic() > until


def unanswered(said: bytes) -> Iterator[str]:
    """What of it is no PDU that a door may send (PS3.8 section 9.3)."""
    for kind, whole in _pdus(said):
        if kind not in _ANSWERS or not (whole or kind == _DATA):
            yield f"said what is no answer: {said[:80].hex()}"


def _named(said: bytes) -> str:
    kinds = [_NAMES[kind - 2] for kind, _ in _pdus(said) if kind in _ANSWERS]
    return " ".join(dict.fromkeys(kinds)) or "nothing"


def _pdus(said: bytes) -> Iterator[tuple[int, bool]]:
    at = 0
    while at < len(said):
        kind, _, length = _HEAD.unpack_from(said[at : at + 6].ljust(6, b"\0"))
        at += 6 + length
        yield kind, at <= len(said)


def held() -> dict[str, int]:
    """What this process holds, once what is over was let go of: of files, those without a name, open or mapped."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    counted = {"descriptors": len(os.listdir("/proc/self/fd")), "threads": threading.active_count(), "files": len(_unlinked())}
    return {"MB": resident >> 20} | counted


def _unlinked() -> set[str]:
    """Where objects wait that are too large for memory (`adapters/spool.py`): nothing in a folder tells of them."""
    named = [Path("/proc/self/maps").read_text()]
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            named.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return set(re.findall(r"(?:^|\s)(/(?!dev/)\S+ \(deleted\))$", "\n".join(named), re.MULTILINE))
