"""An object that is being uploaded stops at the disk's limit, not when it is whole."""

import errno
import tempfile
from io import BytesIO

import pytest

from adapters.spool import IN_MEMORY, STEP, Behind, Spool
from mappings.digests import digest
from mappings.failures import Full, TooLarge
from tests import memory

PIECE = bytes(1_000_000)


def no_room() -> None:
    raise Full("disk-nearly-full", "-")


def test_a_large_object_asks_for_room_as_it_grows_and_a_small_one_does_not(tmp_path):
    spool = Spool(tmp_path, 10 * IN_MEMORY, lambda _: None, no_room)
    for _ in range(IN_MEMORY // len(PIECE)):
        spool.write(PIECE)
    with pytest.raises(Full):
        spool.write(PIECE)


def test_room_is_asked_for_again_and_again(tmp_path):
    asked, got = [], []
    spool = Spool(tmp_path, 100_000_000, lambda file: got.append(len(file)), lambda: asked.append(1))
    for _ in range(80):
        spool.write(PIECE)
    spool.close()
    assert (len(asked), got) == (5, [80_000_000])


def test_an_object_past_the_limit_is_too_large(tmp_path):
    with pytest.raises(TooLarge):
        Spool(tmp_path, 10, lambda _: None, no_room).write(PIECE)


class NoRoom(BytesIO):
    """A temporary file on a disk that is full."""

    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")


def test_a_disk_that_is_full_is_told_as_full_and_names_no_path(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: NoRoom())
    spool = Spool(tmp_path, 10 * IN_MEMORY, lambda _: None, lambda: None)
    spool.write(bytes(IN_MEMORY))
    with pytest.raises(Full) as said:
        spool.write(PIECE)
    assert "secret" not in str(said.value)


def test_an_error_of_the_disk_that_is_no_lack_of_room_stays_one(tmp_path, monkeypatch):
    def broken(**_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(tempfile, "TemporaryFile", broken)
    spool = Spool(tmp_path, 10 * IN_MEMORY, lambda _: None, lambda: None)
    with pytest.raises(OSError, match="Input/output"):
        spool.write(bytes(IN_MEMORY + 1))


def test_what_was_read_of_a_file_is_let_go_of_behind(tmp_path):
    got = []
    spool = Spool(tmp_path, 10 * STEP, got.append, lambda: None)
    for _ in range(5 * STEP // len(PIECE)):
        spool.write(PIECE)
    spool.close()
    assert memory.taken(lambda: digest(got[0], 0, len(got[0]), Behind(got[0]))) < 2 * STEP
    assert memory.taken(lambda: digest(got[0], 0, len(got[0]), lambda _: None)) > 3 * STEP


def test_what_is_discarded_is_in_no_memory_and_on_no_disk(tmp_path):
    spool = Spool(tmp_path, 10 * IN_MEMORY, lambda _: None, lambda: None)
    spool.write(bytes(IN_MEMORY))
    assert spool.in_memory == IN_MEMORY
    spool.discard()
    assert spool.in_memory == 0
