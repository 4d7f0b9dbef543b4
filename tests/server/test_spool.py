"""An object that is being uploaded stops at the disk's limit, not when it is whole."""

import errno
import tempfile
from io import BytesIO

import pytest

from mappings.failures import Full, TooLarge
from server.web.spool import IN_MEMORY, Spool

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
