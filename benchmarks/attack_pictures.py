"""What hostile or large pictures can cost: the memory of previews of one large object, the time of frames that are corrupt.

    python -m benchmarks.attack_pictures [--seconds 5]

`LARGE_FRAMES` frames are previewed by eight at once, natively and in fragments without an offset table; frames of 64 × 64 whose
JPEG-LS code stream says another size behind a fill byte, and one that is a bomb of scans, are asked for one after the other; and
a CT slice is rendered as it is any day.
"""

import argparse
import io
import json
import struct
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import jpeg_ls
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate

from benchmarks import objects, world
from server.settings import Settings
from server.usecases import document
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders

LARGE_FRAMES, EIGHT, SIX = 600, 8, 6
JPEG_LS, JPEG_BASELINE = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.50"
Made = TypeVar("Made")
NATIVE, FRAGMENTS, SLICE, BOMB, CORRUPT = 1, 2, 3, 4, 10
"""Numbers of the objects, each alone in its study."""


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# Pictures under attack\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ("LUNG",))
        sizes = {number: _deposit(runtime, number, made) for number, made in _objects()}
        document.rebuild(runtime)
        runtime.close()
        with world.accord(chosen, "web") as pid:
            _slices(args, chosen, pid)
            for name, number in (("native", NATIVE), ("fragments", FRAGMENTS)):
                _previews(chosen, pid, f"{EIGHT} previews at once, {name}, {sizes[number] / 1e6:.0f} MB", number)
            _alone(chosen, pid)


# --- objects


def _objects() -> Iterator[tuple[int, bytes]]:
    yield NATIVE, objects.template(LARGE_FRAMES)
    one = np.frombuffer(dcmread(builders.DICOM / "ct/liver/01.dcm").PixelData, "<i2").reshape(512, 512).astype("<u2")
    noise = np.random.default_rng(1).integers(0, 4096, (512, 512)).astype("<u2")
    yield FRAGMENTS, _encapsulated([bytes(jpeg_ls.encode(one ^ noise))] * LARGE_FRAMES, JPEG_LS, 512)
    yield SLICE, objects.template()
    yield BOMB, _encapsulated([_scans(4096, 20_000)], JPEG_BASELINE, 4096, 8)
    for number in range(SIX):
        yield CORRUPT + number, _encapsulated([_other_size(20_000 + 3_000 * number)], JPEG_LS, 64)


def _encapsulated(frames: list[bytes], syntax: str, side: int, bits: int = 16) -> bytes:
    made = dcmread(io.BytesIO(objects.template(side=64)))
    made.file_meta.TransferSyntaxUID = syntax
    made.Rows = made.Columns = side
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = bits, bits, bits - 1, 0
    made.NumberOfFrames = len(frames)
    made.PixelData = encapsulate(frames, has_bot=False)
    made["PixelData"].is_undefined_length = True
    held = io.BytesIO()
    made.save_as(held, enforce_file_format=True)
    return held.getvalue()


def _other_size(rows: int) -> bytes:
    """A JPEG-LS code stream of 64 × 64 in which who does not know fill bytes finds 64 × 64, and a decoder rows × 65,000."""
    right = bytes(jpeg_ls.encode(np.zeros((64, 64), "<u2") + 7))
    frame = bytearray(right[2:15])
    struct.pack_into(">HH", frame, 5, rows, 65_000)
    stream = bytearray(b"\xff\xd8\xff" + frame + right[15:25] + b"\x55" * 63_300)
    stream[63_236:63_249] = b"\x7f" + right[3:15]
    return bytes(stream) + b"\xff\xd9"


def _scans(side: int, count: int) -> bytes:
    """A progressive JPEG whose many empty scans each pass over the whole image."""
    held = io.BytesIO()
    Image.new("L", (side, side)).save(held, "JPEG", progressive=True)
    whole = held.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + b"\xff\xd9"


def _deposit(runtime: Runtime, number: int, made: bytes) -> int:
    (file,) = objects.copies(made, number, 1)
    taken = take(runtime, builders.batch(runtime, attested=True, provider="hospital-lung"), f"{number}.dcm", memoryview(file))
    assert taken.outcome == "pass", taken.sentence
    return len(file)


# --- asking


def _url(chosen: Settings, number: int, frame: int = 1) -> str:
    study, series, instance = objects.uids(number)
    path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/{frame}/rendered"
    return f"{chosen.base_url}{path}?accept=image/jpeg"


def _ask(url: str, token: dict[str, str]) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=token), timeout=300) as answer:  # noqa: S310 - our own
            answer.read()
            return str(answer.status)
    except urllib.error.HTTPError as refused:
        return f"{refused.code} {json.loads(refused.read())['detail']}"


def _slices(args: argparse.Namespace, chosen: Settings, pid: int) -> None:
    """A CT slice on one connection, and on two for each core."""
    rows = []
    for connections in (1, 4):
        f = world.drive(_url(chosen, SLICE), world.bearer(chosen, "inside"), connections, args.seconds, (pid,))
        rows.append((connections, f"{f.rate:.1f}", f"{f.p50:.1f}", f"{f.p99:.1f}", f"{f.cpu:.1f}"))
    world.table(("a CT of 512 x 512: connections", "pictures/s", "p50 ms", "p99 ms", "CPU ms"), rows)


def _previews(chosen: Settings, pid: int, name: str, number: int) -> None:
    """One preview of each of eight frames, spread over the object, at once, three times."""
    token, answers = world.bearer(chosen, "inside"), Counter[str]()
    before = world.memory(pid)

    def ask_all() -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(EIGHT) as pool:
            frames = range(LARGE_FRAMES // EIGHT, LARGE_FRAMES + 1, LARGE_FRAMES // EIGHT)
            answers.update(pool.map(lambda frame: _ask(_url(chosen, number, frame), token), frames))
        return time.perf_counter() - began

    took, most = _peak(pid, lambda: [ask_all() for _ in range(3)])
    rows = [(f"{before / 1e6:.0f}", f"{most / 1e6:.0f}", ", ".join(f"{seconds:.2f}" for seconds in took), dict(answers))]
    world.table((name + ": server MB before", "peak MB", "seconds", "answers"), rows)


def _alone(chosen: Settings, pid: int) -> None:
    """Each corrupt frame, asked for alone."""
    rows = []
    for number in (*range(CORRUPT, CORRUPT + SIX), BOMB):
        token, began = world.bearer(chosen, "inside"), time.perf_counter()
        answered, most = _peak(pid, partial(_ask, _url(chosen, number), token))
        name = "JPEG, a bomb of scans" if number == BOMB else f"JPEG-LS {number - CORRUPT + 1}"
        rows.append((name, f"{time.perf_counter() - began:.2f}", f"{most / 1e6:.0f}", answered))
    world.table(("corrupt frame", "seconds", "server's peak MB", "answered"), rows)


def _peak(pid: int, work: Callable[[], Made]) -> tuple[Made, int]:
    """What `work` gives, and the most that the server and all below it held meanwhile."""
    held, ended = [world.memory(pid)], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            held.append(world.memory(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        return work(), max(held)
    finally:
        ended.set()
        watching.join()


if __name__ == "__main__":
    main()
