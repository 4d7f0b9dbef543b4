"""Re-encoding does not change what a file says; changing one value does."""

import warnings
import zlib
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mappings.dicom.content import content_digest
from mappings.dicom.part10 import DEFLATED, plain, read_part10

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
J2K = "1.2.840.10008.1.2.4.90"


def encoded(dataset: Dataset, *, implicit: bool) -> memoryview:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(buffer, dataset)
    return memoryview(buffer.getvalue())


def uncompressed() -> list[Path]:
    found = []
    for path in sorted(SAMPLES.rglob("*.dcm")):
        if path.parent.name != "malformed" and path.stat().st_size < 300_000:
            syntax = read_part10(memoryview(path.read_bytes())).transfer_syntax
            found += [path] if syntax in {IMPLICIT, EXPLICIT, DEFLATED} else []
    return found


def short(tag: int, vr: str, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + vr.encode() + len(value).to_bytes(2, "little") + value


def bare(tag: int, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + len(value).to_bytes(4, "little") + value


def long(tag: int, vr: str, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + vr.encode() + b"\0\0" + len(value).to_bytes(4, "little") + value


def explicit(*elements: bytes) -> bytes:
    return content_digest(memoryview(b"".join(elements)), EXPLICIT)


@pytest.mark.parametrize("path", uncompressed(), ids=lambda path: path.name)
def test_implicit_and_explicit_copies_of_a_sample_are_one_content(path):
    part10 = read_part10(memoryview(path.read_bytes()))
    original = content_digest(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        assert content_digest(encoded(dataset, implicit=True), IMPLICIT) == original
        assert content_digest(encoded(dataset, implicit=False), EXPLICIT) == original


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (short(0x00100010, "PN", b"A^B "), short(0x00100010, "PN", b"A^B")),
        (short(0x00100010, "PN", b"A^B^^=="), short(0x00100010, "PN", b"A^B")),
        (short(0x00181114, "DS", b"1.5 \\ 2 "), short(0x00181114, "DS", b"1.5\\2")),
        (short(0x00080018, "UI", b"1.2\0"), short(0x00080018, "UI", b"1.2")),
        (short(0x00080000, "UL", b"\x0c\0\0\0") + short(0x00080060, "CS", b"CT"), short(0x00080060, "CS", b"CT")),
        (short(0x00080060, "CS", b"CT") + long(0xFFFCFFFC, "OB", b"\0\0"), short(0x00080060, "CS", b"CT")),
        (long(0x7FE00010, "OB", b"abc"), long(0x7FE00010, "OW", b"abc\0")),
        (long(0x00080060, "UN", b"CT"), short(0x00080060, "CS", b"CT")),
        (
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\xff\xff\xff\xff\xfe\xff\x0d\xe0\0\0\0\0"),
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0"),
        ),
        (
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"),
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0"),
        ),
    ],
)
def test_what_only_the_encoding_changes_is_the_same_content(one, other):
    assert explicit(one) == explicit(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (short(0x00100010, "PN", b"A^B"), short(0x00100010, "PN", b"A^C")),
        (short(0x00100010, "PN", b""), b""),
        (short(0x00181114, "DS", b"1.5"), short(0x00181114, "DS", b"1.50")),
        (short(0x00280010, "US", b"\1\0"), short(0x00280010, "US", b"\1\0\0\0")),
        (short(0x00280010, "US", b"\1\0"), short(0x00280011, "US", b"\1\0")),
        (long(0x7FE00010, "OW", b"ab"), long(0x7FE00010, "OW", b"ab\0\0")),
        (long(0x00081115, "SQ", b""), long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0")),
        (long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0" * 2), long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0")),
        (
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\x0a\0\0\0" + short(0x00100040, "CS", b"F ")),
            long(0x00081115, "SQ", b"\xfe\xff\0\xe0\0\0\0\0") + short(0x00100040, "CS", b"F "),
        ),
    ],
)
def test_what_changes_a_value_or_where_it_stands_is_other_content(one, other):
    assert explicit(one) != explicit(other)


def test_an_unknown_private_sequence_is_the_same_without_its_vr():
    inside_explicit = short(0x00100040, "CS", b"F ")
    inside_implicit = bare(0x00100040, b"F ")
    as_explicit = short(0x00110010, "LO", b"NOBODY") + long(0x00111001, "SQ", b"\xfe\xff\0\xe0\x0a\0\0\0" + inside_explicit)
    as_implicit = bare(0x00110010, b"NOBODY") + bare(0x00111001, b"\xfe\xff\0\xe0\x0a\0\0\0" + inside_implicit)
    assert content_digest(memoryview(as_explicit), EXPLICIT) == content_digest(memoryview(as_implicit), IMPLICIT)


def test_compressed_syntaxes_and_big_endian_count_for_themselves():
    modality = short(0x00080060, "CS", b"CT")
    turned = b"\0\x08\0\x60CS\0\x02CT"
    digests = {content_digest(memoryview(modality), syntax) for syntax in (EXPLICIT, DEFLATED, J2K)}
    assert len(digests) == 2
    assert content_digest(memoryview(turned), BIG) not in digests


def test_a_deflated_copy_is_the_same_content():
    dataset = short(0x00080060, "CS", b"CT")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = memoryview(packer.compress(dataset) + packer.flush())
    assert content_digest(plain(packed, DEFLATED), DEFLATED) == explicit(dataset)
