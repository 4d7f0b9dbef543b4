"""The day of acquisition is said by the first of several dates, of which only those at the top count."""

import pytest

from mappings.dicom.acquired import acquisition_date
from tests.mappings.dicom.test_deidentification import EXPLICIT, sequence, short

STUDY = short(0x00080020, "DA", b"20200101")
SERIES = short(0x00080021, "DA", b"20200102")
CONTENT = short(0x00080023, "DA", b"20200103")
MOMENT = short(0x0008002A, "DT", b"20200108121500")
ACQUIRED, EMPTY = (short(0x00080022, "DA", date) for date in (b"2020.01.09", b""))


@pytest.mark.parametrize(
    ("elements", "date"),
    [
        ([STUDY, SERIES, ACQUIRED, CONTENT, MOMENT], "20200109"),
        ([STUDY, SERIES, EMPTY, CONTENT, MOMENT], "20200108"),
        ([STUDY, SERIES, CONTENT], "20200103"),
        ([STUDY, SERIES], "20200102"),
        ([STUDY], "20200101"),
        ([short(0x00080022, "DA", b"20201399")], None),
        ([sequence(0x00080006, ACQUIRED)], None),
        ([], None),
    ],
)
def test_the_day_of_acquisition_is_the_first_date_that_says_one(elements, date):
    assert acquisition_date(memoryview(b"".join(elements)), EXPLICIT) == date
