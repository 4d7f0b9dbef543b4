"""A viewport is what PS3.18 §8.3.5.1.3 says: anything else is the asker's mistake, never a guess."""

import pytest

from mappings.dicom.pixels.viewport import Viewport, read_viewport
from mappings.failures import Invalid


@pytest.mark.parametrize(
    ("text", "viewport"),
    [
        ("300,200", Viewport(300, 200)),
        ("300,200,10,20,64,32", Viewport(300, 200, 10, 20, 64, 32)),
        ("300,200,1.5,0.5,-64,-32.25", Viewport(300, 200, 1.5, 0.5, -64, -32.25)),
        ("300,200,,,-64,", Viewport(300, 200, 0, 0, -64)),
        ("300,200,10", Viewport(300, 200, 10)),
    ],
)
def test_what_is_said_is_read(text, viewport):
    assert read_viewport(text) == viewport


@pytest.mark.parametrize(
    "text",
    [
        "",
        "300",
        "300,",
        ",200",
        "-5,-5",
        "0,0",
        ",",
        "a,b",
        "9" * 5000,
        "3.5,2",
        "9,9,-1",
        "9,9,0,-1",
        "9,9,0,0,1,1,1",
        "9,9,nan",
        "9,9,0,0,1e9",
        "²,9",
        "9,9,٣",
    ],
)
def test_what_can_not_be_read_is_refused(text):
    with pytest.raises(Invalid) as refused:
        read_viewport(text)
    assert (refused.value.code, refused.value.where) == ("viewport-unreadable", "viewport")
