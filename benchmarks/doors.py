"""Three doors, one verdict: a folder's files by C-STORE, STOW-RS and `accord push`, each into a fresh server, then all into one.

    python -m benchmarks.doors DIR

Outcome and rule of every file must agree between the doors, except where DICOM's network or dcmtk changes the object or can't
send it. Each such file is listed with its cause, and the cause is proven: what dcmtk really sends is caught by a listener that
judges nothing, judged offline, and must give the network door's own verdict. What each door took is released where it waits, and
goes out again by every way (`ways_out.py`), bit for bit. Then the three doors in turn into one server: everything is known,
nothing conflicts. The exit status is 1 where something stays unexplained, or a server lost a process.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.events import Event
from tqdm import tqdm

from adapters.sql import batches
from benchmarks import ways_out
from benchmarks.accord import DATASET, SENDER, Accord
from consent import deposit
from mappings.dicom.content import content_digest
from mappings.dicom.dimse import TRANSFER_SYNTAXES, agrees
from mappings.dicom.part10 import Unreadable, file_meta, plain, read_part10
from mappings.report import Receipt
from server.usecases.parse import parse_file
from server.usecases.runtime import Runtime
from server.wiring import placeholders
from tests.servers import find

Verdict = tuple[str, str]
Doors = dict[str, dict[str, Receipt]]
BOUNDARY = "accord-doors"
KNOWN = frozenset({("duplicate", "known"), ("review", "waiting")})
"""What is said of what is in care already."""
NOISE = ("transfer syntax uses", "  (including", "DcmItem: Length", "Association ", "cannot add DICOM file")
"""How complaints of dcmsend begin that do not say why it sent nothing."""


@dataclass(frozen=True)
class Offer:
    """A file of the folder, by its path in it."""

    name: str
    path: Path
    sop_uid: str | None
    digest: bytes | None


@dataclass
class Sent:
    """What dcmtk sent of a file as a whole file with our file meta, or why it sent nothing, in its own words."""

    file: bytes | None = None
    said: list[str] = field(default_factory=list)


def offers(folder: Path) -> list[Offer]:
    """The folder's files, sorted by path."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return [Offer(name, path, *_named(path)) for name, path in sorted(files.items())]


def _named(path: Path) -> tuple[str | None, bytes | None]:
    try:
        instance = parse_file(path.name, memoryview(path.read_bytes()), frozenset()).instance
    except Unreadable:
        return None, None
    return instance.sop_uid, instance.digest


# --- the three doors: each returns the receipts by file


def by_store(accord: Accord, files: list[Offer]) -> dict[str, Receipt]:
    """C-STORE by dcmsend, one call and so one association a file. A file that was not sent is missing."""
    runtime, found = accord.runtime(), {}
    last = newest(runtime)
    for file in tqdm(files, desc="C-STORE", unit="file", disable=None):
        dcmsend(file.path, accord.dimse_port)
        if (now := newest(runtime)) > last:
            last = now
            found |= {file.name: one for one in receipts(runtime, now)}  # noqa: B035 - there is one, or none
    return found


def newest(runtime: Runtime) -> int:
    """The newest batch's id."""
    with runtime.store.read() as connection:
        return max((row.id for row in batches.recent(connection, None, 1)), default=0)


def receipts(runtime: Runtime, batch: int) -> list[Receipt]:
    """The receipts of a batch: here one, or none where the command's UIDs are not the data set's."""
    with runtime.store.read() as connection:
        return batches.receipts(connection, batch)


def dcmsend(file: Path, port: int) -> list[str]:
    """Send a file as it is; what dcmsend complains of."""
    command = [find("dcmsend"), "-dn", "-nh", "-nuc", "-aet", SENDER, "-aec", DATASET, "127.0.0.1", str(port), file]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, errors="replace")
    return [line[3:] for line in (done.stdout + done.stderr).splitlines() if line.startswith(("W: ", "E: ", "F: "))]


