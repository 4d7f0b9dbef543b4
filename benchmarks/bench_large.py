"""Memory that an object of 2 GB takes on its way in: by C-STORE and by STOW-RS, as native frames and as a slide of 50 000 tiles.

The slide is encapsulated and has no offset table. What a process held before is not counted: it is printed beside. Then its tiles
are read, each by its frame.
"""

import contextlib
import http.client
import io
import json
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import JPEGBaseline8Bit

from benchmarks import objects, world
from benchmarks.bench_store import ALIAS
from server.settings import Settings
from tests import servers

MOST = 100
"""Megabytes that it may take."""
FRAMES, TILES, TILE = 3_800, 50_000, 40_000
_PIECE = 1 << 20
_BOUNDARY = "accord-large"
_PIXELS = struct.Struct("<HH2s2xI")
_ITEM = struct.Struct("<HHI")
_UNDEFINED = 0xFFFFFFFF


def main() -> None:
    """Measure and print; an object that takes more than it may ends it."""
    args = world.options(__doc__ or "")
    print(f"# Objects of 2 GB\n\n{world.machine()}\n")
    rows = []
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen, file = world.settings(home, url), home / "large.dcm"
        runtime = world.governed(chosen, [ALIAS])
        world.client(runtime, "sender", None, f"hospital-{ALIAS.lower()}", "system/*.c", "")
        runtime.close()
        with world.accord(chosen, "serve") as pid:
            for number, (kind, door) in enumerate(product(KINDS, DOORS)):
                KINDS[kind](file, number)
                taken = world.taken(pid, partial(DOORS[door], chosen, file))
                figures = [f"{figure:.0f}" for figure in (file.stat().st_size / 1e6, taken.before, taken.peak)]
                rows.append([door, kind, *figures, f"{taken.seconds:.1f}"])
                assert taken.peak < MOST, f"{door} of {kind} took {taken.peak:.0f} MB"
            tiles = _read(chosen, pid, next(number for number, (kind, _) in enumerate(product(KINDS, DOORS)) if kind == SLIDE))
    world.table(("door", "object", "MB", "held before, MB", "taken, MB", "seconds"), rows)
    world.say(
        f"One object after the other into `accord serve` on {world.database_name(args)} and a folder node; of the process that",
        f"took most, its peak of resident memory (VmHWM, mapped files too) over what it held before. Must stay under {MOST} MB.",
    )
    world.table(("tile of 50 000", "ms"), tiles)
    world.say("Each asked for once, in this order, by a connection of its own; by its kept place and its own digest.")


def _read(chosen: Settings, root: int, number: int) -> list[list[object]]:
    """Milliseconds that the first, middle and last tiles take, and as many others."""
    study, series, instance = objects.uids(1 + number)
    of = f"{chosen.base_url}/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames"
    headers = {"Accept": 'multipart/related; type="image/jpeg"', **world.bearer(chosen, "inside")}
    rows: list[list[object]] = []

    def ask() -> None:
        for tile in (1, 2, TILES // 2, TILES - 1, TILES):
            began = time.perf_counter()
            body = world.get(f"{of}/{tile}", headers)
            rows.append([tile, f"{1000 * (time.perf_counter() - began):.1f}"])
            assert body.count(b"\xff\xd8" + bytes(TILE - 4) + b"\xff\xd9") == 1

    taken = world.taken(root, ask)
    rows.append(["all of these took", f"{taken.peak:.1f} MB"])
    return rows


# --- objects


def _native(file: Path, number: int) -> None:
    """Frames of 512 × 512 pixels of 16 bits, one after the other."""
    made = _described(number, FRAMES)
    size = FRAMES * made.Rows * made.Columns * 2
    _write(file, made, _PIXELS.pack(0x7FE0, 0x0010, b"OW", size), (bytes(_PIECE) for _ in range(size // _PIECE)))


def _slide(file: Path, number: int) -> None:
    """Tiles of a fragment each, behind an empty offset table (PS3.5 §A.4)."""
    made = _described(number, TILES)
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    head = _PIXELS.pack(0x7FE0, 0x0010, b"OB", _UNDEFINED) + _ITEM.pack(0xFFFE, 0xE000, 0)
    tile = _ITEM.pack(0xFFFE, 0xE000, TILE) + b"\xff\xd8" + bytes(TILE - 4) + b"\xff\xd9"
    _write(file, made, head, (tile for _ in range(TILES)), _ITEM.pack(0xFFFE, 0xE0DD, 0))


def _described(number: int, frames: int) -> Dataset:
    template = objects.template(frames=2)
    made = dcmread(io.BytesIO(next(objects.copies(template, 1 + number, 1))))
    del made.PixelData
    made.NumberOfFrames = frames
    return made


def _write(file: Path, made: Dataset, head: bytes, pieces: Iterator[bytes], tail: bytes = b"") -> None:
    dcmwrite(file, made, enforce_file_format=True)
    with file.open("ab") as target:
        target.write(head)
        target.writelines(pieces)
        target.write(tail)


SLIDE = "slide"
KINDS: dict[str, Callable[[Path, int], None]] = {"native frames": _native, SLIDE: _slide}


# --- doors


def _c_store(chosen: Settings, file: Path) -> None:
    syntax = "-xy" if dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID == JPEGBaseline8Bit else "-xe"
    program = [str(servers.find("storescu")), syntax, "-aet", "STORESCU", "-aec", ALIAS, "127.0.0.1", str(chosen.dimse_port)]
    done = subprocess.run([*program, str(file)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def _stow(chosen: Settings, file: Path) -> None:
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    length = str(len(head) + file.stat().st_size + len(tail))
    headers = {"Content-Type": kind, "Content-Length": length, **world.bearer(chosen, "sender")}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", chosen.port, timeout=600)) as connection:
        connection.request("POST", "/dicom-web/studies", _body(head, file, tail), headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    assert answer.status in (200, 202), said


def _body(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece
    yield tail


DOORS: dict[str, Callable[[Settings, Path], None]] = {"C-STORE": _c_store, "STOW-RS": _stow}


if __name__ == "__main__":
    main()
