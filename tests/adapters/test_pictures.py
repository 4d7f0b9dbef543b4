"""Children that draw: they are bounded and alone, replaced when they end, waited for briefly, and gone when their pool is."""

import os
import signal
import subprocess
import sys
import threading
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from adapters.pictures import pool as pools
from adapters.pictures.pool import Limits, Pool
from mappings.dicom.part10 import read_part10
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.source import PIECE
from mappings.failures import Busy, Invalid, NotAcceptable, NotFound, Unavailable
from tests.pictures import BASELINE, EXPLICIT, SAMPLES, encoded, render

SMALL = encoded(np.arange(64, dtype="u1").reshape(8, 8))
PICTURE = render(SMALL, EXPLICIT, media_type="image/jpeg")


@pytest.fixture(scope="module")
def shared():
    """A pool of one child, for what leaves it alive."""
    pool = Pool(1)
    yield pool
    pool.close()


@pytest.fixture
def made():
    """Makes pools of such limits, of one child each."""
    pools_made = []

    def make(**limits):
        pools_made.append(Pool(1, Limits(**limits)))
        return pools_made[-1]

    yield make
    for pool in pools_made:
        pool.close()


def draw(pool, dataset=SMALL, syntax=EXPLICIT, read=None, **asked):
    drawing = Drawing(syntax, len(dataset), **asked)
    return pool.draw(drawing, read or (lambda start, length: dataset[start : start + length]))


def child(pool):
    """The process id of the idle child; None where none was begun or kept."""
    idle = pool._idle.get()
    pool._idle.put(idle)
    return idle and idle._process.pid


