"""A frame looks as the standard says: window, tables, palette, or from dark to light where nothing is said."""

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from mappings.dicom.pixels import values
from mappings.failures import Invalid, NotAcceptable
from tests.pictures import EXPLICIT, SAMPLES, encoded, item, picture, sample, shown


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
    dataset = pydicom.dcmread(SAMPLES / name)
    windowed = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset, prefer_lut=False)
    slope, intercept, bits = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0)), dataset.BitsStored
    low = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
    expected = (windowed - (low * slope + intercept)) / ((2**bits - 1) * slope) * 255
    assert abs(sample(name) - expected).max() <= 1


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


def test_a_mask_is_black_and_white_even_where_it_is_all_one_value():
    assert set(np.unique(sample("seg/seg_sm_dots.dcm", 3))) == {0, 255}
    assert set(np.unique(sample("seg/seg_ct_binary.dcm", 2))) <= {0, 255}
    ones = encoded(np.zeros((4, 4), "u1"), BitsAllocated=1, BitsStored=1, HighBit=0, PixelData=b"\xff\xff")
    assert np.unique(picture(ones, EXPLICIT)).tolist() == [255]


def test_fractions_are_shown():
    seen = sample("pm/parametric_map_float.dcm")
    assert len(np.unique(seen)) > 10
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


@pytest.mark.parametrize("attributes", [{}, {"WindowCenter": 500, "WindowWidth": 900}, {"PixelPaddingValue": 5}])
def test_a_frame_is_looked_at_in_strips_and_looks_no_other_for_it(monkeypatch, attributes):
    dataset = encoded(np.arange(50 * 40, dtype="<u2").reshape(50, 40), **attributes)
    whole, sizes, really = picture(dataset, EXPLICIT), [], values._modality
    monkeypatch.setattr(values, "STRIP", 100)
    monkeypatch.setattr(values, "_modality", lambda source, stored: sizes.append(stored.size) or really(source, stored))
    assert (picture(dataset, EXPLICIT) == whole).all()
    assert max(sizes) <= 100
