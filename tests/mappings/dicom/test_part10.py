"""A file is opened by its preamble, DICM and file meta, and inflated under a bound."""

import struct
import tracemalloc
import zlib
from io import BytesIO

import pydicom
import pytest

from mappings.dicom.part10 import DEFLATED, Unreadable, file_meta, plain, read_part10

EXPLICIT = "1.2.840.10008.1.2.1"


def deflated(content: bytes) -> memoryview:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return memoryview(packer.compress(content) + packer.flush())


@pytest.mark.parametrize("file", [b"", b"plain text", bytes(132), bytes(128) + b"DICM", b"x" * 128 + b"DICM" + b"\x08\0" * 20])
def test_what_has_no_file_meta_is_not_dicom(file):
    with pytest.raises(Unreadable) as refusal:
        read_part10(memoryview(file))
    assert refusal.value.rule == "not-dicom"


def test_a_file_meta_without_transfer_syntax_is_not_dicom():
    whole = file_meta("1.2.3", "1.2.4", EXPLICIT)
    without = whole.replace(b"\x02\0\x10\0UI", b"\x02\0\x09\0UI")
    with pytest.raises(Unreadable) as refusal:
        read_part10(memoryview(without))
    assert (refusal.value.rule, refusal.value.where) == ("not-dicom", "(0002,0010)")


def test_a_file_meta_element_longer_than_the_file_is_not_dicom():
    file = bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 1, b"OB", 0, 0xFFFFFFF0)
    with pytest.raises(Unreadable, match="not-dicom"):
        read_part10(memoryview(file))


def test_our_file_meta_is_read_by_pydicom_and_by_us_and_never_changes():
    meta = file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.44", EXPLICIT)
    theirs = pydicom.dcmread(BytesIO(meta)).file_meta
    ours = read_part10(memoryview(meta + b"rest"))
    assert (theirs.MediaStorageSOPInstanceUID, theirs.TransferSyntaxUID) == ("1.2.3.44", EXPLICIT)
    assert theirs.FileMetaInformationGroupLength == len(meta) - 144
    assert (ours.media_sop_class, ours.media_sop_instance, ours.transfer_syntax) == (
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.3.44",
        EXPLICIT,
    )
    assert (ours.preamble_zero, ours.dataset_start, bytes(ours.dataset)) == (True, len(meta), b"rest")
    assert meta == file_meta("1.2.840.10008.5.1.4.1.1.2", "1.2.3.44", EXPLICIT)


def test_a_preamble_that_says_something_is_seen():
    meta = file_meta("1.2.3", "1.2.4", EXPLICIT)
    assert not read_part10(memoryview(b"MZ" + meta[2:])).preamble_zero


def test_a_deflated_data_set_is_inflated_and_others_are_left():
    assert bytes(plain(deflated(b"abc" * 1000), DEFLATED)) == b"abc" * 1000
    assert bytes(plain(memoryview(b"as it came"), EXPLICIT)) == b"as it came"


def test_a_deflate_bomb_is_refused_before_it_fills_memory():
    bomb = deflated(bytes(200_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="structure-broken"):
            plain(bomb, DEFLATED)
        assert tracemalloc.get_traced_memory()[1] < 120_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("broken", [b"\xff\xff\xff", b"", bytes(deflated(b"some text" * 99))[:-5]])
def test_a_deflated_data_set_that_is_none_or_ends_early_is_broken(broken):
    with pytest.raises(Unreadable, match="structure-broken"):
        plain(memoryview(broken), DEFLATED)
