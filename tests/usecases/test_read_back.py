"""Nothing that a node gives is believed but by its digest: a changed byte leaves by no door, and is told of."""

import os
from collections import deque
from io import BytesIO

import pytest
from sqlalchemy import delete

from adapters.nodes.folder import FolderNode
from adapters.nodes.orthanc import OrthancNode
from adapters.sql import tables as t
from consent.subject import Role
from mappings.digests import BLOCK
from mappings.failures import Unavailable
from server.usecases import render
from server.usecases.deliver import Wanted, deliver
from server.usecases.read_back import CHUNK, node_of, read_back, read_part, stream_part
from server.usecases.render import Picture
from tests import builders
from tests.builders import made
from tests.deposits import deposit, frame_of, in_care

FRAME = 512 * 512
LARGE = made(Rows=512, Columns=512, NumberOfFrames="6", PixelData=b"".join(bytes([n]) * FRAME for n in range(6)))
PROVIDER = builders.caller(Role.PROVIDER)


@pytest.fixture
def copy(built):
    """Where a large object of six frames rests."""
    assert deposit(built, LARGE) == ("pass", "declared")
    return in_care(built).copy


def path_of(runtime, copy):
    return runtime.settings.data_dir / "central/objects" / copy.place[:2] / copy.place


def damage(runtime, copy, at):
    """Change one byte on the node's disk."""
    with path_of(runtime, copy).open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def is_damaged(runtime, uid="1.2.3.1.1"):
    return in_care(runtime, uid).damaged is not None


class Endless(BytesIO):
    """A node's answer that never ends."""

    sent = 0

    def read(self, size=-1):
        self.sent += size
        return bytes(size)


def test_a_large_object_has_the_digests_of_its_blocks_and_frames(built, copy):
    with built.store.read() as connection:
        kept = connection.execute(t.part_digests.select()).one()
    assert (kept.custody, len(kept.blocks), len(kept.frames)) == (copy.custody, 2 * 32, 6 * 48)


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 10), (BLOCK - 5, 10), (BLOCK, 100), (0, len(LARGE)), (len(LARGE) - 3, 3), (len(LARGE) - 3, 100), (BLOCK, 0)],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_part_is_what_came(built, copy, kept, start, length):
    if not kept:
        with built.store.write() as connection:
            connection.execute(delete(t.part_digests))
    assert read_part(built, copy, start, length) == LARGE[start : start + length]


def test_a_part_of_a_small_object_is_what_came(built):
    deposit(built, made())
    assert read_part(built, in_care(built).copy, 128, 4) == b"DICM"


def test_a_part_is_believed_by_the_blocks_it_touches_and_by_no_other(built, copy):
    damage(built, copy, BLOCK + 3)
    assert read_part(built, copy, BLOCK - 10, 10) == LARGE[BLOCK - 10 : BLOCK]
    assert not is_damaged(built)
    with pytest.raises(Unavailable, match="damaged"):
        read_part(built, copy, BLOCK - 10, 11)
    assert is_damaged(built)


RANGES = [(0, 10), (BLOCK - 5, BLOCK + 5), (BLOCK, BLOCK + 100), (0, len(LARGE)), (len(LARGE) - 3, len(LARGE))]


@pytest.mark.parametrize(("start", "stop"), RANGES)
@pytest.mark.parametrize("kept", [True, False])
def test_a_range_that_is_streamed_is_what_came(built, copy, kept, start, stop):
    if not kept:
        with built.store.write() as connection:
            connection.execute(delete(t.part_digests))
    chunks = list(stream_part(built, copy, start, stop))
    assert b"".join(chunks) == LARGE[start:stop]
    assert not kept or max(map(len, chunks)) <= BLOCK, "whatever its length, a block at a time"


def test_a_range_is_believed_block_by_block_and_breaks_off_at_a_damaged_one(built, copy):
    damage(built, copy, BLOCK + 3)
    chunks = stream_part(built, copy, 5, len(LARGE))
    assert next(chunks) == LARGE[5:BLOCK]
    assert not is_damaged(built)
    with pytest.raises(Unavailable, match="damaged"):
        next(chunks)
    assert is_damaged(built)


def test_a_frame_is_believed_by_its_own_digest(built, copy):
    damage(built, copy, len(LARGE) - 10)
    assert [bytes(frame_of(built, copy, n)) for n in range(1, 6)] == [bytes([n]) * FRAME for n in range(5)]
    assert not is_damaged(built)
    with pytest.raises(Unavailable, match="damaged"):
        frame_of(built, copy, 6)
    assert is_damaged(built)
    assert frame_of(built, copy, 7) is None


def an_image(uid):
    return made(
        uid, study=uid, Rows=512, Columns=512, NumberOfFrames="6", PixelData=b"".join(bytes([n]) * FRAME for n in range(6))
    )


