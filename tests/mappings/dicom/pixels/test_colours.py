"""A colour picture has its object's own ICC profile, or sRGB's with its colours turned into these."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from mappings.dicom.part10 import read_part10
from mappings.dicom.pixels import colours
from mappings.dicom.pixels.colours import profiled
from mappings.failures import NotAcceptable
from tests.pictures import EXPLICIT, SAMPLES, encoded, render

SLIDE = read_part10(memoryview((SAMPLES / "sm/sm_image.dcm").read_bytes()))
COLOURED = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}


def described(made: bytes) -> str | None:
    """What the picture's profile is called; None where it has none."""
    own = Image.open(BytesIO(made)).info.get("icc_profile")
    return own and ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(own))).strip()


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
def test_a_slide_comes_with_its_own_profile_or_none_or_srgbs(media_type):
    made = {
        asked: render(SLIDE.dataset, SLIDE.transfer_syntax, media_type=media_type, profile=asked)
        for asked in ("no", "yes", "srgb")
    }
    assert described(made["no"]) is None
    assert described(made["srgb"]) == "sRGB built-in"
    own = Image.open(BytesIO(made["yes"])).info["icc_profile"]
    assert own in bytes(SLIDE.dataset)


def test_colours_are_turned_into_those_of_srgb():
    green = Image.new("RGB", (2, 2), (0, 200, 0))
    same, _ = profiled(green, "srgb", memoryview(made("sRGB")))
    assert same.getpixel((0, 0)) == green.getpixel((0, 0))
    with pytest.raises(NotAcceptable):
        profiled(green, "srgb", memoryview(made("LAB")))
    swapped = made("sRGB").replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    turned, _ = profiled(Image.new("RGB", (2, 2), (200, 0, 0)), "srgb", memoryview(swapped))
    red, _, blue = turned.getpixel((0, 0))
    assert (red < 10, blue > 190) == (True, True), "red was blue in the object's colours"


def test_the_same_frame_is_the_same_picture_whenever_it_is_made(monkeypatch):
    first, second = made("sRGB"), bytearray(made("sRGB"))
    second[35] ^= 1  # a second later
    given = iter((first, bytes(second)))
    monkeypatch.setattr(ImageCms.ImageCmsProfile, "tobytes", lambda _: next(given))
    own = memoryview(b"")
    assert profiled(Image.new("RGB", (2, 2)), "srgb", own)[1] == profiled(Image.new("RGB", (2, 2)), "srgb", own)[1]


def made(space) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def test_colours_without_a_profile_are_srgbs_and_grey_has_none():
    plain = encoded(np.zeros((2, 2, 3), "u1"), **COLOURED)
    assert described(render(plain, EXPLICIT, media_type="image/png", profile="yes")) == "sRGB built-in"
    assert described(render(encoded(np.zeros((2, 2), "u1")), EXPLICIT, media_type="image/png", profile="yes")) is None


@pytest.mark.parametrize("own", [b"no profile", bytes(200)])
def test_what_is_no_profile_makes_no_srgb(own):
    with pytest.raises(NotAcceptable):
        profiled(Image.new("RGB", (2, 2)), "srgb", memoryview(own))


def test_a_large_profile_is_not_used(monkeypatch):
    monkeypatch.setattr(colours, "MAX_PROFILE", 3)
    with pytest.raises(NotAcceptable):
        profiled(Image.new("RGB", (2, 2)), "yes", memoryview(b"four"))