def lives(pid):
    """Whether it runs, and is not only waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def bomb(scans=50_000):
    """A JPEG of 2048 × 2048 that passes over its image again and again, for nothing."""
    out = BytesIO()
    Image.new("L", (2048, 2048)).save(out, "JPEG", progressive=True)
    whole = out.getvalue()
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return encoded(np.zeros((2048, 2048), "u1"), BASELINE, PixelData=encapsulate([whole[:-2] + scan * scans + b"\xff\xd9"]))


def goes_on(pool):
    """Whether the next picture is drawn as ever."""
    return draw(pool) == PICTURE


def test_a_child_draws_what_is_drawn_here_though_it_can_open_no_file(shared):
    for name in (
        "ct/syntaxes/ctimage_deflated.dcm",
        "ct/syntaxes/ctimage_j2k_lossless.dcm",
        "ct/syntaxes/ctimage_jpeg_baseline.dcm",
        "ct/syntaxes/ctimage_jpegls_lossless.dcm",
        "mr/MR_small_bigendian.dcm",
        "mr/emri_small_rle.dcm",
        "seg/seg_ct_binary.dcm",
        "sm/sm_image.dcm",
    ):
        file = memoryview((SAMPLES / name).read_bytes())
        opened = read_part10(file)
        told = {"dataset_start": opened.dataset_start, "media_type": "image/png"}
        assert draw(shared, file, opened.transfer_syntax, **told) == render(opened.dataset, opened.transfer_syntax), name
        told["profile"] = "srgb"
        seen = render(opened.dataset, opened.transfer_syntax, profile="srgb")
        assert draw(shared, file, opened.transfer_syntax, **told) == seen, name


def test_a_child_has_no_environment_no_file_and_may_begin_nothing(made, monkeypatch):
    monkeypatch.setenv("ACCORD_SECRET", "secret")
    pool = made(megabytes=512)
    draw(pool)
    proc = Path(f"/proc/{child(pool)}")
    assert {line.partition("=")[0] for line in (proc / "environ").read_text().split("\0")} <= {*pools._ENVIRONMENT, ""}
    files = {name: os.readlink(proc / "fd" / name) for name in os.listdir(proc / "fd")}
    assert files.pop("0").startswith("socket:")
    assert set(files.values()) == {"/dev/null"}
    limits = {line[:25].strip(): line[26:].split()[:2] for line in (proc / "limits").read_text().splitlines()}
    for name in ("Max processes", "Max file size", "Max core file size"):
        assert limits[name] == ["0", "0"]
    assert limits["Max open files"] == ["3", "3"]
    assert limits["Max address space"] == [str(512 << 20)] * 2


@pytest.mark.parametrize(
    ("asked", "failure", "code"),
    [
        ({"frame": 2}, NotFound, "frame-not-found"),
        ({"window": (1.0, float("nan"), "LINEAR")}, Invalid, "window"),
        ({"syntax": BASELINE}, NotAcceptable, "pixels-undecodable"),
    ],
)
def test_what_a_child_refuses_is_refused_as_it_would_be_here(shared, asked, failure, code):
    with pytest.raises(failure) as refused:
        draw(shared, **asked)
    assert refused.value.code == code
    assert goes_on(shared)


def test_a_fault_of_ours_is_one_of_the_pools_and_says_where_it_was(shared):
    with pytest.raises(RuntimeError, match=r"in \w+\.py:\d+"):
        draw(shared, media_type="image/png", viewport="wide")
    assert goes_on(shared)


def test_more_memory_than_a_child_may_have_is_refused(made):
    pool = made(megabytes=220)
    with pytest.raises(NotAcceptable) as refused:
        draw(pool, encoded(np.zeros((8192, 8192), "u1")))
    assert refused.value.code == "pixels-too-large"
    assert goes_on(pool)


def test_more_time_than_a_picture_may_take_ends_its_child(made):
    pool = made(cpu=0)
    with pytest.raises(NotAcceptable, match="too long"):
        draw(pool, bomb(), BASELINE)
    assert child(pool) is None
    assert goes_on(pool)


@pytest.mark.parametrize(
    ("ending", "failure"),
    [(signal.SIGSEGV, NotAcceptable), (signal.SIGABRT, NotAcceptable), (signal.SIGKILL, Busy)],
)
def test_a_child_that_ends_is_replaced(made, ending, failure):
    pool = made()
    draw(pool)
    pid = child(pool)
    with pytest.raises(failure):
        draw(pool, read=lambda *_: os.kill(pid, ending) or b"")
    assert child(pool) is None
    assert goes_on(pool)


def test_a_child_that_ended_while_it_was_idle_is_not_missed(made):
    pool = made()
    draw(pool)
    os.kill(child(pool), signal.SIGKILL)
    while lives(child(pool)):
        time.sleep(0.01)
    assert goes_on(pool)


def test_a_child_that_does_nothing_is_ended_at_the_deadline(made, monkeypatch):
    monkeypatch.setattr(pools, "_LEAVE_SECONDS", 0.1)
    pool = made(wall=5)
    draw(pool)
    pool._idle.queue[0]._limits = Limits(wall=0.2)
    pid = child(pool)
    with pytest.raises(Busy):
        draw(pool, read=lambda *_: os.kill(pid, signal.SIGSTOP) or b"")
    assert child(pool) is None
    assert goes_on(pool)


def test_time_that_bytes_take_to_come_is_not_the_childs(made, monkeypatch):
    pool = made(wall=60)
    draw(pool)
    clock = time.monotonic
    away = [0.0]
    monkeypatch.setattr(pools.time, "monotonic", lambda: clock() + away[0])

    def slow(start, length):
        away[0] += 100
        return SMALL[start : start + length]

    assert draw(pool, read=slow) == PICTURE


def test_bytes_that_do_not_come_end_the_picture_and_not_the_child(shared):
    draw(shared)
    before = child(shared)

    def down(_start, _length):
        raise Unavailable("node-unavailable", "-")

    with pytest.raises(Unavailable):
        draw(shared, read=down)
    assert goes_on(shared)
    assert child(shared) == before


def test_who_finds_no_child_waits_briefly_and_hears_busy(made):
    pool = made(wait=0.05)
    begun, go_on = threading.Event(), threading.Event()

    def slow(start, length):
        begun.set()
        go_on.wait()
        return SMALL[start : start + length]

    first = threading.Thread(target=draw, args=(pool,), kwargs={"read": slow})
    first.start()
    begun.wait()
    try:
        with pytest.raises(Busy):
            draw(pool)
    finally:
        go_on.set()
        first.join()
    assert goes_on(pool)


@pytest.mark.parametrize(("limit", "most"), [("MAX_PICTURE", 20), ("MOST_PIECES", 1)])
def test_a_child_that_says_more_than_it_should_is_ended(made, monkeypatch, limit, most):
    pool = made()
    draw(pool)
    monkeypatch.setattr(pools, limit, most)
    with pytest.raises(NotAcceptable):
        draw(pool)
    assert child(pool) is None
    monkeypatch.undo()
    assert goes_on(pool)


def test_no_more_is_asked_for_at_once_than_a_piece(shared):
    asked = []
    huge = encoded(np.zeros((2048, 2048), "<u2"))
    draw(shared, huge, read=lambda start, length: asked.append(length) or huge[start : start + length])
    assert max(asked) <= PIECE
    assert sum(asked) >= 2 * 2048 * 2048


def test_a_child_is_replaced_after_so_many_pictures(made):
    pool = made(pictures=2)
    seen = [(goes_on(pool), child(pool)) for _ in range(3)]
    assert [ok for ok, _ in seen] == [True] * 3
    assert seen[0][1] is not None
    assert seen[1][1] is None
    assert seen[2][1] not in (None, seen[0][1])


def test_a_child_that_can_not_begin_is_our_fault_and_not_the_frames(made, monkeypatch):
    pool = made()
    monkeypatch.setattr(pools.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="status 1"):
        draw(pool)
    monkeypatch.setattr(pools.sys, "executable", "/nowhere")
    with pytest.raises(Busy):
        draw(pool)
    monkeypatch.undo()
    assert goes_on(pool)


def test_a_pool_that_is_closed_leaves_no_child():
    pool = Pool(2)
    draw(pool)
    pid = child(pool)
    pool.close()
    assert not lives(pid)


DRAWS_FOR_EVER = """
import threading
from tests.adapters.test_pictures import bomb, child, draw, Limits, Pool, BASELINE
pool, for_ever = Pool(2, Limits(cpu=1000)), bomb(500_000)
draw(pool)
idle = pool._idle.queue[-1]._process.pid
begun = threading.Event()
def told(start, length):
    begun.set()
    return for_ever[start : start + length]
threading.Thread(target=draw, args=(pool, for_ever, BASELINE, told), daemon=True).start()
begun.wait()
draw(pool)
print(idle, pool._idle.queue[-1]._process.pid, flush=True)
threading.Event().wait()
"""


def test_a_pool_that_is_killed_leaves_no_child_not_even_one_that_is_drawing():
    with subprocess.Popen([sys.executable, "-c", DRAWS_FOR_EVER], stdout=subprocess.PIPE, cwd=SAMPLES.parents[1]) as owner:
        assert owner.stdout is not None
        children = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(set(children)) == 2
        assert all(lives(pid) for pid in children)
        owner.kill()
    while any(lives(pid) for pid in children):
        time.sleep(0.01)
