"""A frame sent alone has the bytes that pydicom takes out of the whole; an element is found by its path."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from mappings.dicom.frame_content import Element, Frames, joined
from mappings.dicom.part10 import plain, read_part10
from mappings.failures import NotAcceptable, NotFound
from tests.builders import DICOM

EXPLICIT, J2K, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
UIDS = {"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4", "StudyInstanceUID": "1.2.5", "SeriesInstanceUID": "1.2.6"}
BIG_ENDIAN = "mr/MR_small_bigendian.dcm"
WITH_PIXELS = sorted(
    str(path.relative_to(DICOM))
    for path in DICOM.rglob("*.dcm")
    if path.parent.name not in ("malformed", "identified")
    and path.name not in BIG_ENDIAN
    and "PixelData" in pydicom.dcmread(path, force=True)
)


def opened(name: str) -> tuple[Frames, pydicom.FileDataset]:
    read = read_part10(memoryview((DICOM / name).read_bytes()))
    dataset = plain(read.dataset, read.transfer_syntax)
    return Frames(dataset, read.transfer_syntax), pydicom.dcmread(DICOM / name)


def written(dataset: Dataset, *, fragmented: bool = False) -> memoryview:
    for keyword, value in UIDS.items():
        setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", fragmented
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return memoryview(buffer.getvalue())


def pixels(rows: int, columns: int, bits: int, frames: int, data: bytes) -> Dataset:
    made = Dataset()
    made.Rows, made.Columns, made.BitsAllocated, made.SamplesPerPixel, made.NumberOfFrames = rows, columns, bits, 1, frames
    made.PhotometricInterpretation, made.PixelData = "MONOCHROME2", data
    return made


@pytest.mark.parametrize("name", WITH_PIXELS)
def test_every_frame_is_the_one_that_pydicom_takes_out(name):
    frames, whole = opened(name)
    count = int(whole.get("NumberOfFrames", 1) or 1)
    if whole.file_meta.TransferSyntaxUID.is_encapsulated:
        expected = list(generate_frames(whole.PixelData, number_of_frames=count))
    elif whole.BitsAllocated == 1:
        bits = np.unpackbits(np.frombuffer(whole.PixelData, "u1"), bitorder="little")
        size = whole.Rows * whole.Columns
        expected = [np.packbits(bits[n * size : (n + 1) * size], bitorder="little").tobytes() for n in range(count)]
    else:
        size = len(whole.PixelData) // count
        expected = [whole.PixelData[n * size : (n + 1) * size] for n in range(count)]
    found = [bytes(frames.content(number)) for number in range(1, count + 1)]
    assert [len(frame) // 2 for frame in found] == [len(frame) // 2 for frame in expected]
    assert all(mine == theirs[: len(mine)] for mine, theirs in zip(found, expected, strict=True))


def test_the_retired_big_endian_syntax_is_refused_by_frame():
    frames, _ = opened(BIG_ENDIAN)
    with pytest.raises(NotAcceptable):
        frames.content(1)


def test_single_bits_that_share_a_byte_are_told_apart():
    bits = (np.random.default_rng(3).random((4, 5, 7)) < 0.5).astype("u1")
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    frames = Frames(written(pixels(5, 7, 1, 4, packed)), EXPLICIT)
    for number, frame in enumerate(bits, 1):
        alone = np.unpackbits(np.frombuffer(frames.content(number), "u1"), bitorder="little")[:35]
        assert (alone.reshape(5, 7) == frame).all()


@pytest.mark.parametrize("table", [True, False])
def test_frames_in_several_fragments_are_told_by_a_table_or_by_where_images_begin(table):
    streams = [b"\xff\x4f" + bytes([n]) * (20 + n) for n in range(3)]
    whole = encapsulate([stream + b"\0" * (len(stream) % 2) for stream in streams], fragments_per_frame=2, has_bot=table)
    frames = Frames(written(pixels(4, 4, 8, 3, whole), fragmented=True), J2K)
    assert [bytes(frames.content(n + 1))[: len(stream)] for n, stream in enumerate(streams)] == streams


@pytest.mark.parametrize(
    ("dataset", "syntax", "failure"),
    [
        (pixels(4, 4, 8, 3, encapsulate([b"ab", b"cd"], has_bot=False)), RLE, NotAcceptable),
        (pixels(5, 7, 1, 400, b"\1\2"), EXPLICIT, NotAcceptable),
        (pixels(5, 7, 12, 4, b"\1\2"), EXPLICIT, NotAcceptable),
        (Dataset(), EXPLICIT, NotFound),
    ],
)
def test_what_can_not_be_told_apart_is_refused(dataset, syntax, failure):
    frames = Frames(written(dataset, fragmented=syntax == RLE), syntax)
    with pytest.raises(failure):
        frames.content(400)


def test_fragments_that_end_early_are_no_more_than_is_there():
    assert joined(memoryview(b"\xfe\xff\x00\xe0\x10\0\0\0abc")) == b"abc"


def nested() -> Dataset:
    item, inner, made = Dataset(), Dataset(), Dataset()
    inner.add_new(0x00283006, "OW", b"\1\0\2\0")
    item.add_new(0x00283010, "SQ", Sequence([Dataset(), inner]))
    made.add_new(0x00283000, "SQ", Sequence([item]))
    made.add_new(0x00420011, "OB", b"%PDF")
    return made


def test_an_element_is_found_by_its_path():
    dataset = written(nested())
    assert bytes(Element(dataset, EXPLICIT, "00420011").value) == b"%PDF"
    assert bytes(Element(dataset, EXPLICIT, "00283000/0/00283010/1/00283006").value) == b"\1\0\2\0"
    assert Element(written(pixels(4, 4, 8, 1, encapsulate([b"ab"])), fragmented=True), RLE, "7FE00010").value is None


@pytest.mark.parametrize(
    "path",
    [
        "00420012",
        "00283000",
        "00283000/0/00283010/0/00283006",
        "00283000/1/00283010/1/00283006",
        "420011",
        "x",
        "",
        "00420011/",
        "../..",
    ],
)
def test_what_no_path_leads_to_is_not_found(path):
    with pytest.raises(NotFound):
        Element(written(nested()), EXPLICIT, path)


def test_words_of_a_big_endian_object_are_sent_little_endian():
    dataset = Dataset()
    dataset.add_new(0x00281201, "OW", b"\1\0\2\0")
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = False, False
    write_dataset(out, dataset)
    assert bytes(Element(memoryview(out.getvalue()), "1.2.840.10008.1.2.2", "00281201").value) == b"\0\1\0\2"
    assert BytesIO(out.getvalue()).read(2) == b"\0\x28"
