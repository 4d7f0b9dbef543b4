"""Kill -9 at random while three doors push, and push on: counts stay exact and nothing acknowledged is lost.

    python -m benchmarks.kills [--rounds 100] [--seed N] [--data DIR] [--postgresql] [--orthanc]

Each round offers fresh objects by C-STORE, STOW-RS and `accord push` at once, some of them for the second time, kills one process
(or the whole session) at a random moment, starts again what does not start by itself, and lets every sender go on until all is
acknowledged. Then, when the worker has recovered what was under way, custody, index, receipts and node are held against each
other and against what the senders heard. The first thing that is wrong ends it, with the seed and the folder to look into.

The index is in SQLite and the pixels in a folder, or in a private PostgreSQL and a private Orthanc.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, func, select
from tqdm import tqdm

from adapters.sql import tables as t
from benchmarks import world
from benchmarks.accord import Accord
from benchmarks.senders import DOORS, Heard, Made, Maker, Wrong
from consent.custody import FINAL, UNFINISHED, State
from consent.deposit import Code, Outcome
from mappings.failures import Failure
from server.usecases.runtime import Runtime

OBJECTS = 12
"""New objects of each door in a round."""
AGAIN = 3
"""Objects of an earlier round that each door sends again, and new ones of the next door that it sends at the same time."""
ROLES = ("serve", "web", "web worker", "dimse", "worker", "everything")
PATIENCE_SECONDS = 60
PORT_SECONDS = 2


# --- killing


def kill(accord: Accord, role: str, chance: random.Random) -> bool:
    """Kill -9 one process of this role, or all; whether there was one. Starts again what nobody supervises."""
    if role == "everything":
        accord.kill()
    else:
        chosen = [p for p in accord.alive() if p.role == role]
        if not chosen:
            return False
        os.kill(chance.choice(chosen).pid, signal.SIGKILL)
    if role in ("serve", "everything"):
        if accord.process:
            accord.process.wait()
        _free(accord)
        accord.start()
    return True


def _free(accord: Accord) -> None:
    until = time.monotonic() + PORT_SECONDS
    while not accord.ports_free() or accord.alive():
        if time.monotonic() > until:
            raise Wrong(f"{PORT_SECONDS} s after the end of the supervisor there is still {accord.alive()}.")
        time.sleep(0.05)


# --- checking


def settled(runtime: Runtime) -> bool:
    """Whether nothing is under way: no claim, no open batch, nothing to purge, every leaf in its place."""
    waiting = (
        select(func.count()).select_from(t.custody).where(t.custody.c.state.in_(UNFINISHED)),
        select(func.count()).select_from(t.batch).where(t.batch.c.closed.is_(None)),
        select(func.count()).select_from(t.ledger_leaf).where(t.ledger_leaf.c.position.is_(None)),
    )
    with runtime.store.read() as connection:
        return not any(connection.execute(question).scalar_one() for question in waiting)


def wait_settled(runtime: Runtime) -> float:
    """The seconds until nothing was under way any more."""
    began = time.monotonic()
    while not settled(runtime):
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise Wrong("Something is still under way a minute after the last sender was done.")
        time.sleep(0.1)
    return time.monotonic() - began


def check(runtime: Runtime, offered: dict[str, Made], heard: Heard) -> None:
    """Hold custody, receipts, index and nodes against each other and against what the senders heard. Raises Wrong."""
    with runtime.store.snapshot() as connection:
        rows = connection.execute(select(t.custody)).all()
        states = Counter(row.sop_uid for row in rows if row.state != State.REFUSED)
        held = {row.sop_uid for row in rows if row.state == State.HELD}
        review = {row.sop_uid for row in rows if row.state == State.REVIEW}
        indexed = Counter(connection.execute(select(t.instance.c.sop_uid)).scalars())
        receipts = connection.execute(select(t.receipt.c.sop_uid, t.receipt.c.outcome, t.receipt.c.rule)).all()
        counted = _counted(connection)
    expect(states.keys() == offered.keys(), "custody holds what was offered", states.keys() ^ offered.keys())
    expect(
        heard.acknowledged.keys() <= held | review,
        "what was acknowledged is held or in review",
        heard.acknowledged.keys() - held - review,
    )
    expect(max(states.values(), default=1) == 1, "nothing is in custody twice", [u for u, n in states.items() if n > 1])
    expect(max(indexed.values(), default=1) == 1, "nothing is indexed twice", [u for u, n in indexed.items() if n > 1])
    expect(indexed.keys() == held, "what is held is indexed, and nothing else", indexed.keys() ^ held)
    _check_receipts([tuple(r) for r in receipts], held, review, heard)
    expect(counted == len(indexed), "the studies' counts are exact", [counted, len(indexed)])
    _check_bytes(runtime, [row for row in rows if row.state not in FINAL])


def _counted(connection: Connection) -> int:
    by_series = connection.execute(select(func.sum(t.series.c.instances))).scalar_one() or 0
    by_study = connection.execute(select(func.sum(t.study.c.instances))).scalar_one() or 0
    expect(by_series == by_study, "series and studies count the same", [by_series, by_study])
    return int(by_study)


def _check_receipts(receipts: list[tuple[str, str, str]], held: set[str], review: set[str], heard: Heard) -> None:
    first = Counter(uid for uid, outcome, rule in receipts if outcome != Outcome.DUPLICATE and rule != Code.WAITING)
    every = Counter(uid for uid, _, _ in receipts)
    expect({o for _, o, _ in receipts} <= set(Outcome) - {Outcome.REJECT}, "nothing was refused", {o for _, o, _ in receipts})
    expect(first.keys() == held | review, "what is in care has a receipt", first.keys() ^ (held | review))
    expect(max(first.values(), default=1) == 1, "each object was taken once", [u for u, n in first.items() if n > 1])
    short = [uid for uid, times in heard.acknowledged.items() if every[uid] < times]
    expect(not short, "each acknowledgement has its receipt", short)


def _check_bytes(runtime: Runtime, rows: Sequence[object]) -> None:
    places = {False: set(), True: set()}
    for row in rows:
        places[row.quarantined].add(row.place)
        with runtime.store.read() as connection:
            node = runtime.quarantine if row.quarantined else runtime.node(connection, row.node)
        try:
            with node.open(row.place, row.size) as file:
                same = sha256(file.read()).digest() == row.file_digest
        except Failure as failure:
            raise Wrong(f"{row.sop_uid} is {row.state}, but its node says: {failure}") from failure
        expect(same, "a node holds what it was given", [row.sop_uid])
    with runtime.store.read() as connection:
        nodes = {False: runtime.node(connection, rows[0].node), True: runtime.quarantine}
    for quarantined, node in nodes.items():
        expect(set(node.places()) == places[quarantined], "a node holds nothing else", set(node.places()) ^ places[quarantined])


def expect(true: bool, what: str, otherwise: Iterable[object]) -> None:
    """Raise Wrong with examples unless it is true."""
    if not true:
        raise Wrong(f"Not true: {what}. For example {list(otherwise)[:3]}")


# --- rounds


@dataclass
class Run:
    """One run: the server, its files, what was offered and what was heard."""

    accord: Accord
    runtime: Runtime
    chance: random.Random
    maker: Maker
    offered: dict[str, Made] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    failed: list[BaseException] = field(default_factory=list)
    recovery: list[float] = field(default_factory=list)

    def round(self, number: int) -> None:
        """Offer, kill, push on, wait, check."""
        sending = [threading.Thread(target=self._send, args=(door, some)) for door, some in self._offers(number).items()]
        for thread in sending:
            thread.start()
        killer = self._kill()
        for thread in sending:
            thread.join()
        if self.failed:
            raise self.failed[0]
        self.accord.wait()
        self.recovery.append(wait_settled(self.runtime))
        check(self.runtime, self.offered, self.heard)
        self.heard.killed[killer] += 1

    def _offers(self, number: int) -> dict[str, list[Made]]:
        """Fresh objects of two studies for each door, some of the next door's, and some of earlier rounds."""
        earlier, studies = list(self.offered.values()), [self.maker.uid(), self.maker.uid()]
        fresh = {door: self.maker.make(f"{number:04}/{door}", OBJECTS, studies) for door in DOORS}
        self.offered |= {made.sop_uid: made for some in fresh.values() for made in some}
        doors = list(DOORS)
        shared = {door: fresh[following][:AGAIN] for door, following in zip(doors, doors[1:] + doors[:1], strict=True)}
        again = {door: self.chance.sample(earlier, min(AGAIN, len(earlier))) for door in doors}
        return {door: self.chance.sample(all_ := [*fresh[door], *shared[door], *again[door]], len(all_)) for door in doors}

    def _send(self, door: str, objects: list[Made]) -> None:
        try:
            DOORS[door](self.accord, objects, self.heard)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the round is
            self.failed.append(error)

    def _kill(self) -> str:
        """Kill when a random number of the round's files has been told of; a role that is just starting again is waited for."""
        role, until = self.chance.choice(ROLES), time.monotonic() + PATIENCE_SECONDS
        some = self._told() + self.chance.randrange(len(DOORS) * OBJECTS)
        while self._told() < some and time.monotonic() < until:
            time.sleep(0.003)
        time.sleep(self.chance.uniform(0, 0.05))
        while not kill(self.accord, role, self.chance):
            if time.monotonic() > until:
                raise Wrong(f"There is no process {role!r} any more.")
            time.sleep(0.1)
        return role

    def _told(self) -> int:
        with self.runtime.store.read() as connection:
            return connection.execute(select(func.count()).select_from(t.receipt)).scalar_one()


