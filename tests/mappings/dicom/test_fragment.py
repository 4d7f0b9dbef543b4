"""DICOM JSON made from raw elements is what pydicom makes, but for what the standard leaves open and pydicom gets wrong."""

import json
import warnings
from pathlib import Path

import pydicom
import pytest

from mappings.dicom.elements import walk
from mappings.dicom.fragment import BASE, BULK, fragment_of, instance_summary, series_fragment, study_fragment
from mappings.dicom.header import header_of
from mappings.dicom.part10 import plain, read_part10

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"


def opened(path: Path) -> tuple[memoryview, str]:
    part10 = read_part10(memoryview(path.read_bytes()))
    return plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax


def short(tag: int, vr: str, value: bytes) -> bytes:
    return tag.to_bytes(4)[1::-1] + tag.to_bytes(4)[3:1:-1] + vr.encode() + len(value).to_bytes(2, "little") + value


def fragment(dataset: memoryview, syntax: str) -> bytes:
    return fragment_of(dataset, syntax, walk(dataset, syntax)).replace(BULK.encode(), b"{base}/b")


def written(*elements: bytes) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads(fragment(memoryview(b"".join(elements)), EXPLICIT))
    return found


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("CS", b"A\\ \\B", ["A", None, "B"]),
        ("CS", b"  ", None),
        ("LO", b" x ", ["x"]),
        ("UI", b"1.2\0", ["1.2"]),
        ("ST", b" a\\b ", [" a\\b"]),
        ("DS", b"1.50\\-2\\+3", [1.5, -2, 3]),
        ("DS", b"1e999\\2", [None, 2]),
        ("DS", b"NaN", None),
        ("DS", b"1_0", None),
        ("IS", b"007", [7]),
        ("IS", b"1A", None),
        ("IS", b"9" * 40, [1e40]),
        ("US", b"\1\0\2\0", [1, 2]),
        ("US", b"\1", None),
        ("SS", b"\xff\xff", [-1]),
        ("FL", b"\0\0\x80\x7f\0\0\x80\x3f", [None, 1.0]),
        ("FL", b"\0\0\xc0\x7f", None),
        ("AT", b"\x08\0\x18\0", ["00080018"]),
        ("PN", b"A^B==c", [{"Alphabetic": "A^B", "Phonetic": "c"}]),
        ("PN", b"\\A", [None, {"Alphabetic": "A"}]),
        ("LO", b'q"\\b\x01', ['q"', "b\x01"]),
    ],
)
def test_a_value_is_written_as_its_vr_says(vr, value, expected):
    element = written(short(0x00181000, vr, value))["00181000"]
    assert element == ({"vr": vr} if expected is None else {"vr": vr, "Value": expected})


def test_long_values_and_pixel_data_become_bulk_data_with_the_path_of_their_element():
    text = b"UT\0\0" + (1_000_002).to_bytes(4, "little") + b"x" * 1_000_002
    inside = b"\x08\0\x01\x01" + text
    item = b"\xfe\xff\0\xe0" + len(inside).to_bytes(4, "little") + inside
    sequence = b"\x08\0\x15\x11SQ\0\0" + (len(item) + 8).to_bytes(4, "little") + b"\xfe\xff\0\xe0\0\0\0\0" + item
    pixels = b"\xe0\x7f\x10\0OW\0\0\2\0\0\0ab"
    found = json.loads(fragment(memoryview(sequence + pixels), EXPLICIT))
    assert found["00081115"]["Value"] == [{}, {"00080101": {"vr": "UT", "BulkDataURI": "{base}/b/00081115/1/00080101"}}]
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "{base}/b/7FE00010"}


@pytest.mark.parametrize(
    ("tag", "vr", "is_bulk"), [(0x30060050, "DS", False), (0x00281201, "OW", False), (0x00420011, "OB", True)]
)
def test_contours_and_palettes_are_read_in_one_request_and_documents_by_their_address(tag, vr, is_bulk):
    value = b"1\\2 " * 2500
    head = tag.to_bytes(4, "little")[2:] + tag.to_bytes(4, "little")[:2] + vr.encode()
    length = len(value).to_bytes(2, "little") if vr == "DS" else b"\0\0" + len(value).to_bytes(4, "little")
    assert ("BulkDataURI" in written(head + length + value)[f"{tag:08X}"]) == is_bulk


def test_of_texts_an_object_has_so_many_in_itself(monkeypatch):
    monkeypatch.setattr("mappings.dicom.fragment.MAX_TEXTS", 12_000)
    long = [short(tag, "DS", b"1\\2 " * 1500) for tag in (0x00181000, 0x00181001, 0x00181002)]
    told = written(*long, short(0x00181003, "DS", b"1"))
    assert ["BulkDataURI" in told[f"0018100{n}"] for n in range(4)] == [False, False, True, False]