def by_stow(accord: Accord, files: list[Offer]) -> dict[str, Receipt]:
    """STOW-RS, one request a file."""
    found: dict[str, Receipt] = {}
    runtime, headers = accord.runtime(), {"Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'}
    with httpx.Client(base_url=accord.url, timeout=120) as http:
        for file in tqdm(files, desc="STOW-RS", unit="file", disable=None):
            answer = http.post("/dicom-web/studies", content=_body(file), headers=headers | _bearer(accord))
            if "describedby" not in answer.links:
                raise RuntimeError(f"STOW-RS answered {answer.status_code}: {answer.text}")
            (found[file.name],) = receipts(runtime, newest(runtime))
    return found


def _bearer(accord: Accord) -> dict[str, str]:
    return {"Authorization": f"Bearer {accord.token()}"}


def _body(file: Offer) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\nContent-Location: {quote(file.name)}\r\n\r\n".encode()
    return head + file.path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def by_push(accord: Accord, files: list[Offer]) -> dict[str, Receipt]:
    """`accord push` of the whole folder."""
    folder = files[0].path.parents[files[0].name.count("/")]
    print("accord push", flush=True)
    done = accord.run("push", str(folder), "--as", str(accord.client), "--dataset", DATASET, "--report", "json", check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    runtime = accord.runtime()
    with runtime.store.read() as connection:
        row = batches.by_key(connection, json.loads(done.stdout)["id"])
        return {r.name: r for r in batches.receipts(connection, row.id if row else 0)}


DOORS = {"C-STORE": by_store, "STOW-RS": by_stow, "push": by_push}


# --- what dcmtk sends


@contextmanager
def listener(caught: list[bytes]) -> Iterator[int]:
    """A C-STORE provider that takes everything, encoded as it comes, into `caught`; yields its port."""

    def store(event: Event) -> int:
        request = event.request
        meta = file_meta(request.AffectedSOPClassUID, request.AffectedSOPInstanceUID, event.context.transfer_syntax)
        caught.append(meta + request.DataSet.getvalue())
        return 0

    entity = AE("CATCHER")
    for context in AllStoragePresentationContexts:
        entity.add_supported_context(str(context.abstract_syntax), list(TRANSFER_SYNTAXES))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def catch(files: Iterable[Offer]) -> dict[str, Sent]:
    """What dcmtk sends of each file."""
    found: dict[str, Sent] = {}
    caught: list[bytes] = []
    with listener(caught) as port:
        for file in files:
            caught.clear()
            said = dcmsend(file.path, port)
            found[file.name] = Sent(caught[0] if caught else None, said)
    return found


def came(door: str, files: list[Offer]) -> list[bytes]:
    """What came in by a door, whole: over DICOM's network with the file meta that we write."""
    if door == "C-STORE":
        return [sent.file for sent in catch(files).values() if sent.file is not None]
    return [file.path.read_bytes() for file in files]


def judged(file: bytes | memoryview) -> Verdict:
    """The verdict on these bytes alone, undeclared by any agreement."""
    try:
        seen = parse_file("-", memoryview(file), placeholders()).seen
    except Unreadable as bad:
        return "reject", bad.rule
    verdict = deposit.verdict(seen.declared, False, seen.findings)
    return str(verdict.outcome), verdict.rule


# --- comparing


def verdict(receipt: Receipt | None) -> Verdict:
    """Outcome and rule of a receipt."""
    return ("-", "not sent") if receipt is None else (receipt.outcome, receipt.rule)


def cause(  # noqa: PLR0911 - a cause each
    file: Offer, network: Receipt | None, http: Receipt, sent: Sent, twins: list[Offer]
) -> str | None:
    """Why the network door said something else of this file; None: nothing explains it."""
    if network is not None and network.rule == "command-disagrees":
        named = b"\x08\0\x16\0UN" in file.path.read_bytes()[:4096]  # (0008,0016) SOP Class UID, its VR written as UN
        return "the file writes its UIDs as UN, and dcmtk's command then names another object: A900" if named else None
    if network is None:
        said = [line.strip() for line in sent.said if not line.startswith(NOISE)]
        if sent.file is None:
            return f"dcmtk can't send it: {'; '.join(said)[:200]}" if said else None
        came = read_part10(memoryview(sent.file))
        named = came.media_sop_class, came.media_sop_instance
        agreed = agrees(came.dataset, came.transfer_syntax, *named)
        return (
            None
            if agreed
            else "dcmtk's command names another object than its data set, so the door answers A900 and takes nothing"
        )
    if sent.file is None:
        return None
    if {rule for rule, _ in http.findings} ^ {rule for rule, _ in network.findings} == {"preamble"}:
        return "DIMSE carries no preamble"
    if verdict(network) in KNOWN:
        known = [twin.name for twin in twins if content(twin.path.read_bytes()) == content(sent.file)]
        return f"{changed(file, sent)}, and so has the content of {', '.join(known)}" if known else None
    return changed(file, sent) if judged(sent.file) == verdict(network) else None


def passed_over(file: Offer, pushed: dict[str, Receipt]) -> str | None:
    """Why push alone says nothing of a file."""
    is_index = file.path.name == "DICOMDIR" and file.name not in pushed
    return "an index of files, which push passes over" if is_index else None


def content(file: bytes) -> bytes | None:
    """The digest of elements and values, None where the file can't be read."""
    try:
        part10 = read_part10(memoryview(file))
        return content_digest(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax)
    except Unreadable:
        return None


def changed(file: Offer, sent: Sent) -> str | None:
    """How what dcmtk sends differs from what the file holds; None: not at all."""
    if sent.file is None:
        return None
    original, came = (read_part10(memoryview(each)) for each in (file.path.read_bytes(), sent.file))
    if original.dataset == came.dataset:
        return None
    sides = (f"{each.transfer_syntax} ({len(each.dataset)} bytes)" for each in (original, came))
    return f"dcmtk re-encodes {' as '.join(sides)}"


def compare(doors: Doors, files: list[Offer]) -> int:
    """Print where the doors differ and why; the number of differences that nothing explains."""
    unexplained = 0
    differing = [f for f in files if len({verdict(door.get(f.name)) for door in doors.values()}) > 1]
    for file, sent in zip(differing, catch(differing).values(), strict=True):
        said = [verdict(door.get(file.name)) for door in doors.values()]
        twins = [f for f in files if f.sop_uid == file.sop_uid and f is not file]
        network, http = doors["C-STORE"].get(file.name), doors["STOW-RS"][file.name]
        why = cause(file, network, http, sent, twins) if said[1] == said[2] else passed_over(file, doors["push"])
        unexplained += why is None
        print(f"  {file.name}: {' | '.join(' '.join(v) for v in said)}\n      {why or 'UNEXPLAINED'}")
    print(f"{len(files)} files: {len(files) - len(differing)} agree, {len(differing)} differ, {unexplained} unexplained.")
    return unexplained


def table(doors: Doors) -> None:
    """Print how many files each door gave each verdict."""
    counts = {name: Counter(verdict(r) for r in door.values()) for name, door in doors.items()}
    print(f"{'outcome':10}{'rule':20}" + "".join(f"{name:>10}" for name in counts))
    for outcome, rule in sorted({v for c in counts.values() for v in c}):
        print(f"{outcome:10}{rule:20}" + "".join(f"{c[outcome, rule]:10}" for c in counts.values()))


def in_turn(doors: Doors, files: list[Offer]) -> int:
    """Hold each later door into one server to what the one before it left; the number of files that are wrongly not known."""
    names, uids = list(doors), Counter(uid for uid, _ in {(f.sop_uid, f.digest) for f in files})
    twins = [f for f in files if f.sop_uid and uids[f.sop_uid] > 1]
    wrong = 0
    for before, after in itertools.pairwise(names):
        for file in (f for f in files if f not in twins):
            first, then = verdict(doors[before].get(file.name)), verdict(doors[after].get(file.name))
            if (first[0] in ("pass", "review", "duplicate") and then not in KNOWN) or then[1] == "content-conflict":
                why = recoded(file) if before == "C-STORE" else None
                wrong += why is None
                print(f"  {file.name}: {' '.join(first)} by {before}, then {' '.join(then)} by {after}")
                print(f"      {why or 'UNEXPLAINED'}")
    print(f"All doors in turn: {wrong} files wrongly not known. These share a UID with other content of the folder:")
    for file in twins:
        print(f"  {file.name}: {' | '.join(' '.join(verdict(door.get(file.name))) for door in doors.values())}")
    return wrong


def recoded(file: Offer) -> str | None:
    """Why what dcmtk sent of a file has other content than the file; None: it has not."""
    sent = catch([file])[file.name]
    same = sent.file is None or content(sent.file) == content(file.path.read_bytes())
    return None if same else f"{changed(file, sent)}, which is other content: big endian does not count as one with little endian"


def sound(accord: Accord, before: set[int]) -> int:
    """The number of complaints and lost processes of a server, each printed."""
    found = accord.complaints()
    lost = before - {p.pid for p in accord.alive()}
    for line in found:
        print("  COMPLAINT", line)
    if lost:
        print("  LOST", len(lost), "processes")
    return len(found) + len(lost)


@contextmanager
def served(folder: Path) -> Iterator[Accord]:
    """A fresh server."""
    accord = Accord(folder)
    accord.start()
    try:
        yield accord
    finally:
        accord.stop()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    files = offers(parser.parse_args().folder)
    _config.UNRESTRICTED_STORAGE_SERVICE = False
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="accord-doors-") as home:
        alone: Doors = {}
        for number, (name, send) in enumerate(DOORS.items()):
            with served(Path(home, str(number))) as accord:
                before = {p.pid for p in accord.alive()}
                alone[name] = send(accord, files)
                print(name, flush=True)
                wrong += ways_out.check(accord, came(name, files)) + sound(accord, before)
        table(alone)
        wrong += compare(alone, files)
        with served(Path(home, "all")) as accord:
            before = {p.pid for p in accord.alive()}
            together = {name: send(accord, files) for name, send in DOORS.items()}
            wrong += in_turn(together, files) + sound(accord, before)
            print(accord.run("ledger", "verify", check=False).stdout.strip())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
