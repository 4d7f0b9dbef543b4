"""A picture's file is read in pieces that are each believed, and whole where pieces would cost more."""

import numpy as np
import pytest
from sqlalchemy import delete, select

from adapters.nodes.folder import FolderNode
from adapters.sql import tables as t
from consent.subject import Role
from mappings.digests import BLOCK
from mappings.failures import Busy, NotFound, Unavailable
from server.usecases import pieces as reading
from server.usecases import render
from server.usecases.deliver import Wanted, grant
from server.usecases.pieces import Pieces
from server.usecases.render import Picture
from server.usecases.take import take
from tests import builders

IMAGE = Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1")
FRAMES, SIDE = 20, 512
PIXELS = np.random.default_rng(1).integers(0, 255, (FRAMES, SIDE, SIDE), "u1")
FILE = builders.made(Rows=SIDE, Columns=SIDE, NumberOfFrames=FRAMES, PixelData=PIXELS.tobytes())


@pytest.fixture
def asked(monkeypatch):
    """(start, length) of what the node was asked for."""
    ranges, really = [], FolderNode.open

    def opened(self, place, size, start=0, length=None):
        ranges.append((start, length))
        return really(self, place, size, start, length)

    monkeypatch.setattr(FolderNode, "open", opened)
    return ranges


@pytest.fixture
def held(built):
    """A runtime that holds an object of twenty frames, five megabytes."""
    assert take(built, builders.batch(built), "a", FILE).outcome == "pass"
    return built


def pieces(runtime, frame=1):
    stored = grant(runtime, builders.caller(Role.PROVIDER), IMAGE, Picture().action).objects[0]
    return Pieces(runtime, stored.copy, frame)


def test_a_picture_asks_for_the_first_block_and_its_frame_and_no_more(held, asked):
    assert render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture(frame=15))
    assert asked[:2] == [(0, BLOCK), pieces(held, 15).span]
    assert len(asked) == 4, "the last two are this test's own"


def test_where_a_frame_lies_is_known(held):
    start, length = pieces(held, 3).span
    assert bytes(FILE[start : start + length]) == PIXELS[2].tobytes()
    assert pieces(held, FRAMES + 1).span is None


def test_a_piece_is_the_files_own_bytes_and_ends_with_it(held):
    for start in (0, 5, BLOCK - 3, BLOCK, 3 * BLOCK + 1, len(FILE) - 7, len(FILE), len(FILE) + 9):
        for length in (0, 1, 10, BLOCK, 2 * BLOCK + 5, len(FILE)):
            assert pieces(held).read(start, length) == FILE[start : start + length], (start, length)


def test_a_file_that_is_asked_for_in_too_many_pieces_is_read_whole_once(held, asked):
    read = pieces(held).read
    for n in range(reading.MOST_PIECES * 3):
        at = 2 * BLOCK + 100 * n
        assert read(at, 100) == FILE[at : at + 100]
    assert len(asked) == 1 + reading.MOST_PIECES + 1
    assert asked[-1] == (0, None)


def test_a_file_whose_parts_have_no_digests_is_read_whole_once(held, asked):
    with held.store.write() as connection:
        connection.execute(delete(t.part_digests))
    read = pieces(held).read
    assert read(3 * BLOCK, 10) == FILE[3 * BLOCK : 3 * BLOCK + 10]
    assert read(0, 10) == FILE[:10]
    assert asked == [(0, None)]


def test_a_frame_that_is_not_what_came_is_no_picture(held):
    with held.store.read() as connection:
        place = connection.execute(select(t.custody.c.place)).scalar_one()
    (path,) = held.settings.data_dir.rglob(place)
    content = bytearray(path.read_bytes())
    content[-2000] ^= 1
    path.write_bytes(content)
    assert render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture(frame=1))
    with pytest.raises(Unavailable) as refused:
        render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture(frame=FRAMES))
    assert refused.value.code == "object-damaged"


def test_a_node_that_is_down_says_so_before_a_child_is_waited_for(held, monkeypatch):
    def down(*_):
        raise Unavailable("node-unavailable", "-")

    taken = [held.pictures._idle.get() for _ in range(held.settings.pictures)]
    monkeypatch.setattr(FolderNode, "open", down)
    with pytest.raises(Unavailable):
        render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture())
    for child in taken:
        held.pictures._idle.put(child)


def test_who_finds_every_child_drawing_hears_busy_and_it_is_no_use(held, monkeypatch):
    taken = [held.pictures._idle.get() for _ in range(held.settings.pictures)]
    monkeypatch.setattr(held.pictures, "_limits", type(held.pictures._limits)(wait=0.05))
    with pytest.raises(Busy):
        render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture())
    for child in taken:
        held.pictures._idle.put(child)
    with held.store.read() as connection:
        assert connection.execute(select(t.access)).all() == []


@pytest.mark.parametrize("frame", [0, -1, 2**31, 10**30])
def test_a_frame_that_no_object_has_is_not_found(held, frame):
    """A path may name any number; a database counts no further than 32 bits, and SQLite from the end below one."""
    assert pieces(held, frame).span is None
    with pytest.raises(NotFound):
        render.render(held, builders.caller(Role.PROVIDER), IMAGE, Picture(frame=frame))


def test_a_frame_is_there_before_a_child_is_waited_for_unless_it_is_large(held, asked, monkeypatch):
    """A node that drips would hold what draws for all nodes."""
    one = pieces(held, 15)
    assert asked == [(0, BLOCK), one.span]
    assert bytes(one.read(*one.span)) == PIXELS[14].tobytes()
    assert len(asked) == 2
    monkeypatch.setattr(reading, "AHEAD", SIDE * SIDE - 1)
    large = pieces(held, 15)
    assert len(asked) == 3
    assert bytes(large.read(*large.span)) == PIXELS[14].tobytes()
