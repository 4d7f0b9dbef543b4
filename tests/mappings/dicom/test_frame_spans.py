"""Where frames lie: what is told is the frame that pydicom reads, and what can't be told is not guessed."""

import struct
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended, get_frame
from pydicom.uid import JPEG2000Lossless

from mappings.dicom.frame_spans import Span
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Unreadable, plain, read_part10
from tests.builders import DICOM, made

FRAMES = [b"one!", b"twotwo", b"threethree"]


def read(file):
    """(the plain data set, what was read of it, its number of frames)."""
    part10 = read_part10(memoryview(file))
    dataset = plain(part10.dataset, part10.transfer_syntax)
    instance = read_instance(dataset, part10.transfer_syntax, placeholders=frozenset(), preamble_zero=True)
    return dataset, instance, instance.header.number_of_frames or 1


def fragments(items):
    """The pixel data within the items of an encapsulated frame."""
    joined = b""
    while items:
        length = struct.unpack_from("<I", items, 4)[0]
        joined, items = joined + bytes(items[8 : 8 + length]), items[8 + length :]
    return joined


def is_image(path):
    try:
        return read(path.read_bytes())[1].header.rows is not None
    except Unreadable:
        return False


UNTOLD = {
    "seg/seg_sm_dots.dcm": "one bit for a pixel: frames begin within bytes",
    "malformed/badVR.dcm": "its pixels are fifteen times what it says",
}


@pytest.mark.parametrize("name", sorted(str(path.relative_to(DICOM)) for path in DICOM.rglob("*.dcm") if is_image(path)))
def test_each_frame_of_a_real_object_is_the_one_that_pydicom_reads(name):
    dataset, instance, frames = read((DICOM / name).read_bytes())
    if name in UNTOLD or "deflated" in name:  # where its frames lie once inflated is of no use
        assert instance.frames == []
        return
    told = [dataset[start : start + length] for start, length in instance.frames]
    assert len(told) == frames
    try:
        theirs = dcmread(DICOM / name)
    except OSError:
        assert "malformed" in name
        return
    if theirs.file_meta.TransferSyntaxUID.is_compressed:
        assert [fragments(frame) for frame in told] == [
            get_frame(theirs.PixelData, number, number_of_frames=frames) for number in range(frames)
        ]
    elif "PixelData" in theirs:
        assert theirs.PixelData[: sum(map(len, told))] == b"".join(told)


def encapsulated(pixels, *, frames=3, **elements):
    """An object whose encapsulated pixel data is this."""
    file = dcmread(BytesIO(made(NumberOfFrames=str(frames), PixelData=pixels, **elements)))
    file.file_meta.TransferSyntaxUID = JPEG2000Lossless
    file["PixelData"].is_undefined_length = True
    written = BytesIO()
    file.save_as(written, enforce_file_format=True)
    return written.getvalue()


def told(file):
    dataset, instance, _ = read(file)
    return [fragments(dataset[start : start + length]) for start, length in instance.frames]


def test_frames_of_several_fragments_are_told_by_the_basic_offset_table():
    assert told(encapsulated(encapsulate(FRAMES, fragments_per_frame=2))) == FRAMES


def test_frames_of_several_fragments_are_told_by_the_extended_offset_table():
    pixels, offsets, lengths = encapsulate_extended(FRAMES)
    assert told(encapsulated(pixels, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)) == FRAMES


def test_a_fragment_for_each_frame_needs_no_table():
    assert told(encapsulated(encapsulate(FRAMES, has_bot=False))) == FRAMES


def test_all_fragments_are_the_only_frames():
    assert told(encapsulated(encapsulate([b"onlyonly"], fragments_per_frame=4, has_bot=False), frames=1)) == [b"onlyonly"]


@pytest.mark.parametrize("offsets", [(0, 13, 40), (12, 26, 40), (0, 40, 26), (0, 26, 26), (0, 26, 4_000_000_000)])
def test_a_table_that_points_beside_the_fragments_is_not_believed(offsets):
    items = encapsulate([b"onex", b"twox", b"3333"], fragments_per_frame=2, has_bot=False)[8:]
    table = b"\xfe\xff\x00\xe0" + struct.pack("<I3I", 12, *offsets)
    assert told(encapsulated(table + items)) == []


def test_frames_that_no_table_tells_are_not_guessed():
    assert told(encapsulated(encapsulate(FRAMES, fragments_per_frame=2, has_bot=False))) == []


@pytest.mark.parametrize("elements", [{"NumberOfFrames": "2"}, {"Rows": 9}, {"Rows": 4}, {"BitsAllocated": 16}, {"Columns": 0}])
def test_native_pixels_that_do_not_fill_their_frames_are_not_divided(elements):
    assert read(made(**elements))[1].frames == []


def test_the_padding_of_an_odd_value_belongs_to_no_frame():
    dataset, instance, _ = read(made(Rows=3, Columns=3, NumberOfFrames="3", PixelData=bytes(range(27)) + b"\0"))
    assert [bytes(dataset[s.start : s.start + s.length]) for s in instance.frames] == [
        bytes(range(at, at + 9)) for at in (0, 9, 18)
    ]
    assert all(isinstance(frame, Span) for frame in instance.frames)


def test_an_object_without_pixels_has_no_frames():
    assert read(made(PixelData=None))[1].frames == []
