"""Says when an object was acquired, as far as it says so: what EUCAIM's imaging minimum asks, and no search needs."""

import re

from mappings.dicom.elements import walk

# The first that has a value counts: the further down, the less it says about the acquisition itself (PS3.3 §C.7.6.1, §C.7.3.1).
DATES = (
    0x00080022,  # Acquisition Date
    0x0008002A,  # Acquisition DateTime
    0x00080023,  # Content Date
    0x00080021,  # Series Date
    0x00080020,  # Study Date
)
_DATE = re.compile(rb"(\d{4})\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01])")


def acquisition_date(dataset: memoryview, transfer_syntax: str) -> str | None:
    """YYYYMMDD, by the first of DATES that says a day. `dataset` is plain; only its beginning is walked. Raises Unreadable."""
    found = dict[int, str]()
    for tag, _, start, stop, _, scope in walk(dataset, transfer_syntax):
        if not scope.path:
            if tag > max(DATES):
                break
            if tag in DATES and (date := _DATE.match(bytes(dataset[start : min(stop, start + 10)]))):
                found[tag] = b"".join(date.groups()).decode()
    return next((found[tag] for tag in DATES if tag in found), None)
