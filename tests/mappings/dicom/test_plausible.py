"""What a value alone tells: a name of a person or of an institution, or none."""

import pytest

from mappings.dicom.plausible import plausible_institution, plausible_name, small_numbers

RECORDS = (b"0815", b"12\\05\\1961", b"2019.004711", b"0761.2703401 ", b"0171.5551234")
REGISTERED = ("26750045200011", "00360305000104", "121000004000034568", "10060282313056")
"""Numbers of institutions in the forms of SIRET, CNPJ, China's unified social credit identifier and REFES."""
PLACEHOLDERS = frozenset({"anonymous", "patient", "removed", "by", "ctp"})


@pytest.mark.parametrize("name", ["Doe^Jane", "doe", "X^Y", "Anonymous^Jane", "Müller", "王^小東", "Patient, Anonymous", "^^Dr"])
def test_a_plausible_name_is_a_name(name):
    assert plausible_name(name, "4711", PLACEHOLDERS)


@pytest.mark.parametrize(
    "name", ["", "^^^", " ", "Case12", "4711", "ID-A", "ID-A^", "ANONYMOUS", "Removed by CTP", "anonymous^patient="]
)
def test_an_empty_name_the_patient_id_a_pseudonym_and_placeholders_are_no_name(name):
    assert not plausible_name(name, "ID-A", PLACEHOLDERS)


@pytest.mark.parametrize(
    "name", ["General Hospital", "0815", "4012345000009", "Removed\\Clinic", "Anonymous Hospital", *REGISTERED]
)
def test_a_plausible_institution_is_one(name):
    assert plausible_institution(name, PLACEHOLDERS)


@pytest.mark.parametrize(
    "name", ["", "  ", "Removed by CTP", "ANONYMOUS\\", "1177879318455840", "1" * 36, "340282366920938463463374607431768211455"]
)
def test_a_placeholder_and_a_hash_are_no_institution(name):
    assert not plausible_institution(name, PLACEHOLDERS)


@pytest.mark.parametrize("value", [b"500\\8\\0\\0 ", b"-0.000000", b"1.5e-3", b"\7\0\0\0", b" 12 ", b"-999.5\\0.25\\3000"])
def test_small_numbers_are_no_text(value):
    assert small_numbers(memoryview(value))


@pytest.mark.parametrize(
    "value", [b"19700101", b"55512", b"1970-01-01", b"\7Doe", b"D\0o\0e\0", b"1.2.3", b"12A", b"1\\" * 200 + b"1", *RECORDS]
)
def test_what_could_be_the_number_of_somebody_is_text(value):
    assert not small_numbers(memoryview(value))
