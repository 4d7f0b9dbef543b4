"""Holds each C-STORE's yes against the calls to the kernel before it: file, folder and log were flushed, in this order.

    python -m benchmarks.durable [--objects 60]

`strace` follows the DICOM door while four associations send small objects, each of its own study. For every response of status
0000, found by the SOP Instance UID in it: the object's file was flushed before it got its name, its folder after that, then the
thread that keeps it wrote to SQLite's log, and a flush of the log that began after the last such write ended before the response
was sent. The first yes that came too early ends it. Beside, what the flushes take.
"""

import argparse
import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from sqlalchemy import select

from adapters.sql import tables as t
from benchmarks import bench_store, objects, world
from benchmarks.accord import COMMAND
from tests import servers

ASSOCIATIONS = 4
_CALLS = "fsync,fdatasync,rename,sendto,pwrite64,write"
_LINE = re.compile(r"(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)(.*)")
_TOOK = re.compile(r" <(\d+\.\d+)>$")
_PATH = re.compile(r"\d+<([^>]*)>")
_NAMES = re.compile(r'"([^"]*)", "([^"]*)"')
_SENT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_INSTANCE = b"\0\0\0\x10"
"""(0000,1000) Affected SOP Instance UID."""
_SUCCESS = b"\0\0\0\x09\x02\0\0\0\0\0"
"""(0000,0900) Status 0000 in a command set (PS3.7 section 6.3.1)."""


class Wrong(Exception):
    """A yes that came too early."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the kernel: the thread, its name, its arguments as they are printed, when it began and when it ended."""

    thread: int
    name: str
    said: str
    began: float
    ended: float

    @property
    def path(self) -> str:
        """The file that its descriptor is of."""
        found = _PATH.search(self.said)
        return found[1] if found else ""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=60)
    args = parser.parse_args()
    with world.folder() as home:
        chosen = world.settings(home, "")
        runtime = world.governed(chosen, [bench_store.ALIAS])
        with world.accord(chosen, "serve") as root:
            folders = _written(home, args.objects)
            with _followed(_door(root), home / "calls") as followed:
                _send(folders, chosen.dimse_port)
        with runtime.store.read() as connection:
            places = dict(connection.execute(select(t.custody.c.sop_uid, t.custody.c.place)).all())
        runtime.close()
        calls = list(_calls(followed.read_text(errors="replace").splitlines()))
    try:
        spent = [_check(calls, *answer) for answer in _answers(calls, places)]
    except Wrong as wrong:
        print(f"WRONG: {wrong}")
        return 1
    if len(spent) != args.objects:
        print(f"WRONG: of {args.objects} objects, {len(spent)} were answered 0000")
        return 1
    file, folder, log = (1000 * median(each) for each in zip(*spent, strict=True))
    flushes = sum(call.name == "fdatasync" and call.path.endswith("-wal") for call in calls)
    print(
        f"{len(spent)} times 0000, each after its flushes: file {file:.1f} ms, folder {folder:.1f} ms, log {log:.1f} ms (medians,"
    )
    print(f"under strace); {flushes} flushes of the log in all.")
    return 0


def _written(home: Path, count: int) -> list[list[str]]:
    files: list[list[str]] = [[] for _ in range(ASSOCIATIONS)]
    for number, content in enumerate(objects.copies(objects.template(side=64), 1, count, count)):
        path = home / f"{number:05}.dcm"
        path.write_bytes(content)
        files[number % ASSOCIATIONS].append(str(path))
    return files


def _door(root: int) -> int:
    """The process that is the DICOM door."""
    for pid in world.processes(root):
        role = COMMAND.search(Path(f"/proc/{pid}/cmdline").read_bytes())
        if role and role[1] == b"dimse":
            return pid
    raise RuntimeError("there is no DICOM door")


@contextlib.contextmanager
def _followed(pid: int, into: Path) -> Iterator[Path]:
    command = [str(servers.find("strace")), "-f", "-ttt", "-T", "-y", "-x", "-s", "400", "-e", f"trace={_CALLS}", "-o", str(into)]
    tracer = subprocess.Popen([*command, "-p", str(pid)], stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield into
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()


def _send(folders: list[list[str]], port: int) -> None:
    program = [str(servers.find("storescu")), "-aet", "STORESCU", "-aec", bench_store.ALIAS, "127.0.0.1", str(port)]
    senders = [subprocess.Popen([*program, *files]) for files in folders]
    if any(sender.wait(600) for sender in senders):
        raise RuntimeError("an object was not taken")


def _calls(lines: list[str]) -> Iterator[Call]:
    """The calls, by their beginning where one line tells it and another its end."""
    begun: dict[int, tuple[float, str]] = {}
    for line in lines:
        if not (read := _LINE.fullmatch(line)):
            continue
        thread, at, name, said = int(read[1]), float(read[2]), read[3], read[4]
        if said.endswith("<unfinished ...>"):
            begun[thread] = at, said
        elif took := _TOOK.search(said):
            began, first = begun.pop(thread, (at, "")) if " resumed>" in said else (at, "")
            yield Call(thread, name, first + said, began, began + float(took[1]))


def _answers(calls: list[Call], places: dict[str, str]) -> Iterator[tuple[float, str]]:
    """When each 0000 was sent, and the place of the object that it is about."""
    for call in calls:
        payload = _SENT.search(call.said) if call.name == "sendto" else None
        if payload and _SUCCESS in (sent := bytes.fromhex(payload[1].replace("\\x", ""))):
            length, start = int.from_bytes(sent[(at := sent.index(_INSTANCE)) + 4 : at + 8], "little"), at + 8
            yield call.began, places[sent[start : start + length].rstrip(b"\0").decode()]


def _check(calls: list[Call], sent: float, place: str) -> tuple[float, float, float]:
    """Seconds of the flushes of an object's file, folder and log before it was answered. Raises Wrong where one is missing."""
    moves = [(call, _NAMES.search(call.said)) for call in calls if call.name == "rename" and place in call.said]
    if not moves or not (names := moves[0][1]):
        raise Wrong(f"{place} got its name unseen")
    moved = moves[0][0]
    file = _one(calls, "fsync", names[1], 0, moved.began, place)
    folder = _one(calls, "fsync", str(Path(names[2]).parent), moved.ended, sent, place)
    mine = [call for call in calls if call.thread == moved.thread and call.path.endswith("-wal") and "write" in call.name]
    wrote = [call.ended for call in mine if folder.ended <= call.began < sent]
    if not wrote:
        raise Wrong(f"{place} was answered before anything was written of it")
    log = _one(calls, "fdatasync", mine[0].path, max(wrote), sent, place)
    return file.ended - file.began, folder.ended - folder.began, log.ended - log.began


def _one(calls: list[Call], name: str, path: str, after: float, before: float, place: str) -> Call:
    """The first flush of this path that lies between two moments."""
    for call in calls:
        if call.name == name and call.path == path and after <= call.began and call.ended <= before:
            return call
    raise Wrong(f"{place} was answered without a flush of {Path(path).name}")


if __name__ == "__main__":
    sys.exit(main())
