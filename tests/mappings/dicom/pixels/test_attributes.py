"""What a picture needs of a data set is found where it binds the frame, and what contradicts itself is refused by name."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate

from mappings.failures import NotAcceptable, NotFound
from tests.pictures import EXPLICIT, encoded, item, picture, sample


@pytest.mark.parametrize("name", ["sr/test-SR.dcm", "rt/rtplan.dcm", "sm/sm_annotations.dcm"])
def test_an_object_without_pixels_has_no_picture(name):
    with pytest.raises(NotAcceptable) as refusal:
        sample(name)
    assert refusal.value.code == "no-pixels"


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


def test_a_frame_of_any_size_is_not_allocated():
    huge = encoded(np.zeros((2, 2), "<u2"), Rows=65535, Columns=65535)
    with pytest.raises(NotAcceptable) as refusal:
        picture(huge, EXPLICIT)
    assert refusal.value.code == "pixels-too-large"


@pytest.mark.parametrize("stored", [0, 9, 65280])
def test_bits_that_contradict_each_other_are_refused(stored):
    with pytest.raises(NotAcceptable):
        picture(encoded(np.zeros((4, 4, 3), "u1"), BitsStored=stored), EXPLICIT)


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


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_icon_in_fragments_is_passed_over(size):
    """As mammography sends it, before the pixel data; the larger one ends behind what is read at first."""
    icon = item(Rows=1, Columns=1, BitsAllocated=8, PixelData=encapsulate([bytes(size)]))
    icon["PixelData"].VR, icon["PixelData"].is_undefined_length = "OB", True
    pixels = np.array([[0, 255]], "u1")
    assert (picture(encoded(pixels, IconImageSequence=[icon]), EXPLICIT) == pixels).all()