def test_group_lengths_and_trailing_padding_are_left_out():
    assert written(short(0x00080000, "UL", b"\0\0\0\0"), b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0") == {}


def test_text_beyond_ascii_says_utf_8_in_its_place_and_other_text_says_nothing_it_did_not():
    assert list(written(short(0x00080001, "LO", b"a "), short(0x00081030, "LO", b"\xe9"))) == ["00080001", "00080005", "00081030"]
    assert list(written(short(0x00081030, "LO", b"\xe9"))) == ["00080005", "00081030"]
    assert list(written(short(0x00081030, "LO", b"e"))) == ["00081030"]
    assert written(short(0x00080005, "CS", b"ISO_IR 100"))["00080005"]["Value"] == ["ISO_IR 192"]


def test_an_items_own_character_set_ends_with_the_item():
    inside = short(0x00080005, "CS", b"ISO_IR 192") + short(0x00080104, "LO", "ü".encode())
    sequence = (
        b"\x08\0\x15\x11SQ\0\0"
        + (len(inside) + 8).to_bytes(4, "little")
        + b"\xfe\xff\0\xe0"
        + len(inside).to_bytes(4, "little")
        + inside
    )
    found = written(short(0x00080005, "CS", b"ISO_IR 100"), sequence, short(0x00181000, "LO", b"\xfc"))
    assert found["00081115"]["Value"][0]["00080104"]["Value"] == ["ü"]
    assert found["00181000"]["Value"] == ["ü"]


def test_big_endian_binary_is_little_endian_in_json():
    dataset = b"\0\x28\0\x10US\0\2\1\2" + b"\x60\0\x30\0OW\0\0\0\0\0\2\1\2"
    found = json.loads(fragment(memoryview(dataset), BIG))
    assert found["00280010"]["Value"] == [0x0102]
    assert found["60003000"]["InlineBinary"] == "AgE="


def differences(ours: dict, theirs: dict, path: str = "") -> list[str]:
    """Where two objects differ, beyond: (0008,0005), group lengths, trailing padding, bulk data, an empty value among several."""
    found = []
    for key in sorted(set(ours) | set(theirs) - {"FFFCFFFC"}):
        if key == "00080005" or key.endswith("0000"):
            continue
        mine, other = ours.get(key), theirs.get(key)
        if mine is None or other is None:
            found.append(f"{path}{key} in one only")
        elif mine["vr"] == "SQ":
            items = list(zip(mine.get("Value", []), other.get("Value", []), strict=True))
            found += [line for i, (left, right) in enumerate(items) for line in differences(left, right, f"{path}{key}/{i}/")]
        elif "BulkDataURI" not in mine and (mine["vr"] != other["vr"] or not alike(mine, other)):
            found.append(f"{path}{key}")
    return found


def alike(mine: dict, other: dict) -> bool:
    left, right = mine.get("Value", []), [value if value != "" else None for value in other.get("Value", [])]
    numbers = mine["vr"] in {"DS", "FL", "FD"}
    return mine.get("InlineBinary") == other.get("InlineBinary") and (
        left == (pytest.approx(right) if numbers and right else right)
    )


# pydicom leaves out what it can't convert ("suppress_invalid_tags"): illegal UIDs and overlong SH, and sequences holding such.
REFUSED_BY_PYDICOM = ("malformed", "dx_dog", "cr_modality", "fruit_deid_codes", "rtdose", "mammo")


def comparable() -> list[Path]:
    return [
        path
        for path in sorted(SAMPLES.rglob("*"))
        if path.is_file() and not any(name in str(path) for name in REFUSED_BY_PYDICOM)
    ]


@pytest.mark.parametrize("path", comparable(), ids=lambda path: str(path.relative_to(SAMPLES)))
def test_a_samples_fragment_is_what_pydicom_writes(path):
    dataset, syntax = opened(path)
    ours = json.loads(fragment(dataset, syntax))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pydicom.dcmread(path).to_json_dict(bulk_data_threshold=10**9, suppress_invalid_tags=True)
    assert differences(ours, theirs) == []


def test_qido_objects_carry_what_the_index_knows_and_a_place_for_the_address():
    dataset, syntax = opened(SAMPLES / "ct" / "CT_small.dcm")
    header = header_of(dataset, syntax, walk(dataset, syntax))
    words = {"modalities": ["CT", "SR"], "sop_classes": ["1.2"]}
    made = study_fragment(header, issuer="site", **words, series=2, instances=3), series_fragment(header, instances=3)
    made += (instance_summary(header, "1.2.840.10008.1.2.1"),)
    study, series, instance = (json.loads(text.replace(BASE, "https://a")) for text in made)
    assert study["00080061"]["Value"] == ["CT", "SR"]
    assert study["00100021"]["Value"] == ["site"]
    assert (study["00201206"]["Value"], study["00201208"]["Value"], series["00201209"]["Value"]) == ([2], [3], [3])
    assert study["00081190"]["Value"] == [f"https://a/studies/{header.study_instance_uid}"]
    assert series["00081190"]["Value"] == [f"https://a/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"]
    assert instance["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert (instance["00280010"]["Value"], instance["00080018"]["Value"]) == ([128], [header.sop_instance_uid])
    for object_ in (study, series, instance):
        assert list(object_) == sorted(object_)
