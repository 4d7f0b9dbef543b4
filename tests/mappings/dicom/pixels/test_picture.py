"""A picture has square pixels, is never enlarged, and is the JPEG or PNG that was asked."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mappings.dicom.part10 import read_part10
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
    assert sample("ct/liver/01.dcm", max_side=100).shape == (100, 100)
    assert sample("nm/nm_bone_j2k.dcm", max_side=256).shape == (256, 64)
    assert sample("ct/CT_small.dcm", max_side=512).shape == (128, 128)


def test_jpeg_is_made_with_the_quality_asked():
    opened = read_part10(memoryview((SAMPLES / "ct/CT_small.dcm").read_bytes()))
    poor, good = (render(opened.dataset, opened.transfer_syntax, 1, media_type="image/jpeg", quality=q) for q in (20, 95))
    assert Image.open(BytesIO(good)).format == "JPEG"
    assert len(poor) < len(good)
