"""The files of exports on the disk: whole or not there, and for their owner alone."""

import errno
import gzip
from hashlib import sha256

import pytest

from adapters.export_files import CHUNK, ExportFiles, chunks
from mappings.failures import Full, Gone

LINES = [b'{"a":1}', b'{"b":2}']


@pytest.fixture
def files(tmp_path):
    return ExportFiles(tmp_path / "exports")


def write(files, documents=LINES, number=1):
    with files.part("key", number) as part:
        part.write(documents)
    return part


def test_a_part_is_its_lines_in_gzip_and_knows_its_size_and_digest(files):
    part, text = write(files), b'{"a":1}\n{"b":2}\n'
    with files.open("key", 1) as source:
        packed = source.read()
    assert gzip.decompress(packed) == text
    assert (part.count, part.size, part.packed, part.digest) == (2, len(text), len(packed), sha256(text).digest())


@pytest.mark.parametrize("size", [0, 1, CHUNK, 5 * CHUNK + 3])
def test_what_is_unpacked_on_the_way_is_what_was_written(files, size):
    lines = [bytes(65 + i % 26 for i in range(size))]
    part = write(files, lines)
    for unpacked, length in ((True, part.size), (False, part.packed)):
        with files.open("key", 1) as source:
            given = b"".join(chunks(source, unpacked=unpacked))
        assert len(given) == length
        assert (given if unpacked else gzip.decompress(given)) == lines[0] + b"\n"


def test_they_are_for_their_owner_alone(files, tmp_path):
    write(files)
    assert (tmp_path / "exports" / "key").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "exports" / "key" / "1.ndjson.gz").stat().st_mode & 0o777 == 0o600


def test_a_part_that_breaks_off_is_not_there_and_can_be_written_again(files, tmp_path):
    def lines():
        yield LINES[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(files, lines())
    assert list((tmp_path / "exports" / "key").iterdir()) == []
    assert write(files).count == 2


def test_a_part_without_anything_in_it_is_no_file(files):
    write(files, [])
    with pytest.raises(Gone):
        files.open("key", 1)


@pytest.mark.parametrize("call", ["os.fsync", "os.open", "pathlib.Path.mkdir", "pathlib.Path.rename"])
def test_a_full_disk_is_a_failure_of_its_own(files, monkeypatch, call):
    def fails(*_arguments, **_more):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(call, fails)
    with pytest.raises(Full):
        write(files)


def test_what_is_removed_is_gone_also_when_it_was_never_there(files):
    write(files)
    for key in ("key", "other"):
        files.remove(key)
    with pytest.raises(Gone):
        files.open("key", 1)
