"""A picture has square pixels, is never enlarged, and is the JPEG or PNG that was asked."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mappings.dicom.part10 import read_part10
from mappings.dicom.pixels.viewport import Viewport, read_viewport
from mappings.failures import Invalid
from tests.pictures import EXPLICIT, SAMPLES, encoded, render, sample


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
    assert sample("ct/liver/01.dcm", viewport=Viewport(100, 100)).shape == (100, 100)
    assert sample("nm/nm_bone_j2k.dcm", viewport=Viewport(256, 256)).shape == (256, 64)
    assert sample("ct/CT_small.dcm", viewport=Viewport(512, 512)).shape == (128, 128)


def test_a_picture_fits_within_both_sides():
    assert sample("ct/liver/01.dcm", viewport=Viewport(300, 100)).shape == (100, 100)
    assert sample("ct/liver/01.dcm", viewport=Viewport(100, 300)).shape == (100, 100)
    assert sample("nm/nm_bone_j2k.dcm", viewport=Viewport(32, 256)).shape == (128, 32)


WHOLE = sample("ct/CT_small.dcm")


@pytest.mark.parametrize(
    ("viewport", "seen"),
    [
        ("512,512,10,20,64,32", WHOLE[20:52, 10:74]),
        ("512,512,,,-128", WHOLE[:, ::-1]),
        ("512,512,,,,-128", WHOLE[::-1]),
        ("512,512,100,100", WHOLE[100:, 100:]),
        ("512,512,10,20,-64,-32", WHOLE[20:52, 10:74][::-1, ::-1]),
    ],
)
def test_a_region_is_cut_out_and_flipped_where_a_side_is_negative(viewport, seen):
    assert np.array_equal(sample("ct/CT_small.dcm", viewport=read_viewport(viewport)), seen)


def test_a_region_is_cut_before_it_is_made_smaller():
    assert sample("ct/CT_small.dcm", viewport=read_viewport("16,99,0,0,64,32")).shape == (8, 16)


@pytest.mark.parametrize(
    "viewport", ["9,9,0,0,129", "9,9,0,1,128,128", "9,9,128,0", "9,9,0,0,0,0", "9,9,999999999,0,1,1", "9,9,1.5,0,127"]
)
def test_a_region_that_is_none_of_the_image_is_the_askers_mistake(viewport):
    with pytest.raises(Invalid) as refused:
        sample("ct/CT_small.dcm", viewport=read_viewport(viewport))
    assert refused.value.code == "viewport-outside"


def test_jpeg_is_made_with_the_quality_asked():
    opened = read_part10(memoryview((SAMPLES / "ct/CT_small.dcm").read_bytes()))
    poor, good = (render(opened.dataset, opened.transfer_syntax, 1, media_type="image/jpeg", quality=q) for q in (20, 95))
    assert Image.open(BytesIO(good)).format == "JPEG"
    assert len(poor) < len(good)