def run(rounds: int, seed: int, folder: Path, database: str = "", node: Sequence[str] = ()) -> Run:
    """So many rounds over a fresh server in this folder, and the ledger recomputed. Raises Wrong."""
    chance = random.Random(seed)
    accord = Accord(folder, attested=True, node=node, database_url=database, lease_seconds=2, quiet_seconds=3)
    made = Run(accord, accord.runtime(), chance, Maker(chance, folder / "files"))
    accord.start()
    try:
        with tqdm(range(rounds), desc="kill -9", unit="kill", disable=None) as bar:
            for number in bar:
                made.round(number)
                bar.set_postfix(objects=len(made.offered), recovery=f"{made.recovery[-1]:.1f} s")
        verified = accord.run("ledger", "verify", check=False)
        print(verified.stdout.strip())
        expect(verified.returncode == 0, "the ledger is whole", [verified.stdout])
    finally:
        accord.stop()
    expect(accord.ports_free(), "nobody keeps a port", [accord.port, accord.dimse_port])
    expect(not accord.alive(), "nobody is left", accord.alive())
    return made


def said(made: Run, seconds: float) -> str:
    """The figures."""
    heard, slowest = made.heard, max(made.recovery, default=0)
    named = ", ".join(f"{count} × {role}" for role, count in sorted(heard.killed.items()))
    tries = ", ".join(f"{door} {count}" for door, count in sorted(heard.cut_off.items())) or "none"
    complaints = Counter(line[:90] for line in made.accord.complaints() if "process ended" not in line)
    return (
        f"{heard.killed.total()} kills in {seconds:.0f} s ({named}): {len(made.offered)} objects, each in care once, none lost;\n"
        f"{heard.acknowledged.total()} acknowledgements, each with its receipt; sent again after being cut off: {tries};\n"
        f"under way after the last acknowledgement: at most {slowest:.1f} s. Complaints in the log: {dict(complaints) or 'none'}"
    )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--data", type=Path, help="an empty folder for the server and its files; kept")
    parser.add_argument("--postgresql", action="store_true", help="on a private PostgreSQL instead of SQLite")
    parser.add_argument("--orthanc", action="store_true", help="with a private Orthanc as node instead of a folder")
    args = parser.parse_args()
    folder = args.data or Path(tempfile.mkdtemp(prefix="accord-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {args.seed}, in {folder}", flush=True)
    began = time.monotonic()
    try:
        with world.database(postgresql=args.postgresql) as url, world.node(folder, orthanc=args.orthanc) as node:
            made = run(args.rounds, args.seed, folder, url, node)
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        return 1
    print(said(made, time.monotonic() - began))
    if args.data is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
