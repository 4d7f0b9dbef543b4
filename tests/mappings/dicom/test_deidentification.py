"""What a data set still says about people is found at every depth, and what only looks like it is not."""

import pytest

from mappings.dicom.deidentification import MAX_PER_RULE, Observations, observations_of
from mappings.dicom.elements import walk

EXPLICIT = "1.2.840.10008.1.2.1"
PLACEHOLDERS = frozenset({"anonymous", "patient", "removed", "by", "ctp"})


def short(tag: int, vr: str, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + vr.encode() + len(value).to_bytes(2, "little") + value


def long(tag: int, vr: str, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + vr.encode() + b"\0\0" + len(value).to_bytes(4, "little") + value


def sequence(tag: int, *items: bytes) -> bytes:
    return long(tag, "SQ", b"".join(b"\xfe\xff\0\xe0" + len(item).to_bytes(4, "little") + item for item in items))


def observed(*elements: bytes, preamble_zero: bool = True) -> Observations:
    dataset = memoryview(b"".join(elements))
    return observations_of(dataset, walk(dataset, EXPLICIT), placeholders=PLACEHOLDERS, preamble_zero=preamble_zero)


def seen(*elements: bytes, preamble_zero: bool = True) -> list[tuple[str, str]]:
    return [(finding.rule, finding.where) for finding in observed(*elements, preamble_zero=preamble_zero).findings]


def declared(*elements: bytes) -> bool:
    return observed(*elements).declared


NO = short(0x00280301, "CS", b"NO")
CTP = short(0x00130010, "LO", b"CTP")


@pytest.mark.parametrize(
    ("elements", "finding"),
    [
        ([short(0x00100010, "PN", b"Doe^Jane")], ("person-name", "(0010,0010)")),
        ([short(0x00100010, "LO", b"Doe^Jane")], ("person-name", "(0010,0010)")),
        ([long(0x00100010, "UN", b"Doe^Jane")], ("person-name", "(0010,0010)")),
        ([short(0x00101001, "PN", b"C1\\Doe")], ("person-name", "(0010,1001)")),
        ([short(0x00080090, "PN", b"House^Greg")], ("staff", "(0008,0090)")),
        ([short(0x00081070, "PN", b"Ann")], ("staff", "(0008,1070)")),
        ([short(0x00100030, "DA", b"19630412")], ("birth-date", "(0010,0030)")),
        ([short(0x00100030, "DA", b"00000412")], ("birth-date", "(0010,0030)")),
        ([short(0x00101080, "LO", b"MAJOR")], ("patient-detail", "(0010,1080)")),
        ([short(0x00101081, "LO", b"NAVY")], ("patient-detail", "(0010,1081)")),
        ([short(0x00380300, "LO", b"WARD 7")], ("patient-detail", "(0038,0300)")),
        (
            [sequence(0x00081110, short(0x00380300, "LO", b"WARD 7"))],
            ("patient-detail", "(0008,1110)[0].(0038,0300)"),
        ),
        ([short(0x00101040, "LO", b"Main St")], ("address", "(0010,1040)")),
        ([short(0x00102154, "SH", b"555")], ("telephone", "(0010,2154)")),
        ([short(0x00101000, "LO", b"77")], ("other-ids", "(0010,1000)")),
        ([sequence(0x00101002, short(0x00100020, "LO", b"77"))], ("other-ids", "(0010,1002)")),
        ([short(0x00101090, "LO", b"77")], ("other-ids", "(0010,1090)")),
        ([short(0x00080080, "LO", b"0815")], ("institution", "(0008,0080)")),
        ([sequence(0x00080082, short(0x00080100, "SH", b"1"))], ("institution", "(0008,0082)")),
        (
            [sequence(0x00400275, b"", sequence(0x00401101, short(0x00401102, "ST", b"Road")))],
            ("address", "(0040,0275)[1].(0040,1101)[0].(0040,1102)"),
        ),
        ([long(0x60003000, "OW", b"\1\0")], ("overlay", "(6000,3000)")),
        ([long(0x601E3000, "OW", b"\1\0")], ("overlay", "(601e,3000)")),
        ([short(0x50020010, "US", b"\1\0")], ("curve", "(5002,0010)")),
        ([short(0x00280301, "CS", b"YES ")], ("burned-in", "(0028,0301)")),
        ([short(0x00080060, "CS", b"US")], ("burned-in", "(0008,0060)")),
        ([short(0x00080008, "CS", b"DERIVED\\SCREEN SAVE")], ("burned-in", "(0008,0008)")),
        ([short(0x00080064, "CS", b"DF")], ("burned-in", "(0008,0064)")),
        ([short(0x00091001, "LO", b"x")], ("private-unknown", "(0009,1001)")),
        ([short(0x00090010, "LO", b"NOBODY"), short(0x00091001, "LO", b"x")], ("private-unknown", "(0009,1001)")),
        ([short(0x00090010, "LO", b"NOBODY"), long(0x00091001, "UN", b"\1x")], ("private-unknown", "(0009,1001)")),
        ([short(0x00090010, "LO", b"NOBODY"), short(0x00091001, "US", b"\1\0")], ("private", "(0009,1001)")),
        ([short(0x00090010, "LO", b"GEMS_IDEN_01"), short(0x00091001, "LO", b"x")], ("private", "(0009,1001)")),
        ([CTP, short(0x00131010, "LO", b"LCTSC")], ("private", "(0013,1010)")),
        ([CTP, short(0x00131013, "LO", b"70144598")], ("private", "(0013,1013)")),
        ([CTP, short(0x00131012, "LO", b"General Hospital")], ("private-unknown", "(0013,1012)")),
    ],
)
def test_a_fact_is_found_where_it_stands(elements, finding):
    assert seen(*elements) == [finding]


@pytest.mark.parametrize(
    "elements",
    [
        [short(0x00100010, "PN", b"ID-A"), short(0x00100020, "LO", b"ID-A")],
        [short(0x00100010, "PN", b"    ")],
        [short(0x00080090, "PN", b"ANONYMOUS")],
        [short(0x00100030, "DA", b"19630101")],
        [short(0x00100030, "DA", b"1963")],
        [short(0x00100030, "DA", b"00000000")],
        [short(0x00380300, "LO", b"Removed by CTP")],
        [short(0x00101080, "LO", b"  ")],
        [short(0x00100021, "LO", b"HOSPITAL")],
        [short(0x00080080, "LO", b"1177879318455840")],
        [short(0x00081040, "LO", b"Removed by CTP")],
        [short(0x00101040, "LO", b"  \0\0")],
        [sequence(0x00080082)],
        [sequence(0x00080082), NO],
        [sequence(0x00101002, b"", short(0x00100020, "LO", b"  "))],
        [short(0x00090010, "LO", b"NOBODY")],
        [short(0x00090000, "UL", b"\1\0\0\0")],
        [short(0x60000010, "US", b"\1\0")],
        [short(0x50000000, "UL", b"\1\0\0\0")],
        [short(0x00080060, "CS", b"US"), NO],
        [short(0x00080008, "CS", b"SCREEN SAVE"), NO],
    ],
)
def test_what_only_looks_like_a_fact_is_none(elements):
    assert seen(*elements) == []


def test_a_name_before_the_patient_id_it_equals_is_no_name_at_any_depth():
    nested = sequence(0x00081115, short(0x00100010, "PN", b"ID-A"))
    assert seen(nested, short(0x00100020, "LO", b"ID-A")) == []
    assert seen(nested, short(0x00100020, "LO", b"ID-B")) == [("person-name", "(0008,1115)[0].(0010,0010)")]


def test_a_private_name_is_a_name_by_its_creators_dictionary_and_not_by_the_wire():
    named, unnamed = short(0x00090010, "LO", b"GEMS_GENIE_1"), short(0x00090010, "LO", b"GEMS_IDEN_01")
    assert seen(named, short(0x00091040, "LO", b"Doe^Jane")) == [("private", "(0009,1040)"), ("person-name", "(0009,1040)")]
    assert seen(unnamed, short(0x00091001, "PN", b"Doe^Jane")) == [("private", "(0009,1001)")]


def test_small_numbers_of_an_unknown_vr_hold_no_text_and_any_other_do():
    assert seen(long(0x00091001, "UN", b"500\\8\\0\\0 ")) == [("private", "(0009,1001)")]
    assert seen(long(0x00091001, "UN", b"19700101")) == [("private-unknown", "(0009,1001)")]
    assert seen(short(0x00091001, "LO", b"500")) == [("private-unknown", "(0009,1001)")]


def test_only_a_known_creator_is_told():
    """Any other may be a name: whoever wrote the element chose it."""
    known = observed(short(0x00090010, "LO", b"GEMS_GENIE_1"), short(0x00091040, "LO", b"Doe^Jane"))
    assert known.creators == {"(0009,1040)": "GEMS_GENIE_1"}
    assert observed(short(0x00090010, "LO", b"DOE^JANE"), short(0x00091001, "LO", b"x")).creators == {}


def test_names_are_decoded_by_the_character_set_before_they_are_judged():
    charset = short(0x00080005, "CS", b"\\ISO 2022 IR 87")
    assert seen(charset, short(0x00100010, "PN", b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B")) == [("person-name", "(0010,0010)")]


def test_the_preamble_is_a_finding_when_it_says_something():
    assert seen(preamble_zero=False) == [("preamble", "preamble")]


@pytest.mark.parametrize(
    "elements",
    [
        [short(0x00120062, "CS", b"YES ")],
        [short(0x00120063, "LO", b"by hand")],
        [sequence(0x00120064, short(0x00080100, "SH", b"113100"))],
    ],
)
def test_a_statement_of_deidentification_declares(elements):
    assert declared(*elements)


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [short(0x00120062, "CS", b"NO")],
        [short(0x00120062, "CS", b"")],
        [short(0x00120063, "LO", b"  ")],
        [sequence(0x00120064)],
        [sequence(0x00120064, b"")],
        [sequence(0x00081115, short(0x00120062, "CS", b"YES "))],
    ],
)
def test_anything_less_does_not_declare(elements):
    assert not declared(*elements)


def test_a_thousand_findings_are_listed_up_to_a_bound_and_hide_no_other_rule():
    names = [short(0x00100010, "PN", b"%c%c" % (65 + n // 26, 65 + n % 26)) + short(0x00101040, "LO", b"x") for n in range(600)]
    found = seen(sequence(0x00081115, *names), short(0x00101000, "LO", b"77"))
    assert [sum(1 for rule, _ in found if rule == wanted) for wanted in ("person-name", "address", "other-ids")] == [
        MAX_PER_RULE,
        MAX_PER_RULE,
        1,
    ]


def test_a_name_too_long_to_be_judged_counts_as_a_name():
    assert seen(long(0x00100010, "UN", b"1\\" * 40_000)) == [("person-name", "(0010,0010)")]


def test_no_value_stands_in_a_finding():
    assert "Doe" not in str(seen(short(0x00100010, "PN", b"Doe^Jane"), short(0x00101040, "LO", b"Doe road")))
