"""A rendered frame looks as the standard says, in every syntax alike, and what can't be shown is refused by name."""

import importlib.util
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from mappings.dicom.part10 import read_part10
from mappings.dicom.pixels import render
from mappings.failures import Failure, Invalid, NotAcceptable, NotFound

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
IMPLICIT, RLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.5"
EXPLICIT, BASELINE, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def sample(name, frame=1, **options):
    opened = read_part10(memoryview((SAMPLES / name).read_bytes()))
    return picture(opened.dataset, opened.transfer_syntax, frame, **options)


def picture(dataset, syntax, frame=1, **options):
    made = render(dataset, syntax, frame, **{"media_type": "image/png"} | options)
    return np.asarray(Image.open(BytesIO(made)))


def encoded(pixels=None, syntax=EXPLICIT, **values):
    """A data set of these attributes; `pixels` gives size, bits and bytes."""
    dataset = Dataset()
    if pixels is not None:
        bits, colour = pixels.dtype.itemsize * 8, pixels.ndim == 3
        given = {
            "SamplesPerPixel": 3 if colour else 1,
            "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelData": pixels.tobytes() + b"\0" * (pixels.nbytes % 2),
        } | ({"PlanarConfiguration": 0} if colour else {})
        values = given | values
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if "PixelData" in dataset:
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        dataset["PixelData"].is_undefined_length = syntax not in {IMPLICIT, EXPLICIT}
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == IMPLICIT
    write_dataset(buffer, dataset)
    return memoryview(buffer.getvalue())


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def shown(values, **attributes):
    return picture(encoded(np.array([values]), **attributes), EXPLICIT)[0].tolist()


@pytest.mark.parametrize("name", ["sr/test-SR.dcm", "rt/rtplan.dcm", "sm/sm_annotations.dcm"])
def test_an_object_without_pixels_has_no_picture(name):
    with pytest.raises(NotAcceptable) as refusal:
        sample(name)
    assert refusal.value.code == "no-pixels"


@pytest.mark.parametrize(
    "name",
    [
        "ct/syntaxes/ctimage_jpeg_p10_retired.dcm",
        "malformed/MR_truncated.dcm",
        "malformed/emri_j2k_too_short.dcm",
        "malformed/JPEG2000-embedded-sequence-delimiter.dcm",
        "malformed/nested_priv_SQ.dcm",
    ],
)
def test_what_does_not_decode_is_said_to_be_so(name):
    with pytest.raises(NotAcceptable) as refusal:
        sample(name)
    assert refusal.value.code == "pixels-undecodable"


def test_lossless_jpeg_needs_the_optional_decoder_and_is_then_the_same_picture():
    name = "ct/syntaxes/ctimage_jpeg_lossless_sv1.dcm"
    if importlib.util.find_spec("imagecodecs"):
        assert (sample(name) == sample("ct/syntaxes/ctimage_deflated.dcm")).all()
    else:
        with pytest.raises(NotAcceptable) as refusal:
            sample(name)
        assert refusal.value.code == "pixels-undecodable"


@pytest.mark.parametrize(
    ("name", "frame", "frames"),
    [
        ("ct/CT_small.dcm", 2, "1 frame."),
        ("ct/CT_small.dcm", 0, "1 frame."),
        ("rt/rtdose.dcm", 16, "15 frames."),
        ("rt/rtdose.dcm", -1, "15 frames."),
    ],
)
def test_a_frame_past_the_end_is_not_found(name, frame, frames):
    with pytest.raises(NotFound) as refusal:
        sample(name, frame)
    assert frames in refusal.value.sentence


@pytest.mark.parametrize(
    "window",
    [
        (40, 0.5, "linear"),
        (40, 0, "sigmoid"),
        (40, -3, "linear-exact"),
        (1, 9, "cubic"),
        (float("nan"), 9, "linear"),
        (1, float("inf"), "linear"),
    ],
)
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(Invalid) as refusal:
        sample("ct/CT_small.dcm", window=window)
    assert refusal.value.where == "window"


def test_a_frame_of_any_size_is_not_allocated():
    huge = encoded(np.zeros((2, 2), "<u2"), Rows=65535, Columns=65535)
    with pytest.raises(NotAcceptable) as refusal:
        picture(huge, EXPLICIT)
    assert refusal.value.code == "pixels-too-large"


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


