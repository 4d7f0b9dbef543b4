"""A data set in another uncompressed transfer syntax: pydicom reads the same values of it, at every depth."""

import struct
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mappings.dicom.elements import walk
from mappings.dicom.frame_content import Element
from mappings.dicom.part10 import DEFLATED, Unreadable, file_meta, plain, read_part10
from mappings.dicom.recode import Decoded, Recoded, little
from mappings.dicom.transfer_syntax import BIG_ENDIAN, EXPLICIT, IMPLICIT, syntaxes
from tests.builders import DICOM

SYNTAXES = {ImplicitVRLittleEndian: IMPLICIT, ExplicitVRLittleEndian: EXPLICIT, ExplicitVRBigEndian: BIG_ENDIAN}
READABLE = [p for p in sorted(DICOM.rglob("*.dcm")) if p.parent.name not in ("malformed", "media")]


def recoded(file: memoryview, target: str) -> memoryview:
    part = read_part10(file)
    source = EXPLICIT if part.transfer_syntax == DEFLATED else part.transfer_syntax
    made = Recoded(plain(part.dataset, part.transfer_syntax), source, target)
    dataset = b"".join(made)
    assert len(dataset) == made.size, "said before a byte of it"
    return memoryview(file_meta(part.media_sop_class, part.media_sop_instance, target) + dataset)


def values(file: memoryview) -> list[tuple[int, tuple, bytes]]:
    """(tag, path, value in little endian) of every element but group lengths."""
    part = read_part10(file)
    source = EXPLICIT if part.transfer_syntax == DEFLATED else part.transfer_syntax
    data = plain(part.dataset, part.transfer_syntax)
    return [
        (tag, scope.path, b"" if vr == "SQ" else bytes(little(data[start:stop], vr, source)))
        for tag, vr, start, stop, _, scope in walk(data, source)
        if vr and tag & 0xFFFF
    ]


@pytest.mark.parametrize("path", READABLE, ids=lambda p: str(p.relative_to(DICOM)))
def test_every_sample_keeps_every_value(path):
    file = memoryview(path.read_bytes())
    stored = read_part10(file).transfer_syntax
    for target in {EXPLICIT, IMPLICIT} - {stored}:
        if stored in {EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED}:
            made = recoded(file, target)
            assert read_part10(made).transfer_syntax == target
            assert values(made) == values(file)


