"""What an answer showed is kept small, and comes back as it was."""

import pytest

from adapters.sql.seen import is_key, pack, unpack
from mappings.study import study_key

STUDIES = tuple(study_key(str(number)) for number in range(100))


@pytest.mark.parametrize(
    ("kind", "keys", "size"),
    [
        ("ImagingStudy", STUDIES, 1600),
        ("Patient", STUDIES[:1], 16),
        ("Consent", ("DSA-1", "DSA.2"), 13),
        ("Provenance", ("7",), 3),
    ],
)
def test_ids_are_packed_and_come_back(kind, keys, size):
    assert len(pack(kind, keys)) == size
    assert unpack(kind, pack(kind, keys)) == keys


def test_what_is_no_digest_is_the_id_of_no_study():
    assert is_key("ImagingStudy", STUDIES[0])
    assert is_key("Consent", "x")
    for key in ("", "x" * 32, STUDIES[0].upper(), STUDIES[0][:30], STUDIES[0] + "00"):
        assert not is_key("Patient", key)
