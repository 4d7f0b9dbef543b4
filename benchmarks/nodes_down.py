"""Two Orthancs and a folder under one server: one is killed while it gives and takes, one is stopped, and the folder goes on.

    python -m benchmarks.nodes_down [--rounds 5] [--seed N]

In each round SECOND is stopped (SIGSTOP); then a study of FIRST is retrieved and objects are sent to it by C-STORE, until its
Orthanc is killed when some of both has gone over; and all the while objects of the folder are read. What must be true: a
retrieval that broke off shows it and leaves a second record; both nodes' studies are 503 with Retry-After and their C-STORE A7xx;
the folder answers everything; and when both are there again and all was sent again, custody and every node agree to the byte.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from sqlalchemy import func, select

from adapters.sql import tables as t
from benchmarks import world
from benchmarks.accord import DATASET, PROVIDER, SENDER, Accord
from benchmarks.kills import expect, wait_settled
from benchmarks.senders import BOUNDARY, Wrong
from consent.custody import State
from server.usecases.runtime import Runtime
from tests.running import image
from tests.servers import Orthanc, orthanc_server

FIRST, SECOND = "FIRST", "SECOND"
LARGE, FEW, SIDE = 12, 8, 2048
"""Objects of the study that is retrieved, objects that are sent in a round, and pixels of a side of each: 4 MB."""
NODE_SECONDS = 2
SOON_SECONDS = 3 * NODE_SECONDS + 2
"""By when the server has said that a node is down: one node is waited for by a few calls, each for its patience."""
PATIENCE_SECONDS = 60
PIECE = 1 << 20


@dataclass
class Seen:
    """What was met in all rounds."""

    retrievals: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    folder: list[float] = field(default_factory=list)
    slowest: float = 0.0
    recovery: float = 0.0


class Site:
    """The server, its Orthancs, and what was offered: UID → (dataset, file)."""

    def __init__(self, accord: Accord, home: Path, chance: random.Random, leave: contextlib.ExitStack) -> None:
        self.accord, self.home, self.chance, self.leave = accord, home, chance, leave
        self.orthancs: dict[str, Orthanc] = {}
        self.offered: dict[str, tuple[str, bytes]] = {}
        self.studies: dict[str, str] = {}
        self.seen, self._token = Seen(), (0.0, "")

    def govern(self) -> None:
        """A node and a dataset for each Orthanc, with one sender."""
        for alias in (FIRST, SECOND):
            self.start(alias, add=True)
            common = ("--provider", PROVIDER, "--node", alias.lower(), "--terms", "1.0.0")
            for line in (
                ("agreement", "add", f"DSA-{alias}", *common),
                ("agreement", "propose", f"DSA-{alias}"),
                ("agreement", "activate", f"DSA-{alias}"),
                ("dataset", "add", alias, "--agreement", f"DSA-{alias}", "--title", alias),
                ("sender", "add", alias, "--aet", SENDER, "--from", "127.0.0.1/32"),
            ):
                self.accord.run("admin", *line)

    def start(self, alias: str, *, add: bool = False) -> None:
        """An Orthanc on the folder of before, under another address."""
        folder = self.home / alias
        folder.mkdir(exist_ok=True)
        server = self.orthancs[alias] = self.leave.enter_context(orthanc_server(folder=folder))
        (folder / "secret").write_text(f"{server.user}:{server.password}\n")
        where = ("--url", server.url, "--secret-file", str(folder / "secret"))
        kind = ("--kind", "orthanc") if add else ()
        self.accord.run("admin", "node", "add" if add else "set", alias.lower(), *kind, *where)

    def make(self, alias: str, study: str) -> tuple[str, bytes]:
        """A new object of this study, which is offered from now on; its UID and file."""
        pixels = self.chance.randbytes(SIDE * SIDE)
        file = image(study, "DOWN-1", Rows=SIDE, Columns=SIDE, PixelData=pixels, BitsAllocated=8)
        uid = dcmread(BytesIO(file), specific_tags=["SOPInstanceUID"]).SOPInstanceUID
        self.offered[uid] = alias, file
        return uid, file

    def http(self) -> httpx.Client:
        """The provider, who may have what is its own."""
        until, token = self._token
        if time.monotonic() > until:
            token = self.accord.token()
            self._token = time.monotonic() + 200, token
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.accord.url, headers=headers, timeout=PATIENCE_SECONDS)

    def stow(self, alias: str, uid: str) -> httpx.Response:
        """Send one object."""
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = head + self.offered[uid][1] + f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        with self.http() as http:
            return http.post(f"/datasets/{alias}/dicom-web/studies", content=body, headers={"Content-Type": kind})

    def store(self, alias: str, uids: list[str], sent: Callable[[], None]) -> list[int]:
        """Send objects by C-STORE; the statuses, of one that got none -1."""
        ae, statuses = AE(SENDER), []
        ae.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
        ae.dimse_timeout = ae.network_timeout = PATIENCE_SECONDS
        association = ae.associate("127.0.0.1", self.accord.dimse_port, ae_title=alias)
        for uid in uids if association.is_established else ():
            answer = association.send_c_store(dcmread(BytesIO(self.offered[uid][1])))
            statuses.append(answer.get("Status", -1))
            sent()
        association.release()
        return statuses


# --- a round


def go(site: Site) -> None:
    """One round. Raises Wrong."""
    second, over = site.orthancs[SECOND].process, threading.Event()
    os.kill(second.pid, signal.SIGSTOP)
    reading = threading.Thread(target=_read_folder, args=(site, over))
    reading.start()
    try:
        _lose_first(site)
        for alias in (FIRST, SECOND):
            _expect_down(site, alias)
    finally:
        os.kill(second.pid, signal.SIGCONT)
        over.set()
        reading.join()
    expect(not site.seen.refusals, "the folder gives everything meanwhile", site.seen.refusals.items())
    site.start(FIRST)
    _send_rest(site)
    _check(site)


def _lose_first(site: Site) -> None:
    """Retrieve from FIRST and store to it and to SECOND, and kill FIRST when a part of it has gone over."""
    gone, study = threading.Event(), f"2.25.{site.chance.getrandbits(120)}"
    uids = [site.make(FIRST, study)[0] for _ in range(FEW)]
    late = site.make(SECOND, study + ".2")[0]
    after = site.chance.uniform(0.1, 0.8), site.chance.randrange(FEW)
    count = iter(range(1, FEW + 1))

    def sent() -> None:
        if next(count) > after[1]:
            gone.set()

    with ThreadPoolExecutor(3) as several:
        storing = several.submit(site.store, FIRST, uids, sent)
        others = (
            several.submit(_retrieve, site, after[0], gone, site.orthancs[FIRST]),
            several.submit(site.stow, SECOND, late),
        )
        stored, (_, answer) = storing.result(), [other.result() for other in others]
    site.seen.stored.update([*(f"{status:04X}" for status in stored), f"STOW {answer.status_code}"])
    expect(all(_is_fit(status) for status in stored), "a C-STORE to a node that is down is A7xx", stored)
    expect(answer.status_code == 503, "STOW to a node that is stopped is for later", [answer.status_code, answer.text])


def _is_fit(status: int) -> bool:
    return status == 0 or status >> 8 == 0xA7


def _retrieve(site: Site, part: float, stored: threading.Event, server: Orthanc) -> None:
    """Read a study, slowly, and kill its node when so much of it has come and some of the others were stored."""
    came, said, whole = 0, 0, False
    with site.http() as http, contextlib.suppress(httpx.TransportError):
        with http.stream("GET", f"/dicom-web/studies/{site.studies[FIRST]}") as answer:
            expect(answer.status_code == 200, "the study is given", [answer.status_code])
            said = int(answer.headers["Content-Length"])
            for piece in answer.iter_raw(PIECE):
                came += len(piece)
                if came > part * said and server.process.poll() is None:
                    stored.wait(PATIENCE_SECONDS)
                    server.kill()
        whole = True
    server.kill()
    expect(whole == (came == said), "a retrieval that broke off shows it", [came, said])
    site.seen.retrievals["whole" if whole else "broke off"] += 1


def _read_folder(site: Site, over: threading.Event) -> None:
    study, parts = f"/dicom-web/studies/{site.studies[DATASET]}", {"Accept": 'multipart/related; type="application/dicom"'}
    with site.http() as http:
        while not over.is_set():
            began = time.monotonic()
            found, given = http.get(f"{study}/instances"), http.get(study, headers=parts)
            site.seen.folder.append(time.monotonic() - began)
            site.seen.refusals.update(str(a.status_code) for a in (found, given) if a.status_code != 200)
            time.sleep(0.02)


def _expect_down(site: Site, alias: str) -> None:
    """Its studies are 503 with a time to come again, its C-STORE A7xx: soon, and a second time at once."""
    for _ in range(3):
        began = time.monotonic()
        with site.http() as http:
            answer = http.get(f"/dicom-web/studies/{site.studies[alias]}")
        took = time.monotonic() - began
        told = answer.status_code, "Retry-After" in answer.headers
        expect(told == (503, True), f"{alias} is down", [told, answer.text[:200]])
        expect(took < SOON_SECONDS, f"{alias} is said to be down soon", [took])
        site.seen.slowest = max(site.seen.slowest, took)
    uid, _ = site.make(alias, f"2.25.{site.chance.getrandbits(120)}")
    (status,) = site.store(alias, [uid], lambda: None) or (-1,)
    expect(status >> 8 == 0xA7, f"a C-STORE to {alias} is A7xx", [hex(status)])


def _send_rest(site: Site) -> None:
    """Send everything again until it is taken or known."""
    until = time.monotonic() + PATIENCE_SECONDS
    for uid, (alias, _) in site.offered.items():
        while (answer := site.stow(alias, uid)).status_code != 200:
            if time.monotonic() > until:
                raise Wrong(f"{alias} takes nothing a minute after it was there again: {answer.status_code} {answer.text[:300]}")
            time.sleep(0.5)


def _check(site: Site) -> None:
    with contextlib.closing(site.accord.runtime()) as runtime:
        site.seen.recovery = max(site.seen.recovery, wait_settled(runtime))
        held, broken = _counts(runtime)
    expect(held.keys() == site.offered.keys(), "custody holds what was offered", held.keys() ^ site.offered.keys())
    expect(max(held.values()) == 1, "nothing is held twice", [uid for uid, count in held.items() if count > 1])
    expect(broken >= site.seen.retrievals["broke off"], "what broke off has a second record", [broken])
    for node in ("central", FIRST.lower(), SECOND.lower()):
        said = site.accord.run("admin", "node", "compare", node, "--digests", check=False)
        expect(said.returncode == 0, f"custody and {node} agree to the byte", [said.stdout, said.stderr])


def _counts(runtime: Runtime) -> tuple[Counter[str], int]:
    """How often each object is held, and how many uses broke off."""
    with runtime.store.read() as connection:
        held = Counter(connection.execute(select(t.custody.c.sop_uid).where(t.custody.c.state == State.HELD)).scalars())
        broken = connection.execute(select(func.count()).select_from(t.access).where(t.access.c.status == 500)).scalar_one()
    return held, broken


def fill(site: Site) -> None:
    """A study on each node."""
    for alias, count in ((DATASET, 1), (FIRST, LARGE), (SECOND, 1)):
        site.studies[alias] = f"2.25.{site.chance.getrandbits(120)}"
        for _ in range(count):
            answer = site.stow(alias, site.make(alias, site.studies[alias])[0])
            expect(answer.status_code == 200, "it is taken", [answer.text])


@contextlib.contextmanager
def made(chance: random.Random) -> Iterator[Site]:
    """A site with a study on each node."""
    with world.folder() as home, contextlib.ExitStack() as leave:
        accord = Accord(home / "accord", node_seconds=NODE_SECONDS, lease_seconds=2, quiet_seconds=3)
        site = Site(accord, home, chance, leave)
        site.govern()
        accord.start()
        leave.callback(accord.stop)
        fill(site)
        yield site


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with made(random.Random(args.seed)) as site:
        try:
            for _ in range(args.rounds):
                go(site)
        except Wrong as wrong:
            print(f"WRONG: {wrong}")
            return 1
        print(said(site, args.rounds))
    return 0


def said(site: Site, rounds: int) -> str:
    """The figures."""
    seen, told = site.seen, sorted(site.seen.folder)
    return (
        f"{rounds} rounds, {len(site.offered)} objects of 4 MB, each held once and sound. Retrievals of the killed node: "
        f"{dict(seen.retrievals)}; stores: {dict(seen.stored)}.\nDown was said within {seen.slowest:.1f} s. Meanwhile the folder "
        f"gave all {len(told)} times, {1000 * told[len(told) // 2]:.0f} ms at the median, {1000 * told[-1]:.0f} at most.\n"
        f"Under way after the last acknowledgement: at most {seen.recovery:.1f} s. "
        f"Complaints in the log: {site.accord.complaints()[:3] or 'none'}"
    )


if __name__ == "__main__":
    sys.exit(main())