def encoded(dataset: Dataset, syntax: str) -> memoryview:
    out = BytesIO()
    dataset.save_as(out, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    return memoryview(out.getvalue())


def everything() -> Dataset:
    """A value of each VR that has an order, a nested sequence, a private block, and an empty element."""
    dataset, item = Dataset(), Dataset()
    dataset.FrameIncrementPointer = [0x00181063, 0x00181065]
    dataset.RecommendedDisplayFrameRateInFloat = 2.5
    dataset.EventTimeOffset = 1.25
    dataset.Rows, dataset.PixelRepresentation, dataset.SmallestImagePixelValue = 513, 1, -2
    dataset.ReferencedFrameNumbers = [1, 2]
    dataset.PatientName = None
    item.CodeValue = "1"
    item.ConceptNameCodeSequence = [Dataset(), Dataset()]
    item.ConceptNameCodeSequence[0].CodeValue = "2"
    dataset.ConceptCodeSequence = [item]
    block = dataset.private_block(0x0029, "HOUSE", create=True)
    block.add_new(1, "US", 258)
    dataset.FloatPixelData = struct.pack("<2f", 1.5, -2)
    return dataset


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("source", SYNTAXES)
def test_pydicom_reads_the_same(source, target):
    made = b"".join(Recoded(encoded(everything(), source), SYNTAXES[source], target))
    read = dcmread(BytesIO(file_meta("1.2", "1.2.3", target) + made))
    assert read.FrameIncrementPointer == [0x00181063, 0x00181065]
    assert (read.EventTimeOffset, read.RecommendedDisplayFrameRateInFloat) == (1.25, 2.5)
    assert (read.Rows, read.SmallestImagePixelValue) == (513, -2)
    assert [len(item.ConceptNameCodeSequence) for item in read.ConceptCodeSequence] == [2]
    assert read.ConceptCodeSequence[0].ConceptNameCodeSequence[0].CodeValue == "2"
    assert "PatientName" in read


def test_an_attribute_tag_is_two_words_in_the_order_of_the_file():
    dataset = Dataset()
    dataset.FrameIncrementPointer = 0x00181063
    assert bytes(Element(encoded(dataset, ExplicitVRBigEndian), BIG_ENDIAN, "00280009").value) == b"\x18\x00\x63\x10"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def test_a_group_length_is_left_out_at_every_depth_and_so_are_zeros_behind():
    item = implicit(0x00080000, b"\x0c\0\0\0") + implicit(0x00080100, b"C1")
    dataset = (
        implicit(0x00080000, bytes(4)) + implicit(0x00081140, struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item) + bytes(16)
    )
    made = b"".join(Recoded(memoryview(dataset), IMPLICIT, EXPLICIT))
    assert [tag for tag, vr, *_ in walk(memoryview(made), EXPLICIT) if vr] == [0x00081140, 0x00080100]


def test_a_value_longer_than_its_vr_can_say_is_unknown():
    made = b"".join(Recoded(memoryview(implicit(0x00081030, b"a" * 65_536)), IMPLICIT, EXPLICIT))
    assert made[4:6] == b"UN"
    assert [stop - start for _, _, start, stop, _, _ in walk(memoryview(made), EXPLICIT)] == [65_536]
    assert b"".join(Recoded(memoryview(implicit(0x00081030, b"a" * 65_535)), IMPLICIT, EXPLICIT))[4:6] == b"LO"


def test_what_no_dictionary_knows_is_unknown():
    assert b"".join(Recoded(memoryview(implicit(0x00091001, b"ab")), IMPLICIT, EXPLICIT))[4:6] == b"UN"


def test_frames_stand_in_place_of_fragments_and_what_describes_fragments_is_left_out():
    fragments = struct.pack("<HHI", 0xFFFE, 0xE000, 0) + struct.pack("<HHI", 0xFFFE, 0xE000, 2) + b"zz"
    pixels = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF) + fragments + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    table = struct.pack("<HH2sxxI", 0x7FE0, 0x0001, b"OV", 8) + bytes(8)
    dataset = memoryview(element(0x00280004, b"CS", b"YBR_RCT ") + table + pixels + element(0xFFFCFFFC, b"LO", b"  "))
    made = Recoded(dataset, EXPLICIT, EXPLICIT, Decoded(3, [b"ab", b"c"]))
    expected = element(0x00280004, b"CS", b"RGB ") + struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", 4) + b"abc\0"
    assert b"".join(made) == expected + element(0xFFFCFFFC, b"LO", b"  ")
    assert made.size == len(expected) + 10


@pytest.mark.parametrize("decoded", [None, Decoded(2, [b"ab"])])
def test_fragments_that_nobody_decoded_are_not_sent_as_something_else(decoded):
    fragments = struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    icon = struct.pack("<HH2sxxIHHI", 0x0088, 0x0200, b"SQ", 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) + fragments
    icon += struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    for dataset in [icon] if decoded else [icon, fragments]:
        with pytest.raises(Unreadable):
            Recoded(memoryview(dataset), EXPLICIT, IMPLICIT, decoded)


def test_what_lost_something_is_sent_as_it_is_stored():
    assert syntaxes("1.2.840.10008.1.2.4.50") == ("1.2.840.10008.1.2.4.50",)
    assert syntaxes("1.2.840.10008.1.2.4.90") == ("1.2.840.10008.1.2.4.90", EXPLICIT, IMPLICIT)
    assert syntaxes(IMPLICIT) == (IMPLICIT, EXPLICIT)


def test_it_is_made_piece_by_piece():
    large = memoryview(implicit(0x7FE00010, bytes(5_000_001)))
    assert max(map(len, Recoded(large, IMPLICIT, EXPLICIT))) <= 1 << 19
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    many = memoryview(implicit(0x00081140, item * 100_000))
    assert max(map(len, Recoded(many, IMPLICIT, EXPLICIT))) < 1 << 17
