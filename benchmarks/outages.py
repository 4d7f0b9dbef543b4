"""What is under a server fails while three doors push: a full disk, a killed database, a second server on its directory.

    python -m benchmarks.outages [--rounds 10] [--seed N]

Rounds and checks are those of `benchmarks.kills`; only what befalls the server in each is another. The full disk is a small file
system in memory (needs root), filled to its last byte for some seconds. PostgreSQL loses a backend to kill -9, so it throws every
connection out and recovers from its log. The second server works on the same directory and database as the first, at ports of its
own; half of the senders go to it, and it is killed and started again.
"""

import argparse
import contextlib
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from benchmarks import world
from benchmarks.accord import Accord
from benchmarks.kills import Run, expect, said
from benchmarks.senders import DOORS, Made, Maker, Wrong
from tests.servers import find, free_port

SMALL = 96_000_000
"""Bytes of the disk that is filled."""
FULL_SECONDS = 3


class FullDisk(Run):
    """Its disk has no byte left for some seconds."""

    def _kill(self) -> str:
        ballast = self.accord.folder / "ballast"
        time.sleep(self.chance.uniform(0, 1.5))
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        time.sleep(self.chance.uniform(0, FULL_SECONDS))
        ballast.unlink()
        return "full disk"


class LostDatabase(Run):
    """Its PostgreSQL is killed and recovers."""

    def _kill(self) -> str:
        time.sleep(self.chance.uniform(0, 1.5))
        with self.runtime.store.read() as connection:
            named = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            backends = list(connection.execute(text(named)).scalars())
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.chance.choice(backends), signal.SIGKILL)
        return "PostgreSQL"


class SecondServer(Run):
    """Another server has the same directory; senders go to either, and one of the two is killed."""

    other: Accord

    def _send(self, door: str, objects: list[Made]) -> None:
        half = len(objects) // 2
        there = threading.Thread(target=self._send_to, args=(self.other, door, objects[:half]))
        there.start()
        self._send_to(self.accord, door, objects[half:])
        there.join()

    def _send_to(self, accord: Accord, door: str, objects: list[Made]) -> None:
        try:
            DOORS[door](accord, objects, self.heard)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the round is
            self.failed.append(error)

    def _kill(self) -> str:
        time.sleep(self.chance.uniform(0, 1.5))
        killed = self.chance.choice([self.accord, self.other])
        killed.kill()
        killed.start()
        return "first server" if killed is self.accord else "second server"


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of `SMALL` bytes, in memory."""
    folder = Path(tempfile.mkdtemp(prefix="accord-full-"))
    subprocess.run([find("mount"), "-t", "tmpfs", "-o", f"size={SMALL},mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run([find("umount"), "--lazy", folder], check=True)
        folder.rmdir()


def go(kind: type[Run], rounds: int, seed: int, folder: Path, database: str = "") -> None:
    """So many rounds of one kind, told of. Raises Wrong."""
    began, chance = time.monotonic(), random.Random(seed)
    accord = Accord(folder, attested=True, database_url=database, lease_seconds=2, quiet_seconds=3)
    files = Path(tempfile.mkdtemp(prefix="accord-files-"))
    made = kind(accord, accord.runtime(), chance, Maker(chance, files))
    servers = [accord]
    if isinstance(made, SecondServer):
        made.other = _beside(accord)
        servers.append(made.other)
    for server in servers:
        server.start()
    try:
        for number in range(rounds):
            made.round(number)
        verified = accord.run("ledger", "verify", check=False)
        expect(verified.returncode == 0, "the ledger is whole", [verified.stdout])
    finally:
        for server in servers:
            server.stop()
        made.runtime.close()
    told, _, _ = said(made, time.monotonic() - began).replace("kills", "outages").partition(" Complaints")  # each is one
    print(told, flush=True)
    shutil.rmtree(files)


def _beside(accord: Accord) -> Accord:
    """Another server on the same directory and database, with ports and a log of its own."""
    other = copy.copy(accord)
    other.port, other.dimse_port, other.process = free_port(), free_port(), None
    other.url, other.log = f"http://127.0.0.1:{other.port}", accord.folder / "log of the second"
    ports = {"ACCORD_PORT": str(other.port), "ACCORD_DIMSE_PORT": str(other.dimse_port), "ACCORD_PUBLIC_URL": accord.url}
    other.environment = accord.environment | ports
    return other


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    try:
        with small_disk() as folder:
            go(FullDisk, args.rounds, args.seed, folder / "accord")
        with world.folder() as folder, world.database(postgresql=True) as url:
            go(LostDatabase, args.rounds, args.seed, folder / "accord", url)
        with world.folder() as folder:
            go(SecondServer, args.rounds, args.seed, folder / "accord")
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
