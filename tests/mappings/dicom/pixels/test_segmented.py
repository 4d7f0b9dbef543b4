"""Palettes in segments: the standard's own, and what can't be one."""

import random

import numpy as np
import pytest
from pydicom.pixels.processing import _expand_segmented_lut

from mappings.dicom.pixels.segmented import Unexpandable, expanded
from mappings.failures import NotAcceptable
from tests.pictures import EXPLICIT, encoded, picture

COLOURS = ("Red", "Green", "Blue")


def words(*said: int, size: int = 2) -> memoryview:
    return memoryview(np.array(said, f"<u{size}").tobytes())


def entries(said: memoryview, bits: int, count: int) -> list[int]:
    return np.frombuffer(expanded(said, "<", bits, count), "<u2").tolist()


def test_a_line_goes_on_from_the_last_entry_to_its_own():
    assert entries(words(0, 1, 0, 1, 4, 100), 16, 5) == [0, 25, 50, 75, 100]
    assert entries(words(0, 2, 7, 9, 1, 3, 3, size=1), 8, 5) == [7, 9, 7, 5, 3]


def test_earlier_segments_are_repeated_from_a_byte_offset():
    assert entries(words(0, 2, 5, 6, 0, 1, 9, 2, 2, 0, 0), 16, 6) == [5, 6, 9, 5, 6, 9]
    assert entries(words(0, 2, 5, 6, 0, 1, 9, 2, 1, 8, 0), 16, 4) == [5, 6, 9, 9]
    assert entries(words(0, 2, 5, 6, 2, 1, 0, 0, 0, 0, size=1), 8, 4) == [5, 6, 5, 6]


@pytest.mark.parametrize("seed", range(20))
def test_segments_are_what_another_reader_makes_of_them(seed):
    chance, said = random.Random(seed), [0, 1, 3]
    for _ in range(chance.randint(1, 9)):
        length = chance.randint(1, 20)
        some = [chance.randrange(65_536) for _ in range(length)]
        said += [0, length, *some] if chance.random() < 0.5 else [1, length, some[0]]
    expected = _expand_segmented_lut(tuple(said), "<H")
    assert entries(words(*said), 16, len(expected)) == expected


@pytest.mark.parametrize(
    "said",
    [
        (),
        (1, 4, 100),
        (0, 3, 1, 2),
        (3, 1, 1),
        (0, 0, 0),
        (0, 5, 1, 2, 3, 4, 5),
        (0, 1, 1, 2, 0, 0, 0),
        (0, 1, 1, 2, 9, 0, 0),
        (0, 1, 1, 2, 1, 6, 0),
        (0, 1, 1, 2, 1, 65_535, 65_535),
    ],
)
def test_what_says_no_table_of_so_many_is_refused(said):
    with pytest.raises(Unexpandable):
        expanded(words(*said), "<", 16, 4)


def test_a_picture_by_a_palette_in_segments_has_its_colours():
    table = {f"{name}PaletteColorLookupTableDescriptor": [5, 0, 16] for name in COLOURS}
    table |= {f"Segmented{name}PaletteColorLookupTableData": bytes(words(0, 1, 0, 1, 4, 65_535)) for name in COLOURS}
    made = encoded(np.array([[0, 1, 2, 3, 4]], "u1"), PhotometricInterpretation="PALETTE COLOR", **table)
    assert picture(made, EXPLICIT)[0].tolist() == [[grey] * 3 for grey in (0, 64, 128, 191, 255)]


def test_a_picture_by_a_palette_whose_segments_are_cut_is_refused():
    table = {f"{name}PaletteColorLookupTableDescriptor": [5, 0, 16] for name in COLOURS}
    table |= {f"Segmented{name}PaletteColorLookupTableData": bytes(words(0, 9, 1)) for name in COLOURS}
    with pytest.raises(NotAcceptable):
        picture(encoded(np.array([[0]], "u1"), PhotometricInterpretation="PALETTE COLOR", **table), EXPLICIT)
