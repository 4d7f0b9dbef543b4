"""A UID is what PS3.5 §9.1 says, and nothing that a path or a query could be."""

import pytest

from mappings.dicom.uid import legal_uid


@pytest.mark.parametrize(
    "uid",
    [
        "",
        "1",
        "1.",
        ".1",
        "1..2",
        "1.02",
        "1.2a",
        "1 .2",
        "1.2/../3",
        "../1.2",
        "1.2\n",
        "1.²",
        "1." + "2" * 63,
        "1.2\\1.3",
    ],
)
def test_a_uid_that_the_standard_forbids_is_illegal(uid):
    assert not legal_uid(uid)


@pytest.mark.parametrize("uid", ["1.2", "0.0", "1.2.840.10008.1.2", "2.25." + "1" * 39, "1." + "2" * 62])
def test_a_uid_that_the_standard_allows_is_legal(uid):
    assert legal_uid(uid)
