"""A frame decodes alike in every syntax, and what does not decode is refused by name."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from mappings.dicom.part10 import read_part10
from mappings.failures import Failure, NotAcceptable
from tests.pictures import BASELINE, EXPLICIT, J2K, RLE, SAMPLES, encoded, picture, render, sample, shown

JPEG_EXTENDED, JPEG_LOSSLESS = "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"


@pytest.mark.parametrize(
    "name",
    [
        "ct/syntaxes/ctimage_jpeg_p10_retired.dcm",
        "malformed/MR_truncated.dcm",
        "malformed/JPEG2000-embedded-sequence-delimiter.dcm",
        "malformed/nested_priv_SQ.dcm",
    ],
)
def test_what_does_not_decode_is_said_to_be_so(name):
    with pytest.raises(NotAcceptable) as refusal:
        sample(name)
    assert refusal.value.code == "pixels-undecodable"


def test_lossless_jpeg_is_the_same_picture():
    assert (sample("ct/syntaxes/ctimage_jpeg_lossless_sv1.dcm") == sample("ct/syntaxes/ctimage_deflated.dcm")).all()


@pytest.mark.parametrize("process", [{"lossless": True, "bitspersample": 16}, {"level": 100, "bitspersample": 12}])
def test_jpegs_of_more_than_eight_bits_are_drawn(process):
    """Lossless of 16 bits (.57, .70) and with loss of 12 (.51), as mammography sends them."""
    syntax = JPEG_LOSSLESS if process.get("lossless") else JPEG_EXTENDED
    pixels = (np.add.outer(np.arange(32), np.arange(48)) * 50).astype("<u2")
    stream = imagecodecs.jpeg8_encode(pixels, **process)
    made = encoded(pixels, syntax, BitsStored=12, HighBit=11, PixelData=encapsulate([stream]))
    assert abs(picture(made, syntax).astype(int) - picture(encoded(pixels, BitsStored=12, HighBit=11), EXPLICIT)).max() <= 1


def test_single_bits_by_run_length_are_those_of_a_native_frame():
    bits = (np.random.default_rng(1).random((5, 7)) < 0.5).astype("u1")
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    one = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    native = encoded(bits, **one, PixelData=packed.tobytes() + b"\0")
    runs = b"".join(bytes([0, byte]) for byte in packed.tolist())
    stream = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + runs
    short = encoded(bits, RLE, **one, PixelData=encapsulate([stream]))
    assert (picture(short, RLE) == picture(native, EXPLICIT)).all()
    assert (picture(native, EXPLICIT) == bits * 255).all()


def test_a_frame_that_is_whole_is_drawn_whatever_comes_behind_it():
    assert (sample("malformed/emri_j2k_too_short.dcm") == sample("mr/emri_small.dcm")).all()


@pytest.mark.parametrize("syntax", [BASELINE, J2K])
def test_a_code_stream_that_promises_another_size_is_never_decoded(syntax, monkeypatch):
    out = BytesIO()
    Image.new("L", (64, 32)).save(out, **({"format": "JPEG"} if syntax == BASELINE else {"format": "JPEG2000", "no_jp2": True}))
    right = encoded(np.zeros((32, 64), "u1"), syntax, PixelData=encapsulate([out.getvalue()]))
    assert picture(right, syntax).shape == (32, 64)
    wrong = encoded(np.zeros((16, 16), "u1"), syntax, PixelData=encapsulate([out.getvalue()]))
    monkeypatch.setattr(Image, "open", lambda *a, **k: pytest.fail("it was decoded"))
    with pytest.raises(NotAcceptable):
        render(wrong, syntax, 1, media_type="image/png")


def test_a_run_length_past_its_end_is_refused_without_a_panic():
    bomb = b"\1\0\0\0\x40" + bytes(59) + b"\x81\7" * 40  # forty runs of 128 bytes for sixteen pixels, the last of them cut
    dataset = encoded(np.zeros((4, 4), "u1"), RLE, PixelData=encapsulate([bomb + b"\x81"]))
    with pytest.raises(NotAcceptable):
        picture(dataset, RLE)


@pytest.mark.parametrize("cut", [0, 1, 40, 150, 1000])
@pytest.mark.parametrize(
    "name",
    [
        "ct/syntaxes/ctimage_jpeg_baseline.dcm",
        "mr/emri_small_rle.dcm",
        "sm/sm_image_jpegls.dcm",
        "ct/liver/01.dcm",
    ],
)
def test_bytes_cut_anywhere_are_a_typed_refusal(name, cut):
    opened = read_part10(memoryview((SAMPLES / name).read_bytes()))
    with pytest.raises(Failure):
        render(opened.dataset[:cut], opened.transfer_syntax, 1, media_type="image/jpeg")


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("ct/syntaxes/ctimage_j2k_lossless.dcm", "ct/syntaxes/ctimage_deflated.dcm"),
        ("ct/syntaxes/ctimage_jpegls_lossless.dcm", "ct/syntaxes/ctimage_deflated.dcm"),
        ("mr/emri_small_rle.dcm", "mr/emri_small.dcm"),
        ("mr/emri_small_jpegls.dcm", "mr/emri_small.dcm"),
        ("mr/MR_small_bigendian.dcm", "mr/MR_small.dcm"),
        ("rt/rtdose_rle.dcm", "rt/rtdose.dcm"),
        ("sm/sm_image_jpegls.dcm", "sm/sm_image.dcm"),
    ],
)
def test_the_same_frame_looks_the_same_in_every_syntax(name, same_as):
    assert (sample(name) == sample(same_as)).all()
    assert sample(same_as).std() > 0


def test_a_lossy_frame_looks_nearly_the_same():
    lossy, lossless = sample("ct/syntaxes/ctimage_jpeg_baseline.dcm"), sample("ct/syntaxes/ctimage_deflated.dcm")
    assert np.corrcoef(lossy.ravel(), lossless.ravel())[0, 1] > 0.99


def test_colours_are_red_green_blue():
    red = np.full((8, 8, 3), (250, 10, 20), "u1")
    assert picture(encoded(red), EXPLICIT)[0, 0].tolist() == [250, 10, 20]
    planes = encoded(red, PlanarConfiguration=1, PixelData=red.transpose(2, 0, 1).tobytes())
    assert picture(planes, EXPLICIT)[0, 0].tolist() == [250, 10, 20]
    ybr = np.asarray(Image.fromarray(red).convert("YCbCr"))
    assert abs(picture(encoded(ybr, PhotometricInterpretation="YBR_FULL"), EXPLICIT)[0, 0].astype(int) - [250, 10, 20]).max() <= 2
    deep = encoded(red.astype("<u2") << 4, BitsStored=12, HighBit=11)
    assert picture(deep, EXPLICIT)[0, 0].tolist() == [250, 10, 20]


@pytest.mark.parametrize(
    ("photometric", "how"),
    [
        ("YBR_FULL_422", {}),
        ("RGB", {}),
        ("RGB", {"keep_rgb": True}),
        ("YBR_FULL_422", {"keep_rgb": True}),
    ],
)
def test_the_colours_of_a_jpeg_are_what_its_own_markers_say(photometric, how):
    out = BytesIO()
    Image.fromarray(np.full((16, 16, 3), (250, 10, 20), "u1")).save(out, "JPEG", quality=95, **how)
    pixels = encapsulate([out.getvalue()])
    dataset = encoded(np.zeros((16, 16, 3), "u1"), BASELINE, PhotometricInterpretation=photometric, PixelData=pixels)
    assert abs(picture(dataset, BASELINE)[4, 4].astype(int) - [250, 10, 20]).max() <= 4


def test_an_unmarked_jpeg_of_an_rgb_object_is_not_transformed():
    out = BytesIO()
    Image.fromarray(np.full((16, 16, 3), (200, 100, 50), "u1"), "RGB").convert("RGB").save(out, "JPEG", quality=95, subsampling=0)
    marked = out.getvalue()
    unmarked = marked[:2] + marked[4 + int.from_bytes(marked[4:6], "big") :]
    assert b"JFIF" not in unmarked
    y, cb, cr = np.asarray(Image.new("RGB", (1, 1), (200, 100, 50)).convert("YCbCr"))[0, 0]
    dataset = encoded(np.zeros((16, 16, 3), "u1"), BASELINE, PixelData=encapsulate([unmarked]))
    assert abs(picture(dataset, BASELINE)[4, 4].astype(int) - [y, cb, cr]).max() <= 4


def test_bits_beyond_those_stored_are_no_part_of_the_value():
    assert shown(np.array([0xF000, 0xF800, 0xFFFF], "<u2"), BitsStored=12, HighBit=11) == [0, 128, 255]
    assert shown(np.array([0x0800, 0x07FF], "<i2"), BitsStored=12, HighBit=11) == [0, 255]
