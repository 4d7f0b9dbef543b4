"""A picture reads what describes its frame, and the frame; the rest of its file may be of any size."""

import struct
import zlib

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from mappings.dicom import part10
from mappings.dicom.part10 import DEFLATED
from mappings.dicom.pixels import attributes, source
from mappings.dicom.pixels import frames as decoding
from mappings.dicom.pixels.source import Inflated, read
from mappings.failures import NotAcceptable
from tests.mappings.dicom.pixels.test_code_stream import rle
from tests.pictures import EXPLICIT, RLE, encoded, item, picture, render

FRAMES = np.arange(3 * 16 * 16, dtype="<u2").reshape(3, 16, 16) * 7


def frames_of(pixels, **values):
    return encoded(pixels[0], **{"NumberOfFrames": len(pixels), "PixelData": pixels.tobytes()} | values)


class Virtual:
    """A data set whose pixel data has any length: bytes are made when they are asked for."""

    def __init__(self, length):
        self.head = bytes(encoded(np.zeros((512, 512), "<u2"), NumberOfFrames=length // 524_288))[: -524_288 - 4]
        self.head += struct.pack("<I", length)
        self.length = len(self.head) + length

    def __len__(self):
        return self.length

    def __getitem__(self, part):
        start, stop = part.start, min(part.stop, self.length)
        return (self.head[start:stop] + bytes(max(stop - max(start, len(self.head)), 0)))[: stop - start]


def test_of_three_gigabytes_less_than_a_megabyte_is_read():
    asked = []
    assert render(Virtual(6000 * 524_288), EXPLICIT, 5999, asked=asked)
    assert 524_288 < sum(asked) < 1_000_000


def test_each_frame_is_its_own():
    for frame in (1, 2, 3):
        assert (picture(frames_of(FRAMES), EXPLICIT, frame) == picture(encoded(FRAMES[frame - 1]), EXPLICIT)).all()


def test_a_frame_that_is_not_all_there_is_refused():
    with pytest.raises(NotAcceptable, match="not all there"):
        picture(frames_of(FRAMES, NumberOfFrames=4), EXPLICIT, 4)
    with pytest.raises(NotAcceptable):
        picture(frames_of(FRAMES)[:-1], EXPLICIT, 3)


def test_frames_of_single_bits_follow_one_another_without_a_gap():
    masks = np.random.default_rng(1).integers(0, 2, (5, 3, 3), "u1")
    packed = np.packbits(masks.ravel(), bitorder="little").tobytes()
    dataset = encoded(masks[0], NumberOfFrames=5, BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=packed)
    for frame in range(5):
        assert (picture(dataset, EXPLICIT, frame + 1) == masks[frame] * 255).all()


@pytest.mark.parametrize("entries", [500, 10_000, 200_000])
def test_what_describes_a_frame_is_read_as_far_as_it_goes(entries, monkeypatch):
    asked = []
    groups = [item(PixelMeasuresSequence=[item(PixelSpacing=[1, 1])])] * (entries // 50)
    dataset = encoded(FRAMES[0], PerFrameFunctionalGroupsSequence=groups)
    picture(dataset, EXPLICIT, asked=asked)
    assert sum(asked) < 1.2 * max(len(dataset), 64 * 1024) + 1024 * 1024
    monkeypatch.setattr(attributes, "HEADS", (64, 128))
    with pytest.raises(NotAcceptable) as refused:
        picture(dataset, EXPLICIT)
    assert refused.value.code == "pixels-too-large"


def test_a_frame_over_the_most_is_refused(monkeypatch):
    monkeypatch.setattr(attributes, "MAX_FRAME", 511)
    with pytest.raises(NotAcceptable, match="is not rendered") as refused:
        picture(encoded(FRAMES[0]), EXPLICIT)
    assert refused.value.code == "pixels-too-large"


class TestInFragments:
    """Frames of different sizes, the second in two fragments."""

    PARTS = tuple(rle(np.full((16, 16), 9 + n, "u1")) for n in range(3))
    SPLIT = (PARTS[0], PARTS[1][:300], PARTS[1][300:], PARTS[2])

    def dataset(self, fragments, **values):
        return encoded(np.zeros((16, 16), "u1"), RLE, NumberOfFrames=3, PixelData=encapsulate(fragments, has_bot=False), **values)

    def span(self, dataset, frame):
        heads = [i for i in range(len(dataset)) if bytes(dataset[i : i + 4]) == b"\xfe\xff\x00\xe0"][1:]
        ends = [*heads, len(dataset) - 8]
        first, last = ((0, 1), (1, 3), (3, 4))[frame - 1] if len(heads) == 4 else (frame - 1, frame)
        return ends[first], ends[last] - ends[first]

    @pytest.mark.parametrize("frame", [1, 2, 3])
    def test_a_frame_is_found_where_it_is_known_to_lie_and_no_other_is_read(self, frame):
        asked = []
        dataset = self.dataset(self.SPLIT)
        seen = picture(dataset, RLE, frame, span=self.span(dataset, frame), window=(8, 16, "LINEAR_EXACT"), asked=asked)
        assert seen[0, 0] == round((9 + frame - 1) / 16 * 255)
        assert asked[1:] == [self.span(dataset, frame)[1]]

    @pytest.mark.parametrize("frame", [1, 2, 3])
    def test_a_frame_is_found_by_walking_where_nobody_knows(self, frame):
        assert picture(self.dataset(self.PARTS), RLE, frame, window=(8, 16, "LINEAR_EXACT"))[0, 0] == round(
            (8 + frame) / 16 * 255
        )

    def test_a_frame_that_is_too_long_is_not_read(self, monkeypatch):
        monkeypatch.setattr(decoding, "MAX_FRAME", 99)
        asked, dataset = [], self.dataset(self.PARTS)
        with pytest.raises(NotAcceptable) as refused:
            picture(dataset, RLE, span=self.span(dataset, 1), asked=asked)
        assert (refused.value.code, len(asked)) == ("pixels-too-large", 1)

    def test_native_bytes_under_a_compressed_syntax_and_fragments_under_none_are_refused(self):
        for syntax, dataset in ((RLE, encoded(FRAMES[0])), (EXPLICIT, self.dataset(self.PARTS))):
            with pytest.raises(NotAcceptable):
                picture(dataset, syntax)


class TestDeflated:
    @staticmethod
    def deflated(data):
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return packer.compress(data) + packer.flush()

    def test_the_last_frame_is_that_of_the_plain_object(self):
        assert (picture(memoryview(self.deflated(frames_of(FRAMES))), DEFLATED, 3) == picture(encoded(FRAMES[2]), EXPLICIT)).all()

    def test_it_is_kept_no_further_than_it_was_asked_for(self):
        data = np.random.default_rng(2).bytes(100_000) * 200
        packed = self.deflated(data)

        def fill(start, buffer):
            piece = packed[start : start + len(buffer)]
            buffer[: len(piece)] = piece
            return len(piece)

        inflated = Inflated(fill, len(packed))
        assert read(inflated, 0, 1000) == data[:1000]
        assert read(inflated, 18_000_000, 70_000) == data[18_000_000:18_070_000]
        assert len(inflated._kept) < 2 * 1024 * 1024
        assert read(inflated, 19_999_990, 70_000) == data[-10:]

    def test_a_bomb_is_refused(self, monkeypatch):
        monkeypatch.setattr(part10, "FREE_INFLATED", 1_000_000)
        bomb = frames_of(np.zeros((99, 512, 512), "u1"))
        with pytest.raises(NotAcceptable, match="structure"):
            picture(memoryview(self.deflated(bomb)), DEFLATED, 99)


def test_a_piece_is_the_most_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(source, "PIECE", 1000)
    asked = []
    render(frames_of(FRAMES), EXPLICIT, 2, asked=asked)
    assert max(asked) == 1000
