"""A code stream that is not what its object says is refused before a decoder sees it."""

import struct
from io import BytesIO

import jpeg_ls
import numpy as np
import pytest
from openjpeg.utils import encode_array
from PIL import Image
from pydicom.encaps import encapsulate

from mappings.dicom.pixels import frames
from mappings.failures import NotAcceptable
from tests.pictures import BASELINE, J2K, RLE, encoded, picture

JPEG_LS = "1.2.840.10008.1.2.4.80"
GREY = np.arange(32 * 64, dtype="u1").reshape(32, 64)
COLOUR = np.dstack([GREY, GREY, GREY])


def jpeg(pixels):
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG")
    return out.getvalue()


def rle(pixels, segments=None):
    """Runs of one byte each: a segment for each byte of a pixel."""
    planes = pixels.reshape(-1, segments or pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1)).T
    coded = [b"".join(bytes([0, value]) for value in plane.astype("u1").tolist()) for plane in planes]
    begins = [64 + sum(map(len, coded[:n])) for n in range(len(coded))]
    return struct.pack("<16I", len(coded), *begins, *[0] * (15 - len(coded))) + b"".join(coded)


ENCODERS = {
    BASELINE: jpeg,
    JPEG_LS: lambda pixels: bytes(jpeg_ls.encode(pixels)),
    J2K: lambda pixels: encode_array(pixels, photometric_interpretation=1 if pixels.ndim == 3 else 2),
    RLE: rle,
}


@pytest.fixture
def undecoded(monkeypatch):
    """No decoder is reached."""
    monkeypatch.setattr(frames, "get_decoder", lambda *_: pytest.fail("it was decoded"))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was decoded"))


def dataset(syntax, said, stream, **values):
    return encoded(said, syntax, PixelData=encapsulate([stream]), **values)


@pytest.mark.parametrize("syntax", ENCODERS)
@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_one_that_is_what_its_object_says_is_decoded(syntax, pixels):
    assert picture(dataset(syntax, pixels, ENCODERS[syntax](pixels)), syntax).shape == pixels.shape


@pytest.mark.parametrize("syntax", [BASELINE, JPEG_LS, J2K])
@pytest.mark.parametrize("said", [GREY[:31], GREY[:, :63], COLOUR], ids=["rows", "columns", "samples"])
def test_another_size_is_refused(undecoded, syntax, said):
    with pytest.raises(NotAcceptable, match="its size is not what the object says"):
        picture(dataset(syntax, said, ENCODERS[syntax](GREY)), syntax)


@pytest.mark.parametrize("syntax", [JPEG_LS, J2K])
def test_more_bits_than_are_allocated_are_refused(undecoded, syntax):
    with pytest.raises(NotAcceptable, match="its size is not what the object says"):
        picture(dataset(syntax, GREY, ENCODERS[syntax](GREY.astype("<u2") << 4)), syntax)


@pytest.mark.parametrize(
    "stream",
    [
        rle(GREY, 2),
        rle(GREY)[:64],
        rle(GREY)[:3],
        struct.pack("<16I", 1, 63, *[0] * 14) + bytes(5000),
        struct.pack("<16I", 16, *range(64, 79)) + bytes(5000),
    ],
    ids=["segments", "cut", "no header", "inside its header", "too many"],
)
def test_runs_in_other_segments_are_refused(undecoded, stream):
    with pytest.raises(NotAcceptable):
        picture(dataset(RLE, GREY, stream), RLE)


@pytest.mark.parametrize("syntax", [BASELINE, JPEG_LS, J2K])
@pytest.mark.parametrize(
    "stream", [b"\xff\xd8", b"\xff\xd8\xff\xf7", bytes(100), b"\xff\xd8\xff\xda" + bytes(99), b"\xff\x4f\xff\x51"]
)
def test_what_is_no_code_stream_is_refused(undecoded, syntax, stream):
    with pytest.raises(NotAcceptable, match="its bytes do not decode"):
        picture(dataset(syntax, GREY, stream), syntax)


@pytest.mark.parametrize("hidden", [b"\xff", b"\xff\xff", b"\xff\xe0\x00\x02", b"\xff\xfe\x00\x04\xff\xf7"])
def test_the_frame_header_is_the_one_that_a_decoder_finds(undecoded, hidden):
    """Behind fill bytes (T.81 section B.1.1.2) and whole segments; not one that lies in a segment or in the scan."""
    large, small = (bytes(jpeg_ls.encode(pixels)) for pixels in (np.zeros((300, 64), "u1"), GREY))
    stream = large[:2] + hidden + large[2:-2] + bytes(70_000 - len(large)) + small[2:15] * 20 + large[-2:]
    with pytest.raises(NotAcceptable, match="its size is not what the object says"):
        picture(dataset(JPEG_LS, GREY, stream), JPEG_LS)


def test_a_syntax_without_a_decoder_is_said_to_be_so():
    with pytest.raises(NotAcceptable, match="no decoder"):
        picture(dataset("1.2.840.10008.1.2.4.102", GREY, bytes(99)), "1.2.840.10008.1.2.4.102")
