"""A streamed ZIP is what other readers of ZIP take, its length is known beforehand, and it grows beyond 4 GiB."""

import io
import zipfile
from itertools import repeat
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.zip_stream import Member, zip_length, zip_stream

GIB = 1 << 30


def archive(files: dict[str, bytes], *, known: bool = True) -> bytes:
    members = [Member(name, len(content), crc32(content) if known else None) for name, content in files.items()]
    made = b"".join(zip_stream(members, ([content[:3], content[3:]] for content in files.values())))
    assert len(made) == zip_length(members)
    return made


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
def test_what_is_written_is_read(contents, known):
    files = {f"1.2/{number}.dcm": content for number, content in enumerate(contents)}
    with zipfile.ZipFile(io.BytesIO(archive(files, known=known))) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == files


def test_the_same_files_make_the_same_bytes():
    assert archive({"a": b"one"}) == archive({"a": b"one"})


def test_more_members_than_65535_are_read():
    files = {str(number): b"" for number in range(65_536)}
    with zipfile.ZipFile(io.BytesIO(archive(files))) as read:
        assert len(read.namelist()) == 65_536


class Sparse(io.RawIOBase):
    """A file of which the long runs of zeros are not kept."""

    def __init__(self, chunks):
        self.pieces, self.size, self.at = [], 0, 0
        for chunk in chunks:
            if chunk is not ZEROS:
                self.pieces.append((self.size, bytes(chunk)))
            self.size += len(chunk)

    def seekable(self):
        return True

    def readable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def read(self, count=-1):
        stop = self.size if count < 0 else min(self.at + count, self.size)
        found = bytearray(stop - self.at)
        for start, piece in self.pieces:
            low, high = max(start, self.at), min(start + len(piece), stop)
            if low < high:
                found[low - self.at : high - self.at] = piece[low - start : high - start]
        self.at = stop
        return bytes(found)


ZEROS = bytes(1 << 24)


@pytest.mark.parametrize("sizes", [(5 * GIB, 3), (3, 5 * GIB, 3), (3 * GIB, 3 * GIB, 3)])
def test_beyond_4_gib_sizes_and_places_are_read(sizes):
    members = [Member(str(number), size, crc32(b"end") if size == 3 else 0) for number, size in enumerate(sizes)]
    contents = [[b"end"] if size == 3 else repeat(ZEROS, size // len(ZEROS)) for size in sizes]
    made = Sparse(zip_stream(members, contents))
    assert made.size == zip_length(members)
    with zipfile.ZipFile(made) as read:
        assert [read.getinfo(member.name).file_size for member in members] == list(sizes)
        assert {read.read(member.name) for member in members if member.size == 3} == {b"end"}


def test_a_large_member_of_unknown_crc_has_its_sizes_behind_it():
    member = Member("a", 5 * GIB, None)
    made = Sparse(zip_stream([member], [repeat(ZEROS, 5 * GIB // len(ZEROS))]))
    assert made.size == zip_length([member])
    with zipfile.ZipFile(made) as read:
        assert (read.getinfo("a").file_size, read.getinfo("a").flag_bits) == (5 * GIB, 8)