@pytest.mark.parametrize("stored", [0, 9, 65280])
def test_bits_that_contradict_each_other_are_refused(stored):
    with pytest.raises(NotAcceptable):
        picture(encoded(np.zeros((4, 4, 3), "u1"), BitsStored=stored), EXPLICIT)


@pytest.mark.parametrize("cut", [0, 1, 40, 150, 1000, -3])
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


@pytest.mark.parametrize(
    "name",
    [
        "ct/liver/01.dcm",
        "ct/lung_lctsc_ct01.dcm",
        "mr/prostate_mri_0022.dcm",
        "pt/acrin_flt_breast_029.dcm",
    ],
)
def test_the_window_is_the_one_that_pydicom_applies(name):
    import pydicom  # noqa: PLC0415

    dataset = pydicom.dcmread(SAMPLES / name)
    windowed = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset, prefer_lut=False)
    slope, intercept, bits = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0)), dataset.BitsStored
    low = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
    expected = (windowed - (low * slope + intercept)) / ((2**bits - 1) * slope) * 255
    assert abs(sample(name) - expected).max() <= 1


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


def test_a_palette_gives_its_colours():
    palette = {f"{name}PaletteColorLookupTableDescriptor": [3, 1, 16] for name in ("Red", "Green", "Blue")} | {
        f"{name}PaletteColorLookupTableData": np.array(values, "<u2").tobytes()
        for name, values in {"Red": (0, 65535, 0), "Green": (0, 0, 32768), "Blue": (65535, 0, 0)}.items()
    }
    colours = picture(encoded(np.array([[0, 1, 2, 3, 9]], "u1"), PhotometricInterpretation="PALETTE COLOR", **palette), EXPLICIT)
    assert colours[0].tolist() == [[0, 0, 255], [0, 0, 255], [255, 0, 0], [0, 128, 0], [0, 128, 0]]


def test_a_palette_without_entries_is_refused():
    with pytest.raises(NotAcceptable):
        picture(encoded(np.array([[0, 1]], "u1"), PhotometricInterpretation="PALETTE COLOR"), EXPLICIT)


def test_without_a_window_the_frame_spans_from_dark_to_light_and_padding_is_left_out():
    assert shown(np.array([10, 20, 30], "<u2")) == [0, 128, 255]
    assert shown(np.array([-2000, -10, 0, 10], "<i2"), PixelPaddingValue=-2000) == [0, 0, 128, 255]
    assert shown(np.array([-2000, -1500, 0, 10], "<i2"), PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1000) == [0, 0, 0, 255]
    assert shown(np.array([7, 7], "<u2")) == [0, 0]


def test_monochrome1_is_inverted_once():
    assert shown(np.array([0, 255], "u1"), PhotometricInterpretation="MONOCHROME1") == [255, 0]
    assert shown(np.array([0, 255], "u1"), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE") == [255, 0]
    assert shown(np.array([0, 255], "u1"), PresentationLUTShape="IDENTITY") == [0, 255]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", [0, 0, 142, 255]),
        ("LINEAR_EXACT", [0, 0, 128, 255]),
        ("SIGMOID", [5, 30, 128, 250]),
    ],
)
def test_the_window_has_three_functions(function, expected):
    stored = np.array([0, 5, 10, 20], "<u2")
    assert shown(stored, WindowCenter=10, WindowWidth=10, VOILUTFunction=function) == pytest.approx(expected, abs=1)
    dataset = encoded(np.array([stored]), WindowCenter=1, WindowWidth=2)
    asked = picture(dataset, EXPLICIT, window=(10, 10, function.lower().replace("_", "-")))
    assert asked[0].tolist() == pytest.approx(expected, abs=1)


def test_the_first_window_binds_before_a_lut_and_an_unusable_one_after_it():
    lut = {"VOILUTSequence": [item(LUTDescriptor=[2, 0, 8], LUTData=b"\xff\x00")]}
    lut["VOILUTSequence"][0]["LUTData"].VR = "OW"
    lut["VOILUTSequence"][0]["LUTDescriptor"].VR = "US"
    assert shown(np.array([0, 1], "u1"), WindowCenter=[1, 50], WindowWidth=[2, 100], **lut) == [0, 255]
    assert shown(np.array([0, 1], "u1"), WindowCenter=1, WindowWidth=0, **lut) == [255, 0]