def test_a_frame_is_cut_out_by_a_node_that_would_send_all_that_comes_before_it(built, on_orthanc, monkeypatch):
    assert deposit(built, an_image("1.2.88"), on_orthanc) == ("pass", "declared")
    monkeypatch.setattr(OrthancNode, "open", lambda *_: pytest.fail("the file is not read"))
    copy = in_care(built, "1.2.88").copy
    assert [bytes(frame_of(built, copy, n)) for n in range(1, 7)] == [bytes([n]) * FRAME for n in range(6)]


def test_a_frame_that_a_node_cuts_out_otherwise_is_read_from_the_file(built, on_orthanc, monkeypatch):
    assert deposit(built, an_image("1.2.89"), on_orthanc) == ("pass", "declared")
    copy = in_care(built, "1.2.89").copy
    monkeypatch.setattr(OrthancNode, "frame", lambda *_: bytes(FRAME))
    assert bytes(frame_of(built, copy, 3)) == bytes([2]) * FRAME
    assert not is_damaged(built, "1.2.89")


def test_a_whole_file_is_believed_by_its_digest(built, copy):
    assert read_back(built, copy) == LARGE
    damage(built, copy, 200)
    with pytest.raises(Unavailable, match="damaged"):
        read_back(built, copy)
    assert is_damaged(built)


@pytest.mark.parametrize("change", [-1, 1, BLOCK])
def test_a_file_that_is_shorter_or_longer_is_no_copy(built, copy, change):
    os.truncate(path_of(built, copy), copy.size + change)
    with pytest.raises(Unavailable, match="damaged"):
        read_back(built, copy)
    assert is_damaged(built)


def test_a_node_that_sends_without_end_is_read_to_the_size_and_one_byte(built, copy, monkeypatch):
    endless = Endless()
    monkeypatch.setattr(FolderNode, "open", lambda *_: endless)
    with pytest.raises(Unavailable, match="damaged"):
        read_back(built, copy)
    assert endless.sent == 2 * (copy.size + 1), "and once more, before that is held against it"


def test_a_stream_holds_its_last_chunk_back_until_all_of_it_is_believed(built, copy):
    damage(built, copy, 200)
    delivery = deliver(built, PROVIDER, Wanted("1.2.3"), len)
    sent = deque[int]()
    _, chunks = next(iter(delivery))
    with pytest.raises(Unavailable, match="damaged"):
        sent.extend(map(len, chunks))
    assert sum(sent) == len(LARGE) // CHUNK * CHUNK
    assert is_damaged(built)
    with built.store.read() as connection:
        assert [row.status for row in connection.execute(t.access.select())] == [200, 500]


def test_who_began_to_read_before_it_was_mended_says_nothing_against_what_was_put_back(built, copy):
    damage(built, copy, len(LARGE) - 5)
    slow = iter(deliver(built, PROVIDER, Wanted("1.2.3"), len))
    _, chunks = next(slow)
    next(chunks)
    with pytest.raises(Unavailable):
        read_back(built, copy)
    assert deposit(built, LARGE) == ("duplicate", "known")
    with pytest.raises(Unavailable, match="damaged"):
        deque(chunks, maxlen=0)
    assert not is_damaged(built)
    assert read_back(built, copy) == LARGE


def test_a_damaged_object_is_given_to_nobody_and_its_study_not_without_it(built, copy):
    deposit(built, made("1.2.3.1.2"))
    damage(built, copy, 200)
    with pytest.raises(Unavailable):
        read_back(built, copy)
    for wanted in (Wanted("1.2.3"), Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1")):
        with pytest.raises(Unavailable, match="mended"):
            deliver(built, PROVIDER, wanted, len)
    with pytest.raises(Unavailable, match="mended"):
        render.render(built, builders.caller(), Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1"), Picture())
    with built.store.read() as connection:
        assert connection.execute(t.access.select()).all() == [], "what is refused is no use"
    whole = deliver(built, PROVIDER, Wanted("1.2.3", "1.2.3.1", "1.2.3.1.2"), len)
    assert [b"".join(chunks) for _, chunks in whole] == [bytes(made("1.2.3.1.2"))], "its node is not stopped"


def test_no_picture_is_made_of_a_changed_byte(built, copy):
    damage(built, copy, 2000)
    with pytest.raises(Unavailable, match="damaged"):
        render.render(built, builders.caller(), Wanted("1.2.3", "1.2.3.1", "1.2.3.1.1"), Picture())
    assert is_damaged(built)


def test_what_is_damaged_in_quarantine_is_not_released(built):
    deposit(built, made(InstitutionName="Hospital"))
    waiting = in_care(built)
    assert waiting.quarantined
    path = next((built.settings.data_dir / "quarantine/objects").glob("*/*"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Unavailable, match="damaged"):
        read_back(built, waiting.copy)
    assert is_damaged(built)
    assert node_of(built, waiting) is built.quarantine