def test_a_modality_lut_comes_before_the_window():
    lut = item(LUTDescriptor=[3, 10, 16], LUTData=np.array([0, 1000, 500], "<u2").tobytes(), ModalityLUTType="HU")
    lut["LUTData"].VR, lut["LUTDescriptor"].VR = "OW", "US"
    window = {"WindowCenter": 500, "WindowWidth": 1000, "VOILUTFunction": "LINEAR_EXACT"}
    assert shown(np.array([0, 11, 12], "u1"), ModalityLUTSequence=[lut], **window) == [0, 255, 128]


def test_a_frames_own_window_binds_before_the_shared_one_and_that_before_the_top():
    def group(center):
        return item(FrameVOILUTSequence=[item(WindowCenter=center, WindowWidth=10, VOILUTFunction="LINEAR_EXACT")])

    frames = np.array([[50, 100], [50, 100], [50, 100]], "u1")
    dataset = encoded(
        frames,
        Rows=1,
        Columns=2,
        NumberOfFrames=3,
        WindowCenter=0,
        WindowWidth=1,
        SharedFunctionalGroupsSequence=[group(100)],
        PerFrameFunctionalGroupsSequence=[item(), group(50), item()],
    )
    assert [picture(dataset, EXPLICIT, n)[0].tolist() for n in (1, 2, 3)] == [[0, 128], [128, 255], [0, 128]]


def test_bits_beyond_those_stored_are_no_part_of_the_value():
    assert shown(np.array([0xF000, 0xF800, 0xFFFF], "<u2"), BitsStored=12, HighBit=11) == [0, 128, 255]
    assert shown(np.array([0x0800, 0x07FF], "<i2"), BitsStored=12, HighBit=11) == [0, 255]


def test_a_mask_is_black_and_white_even_where_it_is_all_one_value():
    assert set(np.unique(sample("seg/seg_sm_dots.dcm", 3))) == {0, 255}
    assert set(np.unique(sample("seg/seg_ct_binary.dcm", 2))) <= {0, 255}
    ones = encoded(np.zeros((4, 4), "u1"), BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\xff\xff")
    assert np.unique(picture(ones, EXPLICIT)).tolist() == [255]


def test_fractions_are_shown():
    values = sample("pm/parametric_map_float.dcm")
    assert len(np.unique(values)) > 10
    odd = item(FloatPixelData=np.array([0, 1, np.nan, np.inf], "<f4").tobytes())
    dataset = encoded(
        Rows=1,
        Columns=4,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=32,
        FloatPixelData=odd.FloatPixelData,
    )
    assert picture(dataset, EXPLICIT)[0].tolist() == [0, 255, 0, 0]
    dataset = encoded(
        Rows=1,
        Columns=2,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=64,
        RescaleSlope=9,
        RescaleIntercept=0,
        DoubleFloatPixelData=np.array([-1e308, 1e308], "<f8").tobytes(),
    )
    assert picture(dataset, EXPLICIT).shape == (1, 2)


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({}, (20, 10)),
        ({"PixelSpacing": [1, 1]}, (20, 10)),
        ({"PixelSpacing": [2, 1]}, (20, 20)),
        ({"PixelAspectRatio": [1, 2]}, (40, 10)),
        ({"PixelSpacing": [500, 1]}, (20, 10)),
        ({"PixelSpacing": [0, 0]}, (20, 10)),
    ],
)
def test_pixels_become_square(attributes, size):
    made = render(encoded(np.zeros((10, 20), "u1"), **attributes), EXPLICIT, 1, media_type="image/png")
    assert Image.open(BytesIO(made)).size == size


def test_a_picture_is_made_smaller_and_never_larger():
    assert sample("ct/liver/01.dcm", max_side=100).shape == (100, 100)
    assert sample("nm/nm_bone_j2k.dcm", max_side=256).shape == (256, 64)
    assert sample("ct/CT_small.dcm", max_side=512).shape == (128, 128)


def test_jpeg_is_made_with_the_quality_asked():
    opened = read_part10(memoryview((SAMPLES / "ct/CT_small.dcm").read_bytes()))
    poor, good = (render(opened.dataset, opened.transfer_syntax, 1, media_type="image/jpeg", quality=q) for q in (20, 95))
    assert Image.open(BytesIO(good)).format == "JPEG"
    assert len(poor) < len(good)
