"""The walk reaches every element of good files and stops at the first thing it can't follow in bad ones."""

import contextlib
import random
import struct
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mappings.dicom.content import content_digest
from mappings.dicom.deidentification import observations_of
from mappings.dicom.elements import ITEM, ITEM_END, PIXELS, SEQUENCE_END, shared, walk, walk_beginning, where
from mappings.dicom.fragment import fragment_of
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Unreadable, plain, read_part10

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
UNDEFINED = 0xFFFFFFFF
DELIMITED_ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def short(tag: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def long(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value) if length is None else length) + value


def bare(tag: int, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(content: bytes, length: int | None = None) -> bytes:
    return bare(ITEM, content, length)


def walked(dataset: bytes, syntax: str = EXPLICIT) -> list[tuple[int, str, bytes]]:
    return [(tag, vr, dataset[start:stop]) for tag, vr, start, stop, _, _ in walk(memoryview(dataset), syntax)]


def use_all(dataset: memoryview, syntax: str) -> None:
    """Everything that reads a data set; only Unreadable may come out of it."""
    tasks: list[Callable[[], object]] = [
        lambda: read_instance(dataset, syntax, placeholders=frozenset({"anonymous"}), preamble_zero=True),
        lambda: fragment_of(dataset, syntax, walk(dataset, syntax)).decode(),
        lambda: observations_of(dataset, walk(dataset, syntax), placeholders=frozenset(), preamble_zero=True),
        lambda: content_digest(dataset, syntax),
    ]
    for task in tasks:
        try:
            task()
        except Unreadable:
            continue


NAME = short(0x00100010, b"PN", b"A^B ")
BROKEN = {
    "a value that runs past the end": short(0x00100010, b"PN", b"A^B ")[:-2],
    "a length of four gigabytes": long(0x00420011, b"OB", b"", 0xFFFFFFFE),
    "tags that go backwards": NAME + short(0x00080060, b"CS", b"CT"),
    "a tag twice": NAME + NAME,
    "bytes after the last element": NAME + b"tail",
    "a VR that is none": short(0x00100010, b"??", b"A^B "),
    "a header cut short": NAME + b"\x42\0\x11\0OB\0\0",
    "a sequence without end": long(0x00081115, b"SQ", item(NAME), UNDEFINED),
    "an item without end": long(0x00081115, b"SQ", item(NAME, UNDEFINED), UNDEFINED),
    "an item longer than its sequence": long(0x00081115, b"SQ", item(NAME, 64)),
    "an element where an item belongs": long(0x00081115, b"SQ", NAME),
    "an item outside a sequence": item(NAME),
    "a text of undefined length": long(0x00104000, b"UT", b"abcd", UNDEFINED),
    "a fragment longer than the file": long(0x7FE00010, b"OB", item(b"", 0) + item(b"ab", 4000), UNDEFINED),
    "fragments without their delimiter": long(0x7FE00010, b"OB", item(b"", 0) + item(b"ab"), UNDEFINED),
    "a fragment of undefined length": long(0x7FE00010, b"OB", item(b"", UNDEFINED) + SEQUENCE_DELIMITER, UNDEFINED),
}


@pytest.mark.parametrize("dataset", BROKEN.values(), ids=BROKEN.keys())
def test_a_structure_that_cannot_be_followed_is_broken(dataset):
    with pytest.raises(Unreadable) as refusal:
        walked(dataset)
    assert refusal.value.rule == "structure-broken"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_three_thousand_nested_sequences_are_refused_and_not_recursed_into(syntax):
    head = long(0x00081115, b"SQ", b"", UNDEFINED) if syntax == EXPLICIT else bare(0x00081115, b"", UNDEFINED)
    with pytest.raises(Unreadable, match="deeper than 32"):
        walked((head + item(b"", UNDEFINED)) * 3000, syntax)


@pytest.mark.parametrize(("depth", "refused"), [(32, False), (33, True)])
def test_sequences_are_nested_up_to_32(depth, refused):
    dataset = NAME
    for _ in range(depth):
        dataset = long(0x00081115, b"SQ", item(dataset))
    with pytest.raises(Unreadable, match="deeper than 32") if refused else contextlib.nullcontext():
        assert len(walked(dataset)) == 4 * depth + 1


def test_sequences_hidden_under_un_cost_no_more_the_deeper_they_lie():
    dataset = NAME
    for _ in range(60):
        dataset = long(0x00081115, b"UN", item(bare(0x00081115, item(dataset))))
    started = time.process_time()
    use_all(memoryview(dataset), EXPLICIT)
    assert time.process_time() - started < 2


def test_more_events_than_any_object_has_are_refused(monkeypatch):
    monkeypatch.setattr("mappings.dicom.elements.MAX_EVENTS", 100)
    for many in (long(0x00081115, b"SQ", item(b"") * 101), b"".join(long(0x00090000 + n, b"SQ", b"") for n in range(1, 102))):
        with pytest.raises(Unreadable, match="more elements"):
            walked(many)


def test_zeros_after_the_last_element_and_trailing_padding_are_tolerated():
    padded = NAME + long(0xFFFCFFFC, b"OB", b"\0\0")
    assert [tag for tag, _, _ in walked(padded + bytes(13))] == [0x00100010, 0xFFFCFFFC]


def test_an_odd_length_is_tolerated():
    assert walked(short(0x00100010, b"PN", b"A^B") + short(0x00100020, b"LO", b"7"))[1] == (0x00100020, "LO", b"7")


def test_a_sequence_is_walked_alike_with_known_and_undefined_lengths():
    known = long(0x00081115, b"SQ", item(NAME))
    undefined = long(0x00081115, b"SQ", item(NAME + DELIMITED_ITEM_END, UNDEFINED) + SEQUENCE_DELIMITER, UNDEFINED)
    both = [[(tag, vr, value) for tag, vr, value in walked(dataset) if vr != "SQ"] for dataset in (known, undefined)]
    assert both[0] == both[1]
    assert (0x00100010, "PN", b"A^B ") in both[0]


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_un_of_undefined_length_is_a_sequence_in_implicit_little_endian(syntax):
    inside = item(bare(0x00100010, b"A^B ") + bare(0x00280010, b"\x01\x02")) + SEQUENCE_DELIMITER
    dataset = struct.pack(">HH" if syntax == BIG else "<HH", 0x0008, 0x2112) + b"UN\0\0\xff\xff\xff\xff" + inside
    found = walked(dataset, syntax)
    assert found[0][:2] == (0x00082112, "SQ")
    assert (0x00100010, "PN", b"A^B ") in found
    assert (0x00280010, "US" if syntax == EXPLICIT else "UN", b"\x01\x02") in found
    assert found[-1][0] == SEQUENCE_END


def test_un_of_known_length_is_walked_when_the_standard_says_sequence_and_it_is_one():
    good = long(0x00081115, b"UN", item(bare(0x00100010, b"A^B ")))
    bad = long(0x00081115, b"UN", b"no item here")
    assert (0x00100010, "PN", b"A^B ") in walked(good)
    assert walked(bad) == [(0x00081115, "UN", b"no item here")]


def test_a_delimiter_inside_a_fragment_is_pixel_data():
    fragments = item(b"") + item(b"ab" + SEQUENCE_DELIMITER)
    assert walked(long(0x7FE00010, b"OB", fragments + SEQUENCE_DELIMITER, UNDEFINED)) == [(0x7FE00010, "OB", fragments)]


def test_private_elements_name_their_creator_and_have_its_vr_in_implicit_syntax():
    dataset = bare(0x00090010, b"GEMS_IDEN_01") + bare(0x00091001, b"GE_GENESIS_FF ") + bare(0x00091101, b"x ")
    events = list(walk(memoryview(dataset), IMPLICIT))
    assert [(vr, creator) for _, vr, _, _, creator, _ in events] == [("LO", None), ("LO", "GEMS_IDEN_01"), ("UN", None)]


def test_pixel_values_are_signed_when_the_object_says_so():
    signed = bare(0x00280103, b"\1\0") + bare(0x00280106, b"\xff\xff")
    unsigned = bare(0x00280103, b"\0\0") + bare(0x00280106, b"\xff\xff")
    assert [walked(dataset, IMPLICIT)[1][1] for dataset in (signed, unsigned)] == ["SS", "US"]


def test_an_element_says_the_items_it_lies_in():
    inner = long(0x00401101, b"SQ", item(short(0x00401102, b"ST", b"Road")))
    dataset = memoryview(NAME + long(0x00400275, b"SQ", item(b"") + item(inner)))
    paths = {tag: scope.path for tag, vr, _, _, _, scope in walk(dataset, EXPLICIT) if vr}
    assert paths == {
        0x00100010: (),
        0x00400275: (),
        0x00401101: ((0x00400275, 1),),
        0x00401102: ((0x00400275, 1), (0x00401101, 0)),
    }
    assert where(0x00401102, paths[0x00401102]) == "(0040,0275)[1].(0040,1101)[0].(0040,1102)"


def test_the_marks_of_an_item_lie_in_it_and_the_end_of_a_sequence_where_that_stands():
    dataset = memoryview(long(0x00081115, b"SQ", item(NAME)))
    marks = [(tag, len(scope.path)) for tag, vr, _, _, _, scope in walk(dataset, EXPLICIT) if not vr]
    assert marks == [(ITEM, 1), (ITEM_END, 1), (SEQUENCE_END, 0)]


def test_an_items_character_set_holds_in_it_and_below_and_ends_with_it():
    latin, greek = short(0x00080005, b"CS", b"ISO_IR 100"), short(0x00080005, b"CS", b"ISO_IR 126")
    below = long(0x00401101, b"SQ", item(NAME))
    dataset = memoryview(latin + long(0x00081115, b"SQ", item(greek + below) + item(NAME)) + NAME)
    found = [scope.encodings[0] for tag, _, _, _, _, scope in walk(dataset, EXPLICIT) if tag == 0x00100010]
    assert found == ["iso_ir_126", "latin_1", "latin_1"]


@pytest.mark.parametrize("count", [1, 1000])
@pytest.mark.parametrize("cut", [None, -1])
def test_a_shared_walk_gives_every_reader_all_events_up_to_a_refusal(cut, count):
    dataset = memoryview((long(0x00081115, b"SQ", item(NAME) * count, UNDEFINED) + SEQUENCE_DELIMITER)[:cut])
    read, listened, alone = [], [], []
    with contextlib.suppress(Unreadable):
        read.extend(shared(walk(dataset, EXPLICIT), listened.extend))
    with contextlib.suppress(Unreadable):
        alone.extend(walk(dataset, EXPLICIT))
    assert read == listened == alone
    assert len(alone) == 3 * count + (2 if cut is None else 1)


@pytest.mark.parametrize("seed", range(8))
def test_only_unreadable_escapes_from_mutated_files(seed):
    chance = random.Random(seed)
    files = [path for path in sorted(SAMPLES.rglob("*")) if path.is_file() and 200 < path.stat().st_size < 40_000]
    for path in chance.sample(files, 25):
        for _ in range(4):
            file = bytearray(path.read_bytes())
            for _ in range(chance.choice((1, 3, 30))):
                at = chance.randrange(min(len(file), 3000))
                file[at : at + chance.choice((0, 1, 1, 4))] = chance.randbytes(chance.choice((0, 1, 1, 4)))
            try:
                part10 = read_part10(memoryview(bytes(file[: chance.choice((len(file), chance.randrange(len(file) + 1)))])))
                dataset = plain(part10.dataset, part10.transfer_syntax)
            except Unreadable:
                continue
            use_all(dataset, part10.transfer_syntax)


def test_every_readable_sample_is_walked_to_its_end(capsys):
    walks = 0
    for path in sorted(SAMPLES.rglob("*.dcm")):
        if path.parent.name == "malformed":
            continue
        part10 = read_part10(memoryview(path.read_bytes()))
        dataset = plain(part10.dataset, part10.transfer_syntax)
        started = time.perf_counter()
        events = sum(1 for _ in walk(dataset, part10.transfer_syntax))
        with capsys.disabled():
            if len(dataset) > 1_000_000:
                print(f"\n{path.name}: {events} events in {(time.perf_counter() - started) * 1000:.2f} ms")
        assert events > 20
        walks += 1
    assert walks > 30


@pytest.mark.parametrize(
    "name",
    ["ct/CT_small.dcm", "mr/emri_small_rle.dcm", "mr/MR_small_bigendian.dcm", "seg/seg_ct_binary.dcm", "rt/rtplan.dcm"],
)
def test_the_beginning_of_a_data_set_is_walked_as_the_whole_or_not_at_all(name):
    """Cut anywhere before its pixel data it asks for more; then what is found is what the whole says."""
    opened = read_part10(memoryview((SAMPLES / name).read_bytes()))
    whole = list(walk(opened.dataset, opened.transfer_syntax))
    known = next((at for at, event in enumerate(whole) if event[0] in PIXELS), len(whole))
    until = whole[known][2] if known < len(whole) else len(opened.dataset)
    for cut in {*range(0, until, 37), until - 1, until - 4, until - 8}:
        events = walk_beginning(opened.dataset[:cut], opened.transfer_syntax)
        with pytest.raises(EOFError):
            deque(islice(events, known + 1), maxlen=0)
    if known < len(whole):
        events = walk_beginning(opened.dataset[:until], opened.transfer_syntax)
        assert [next(events) for _ in range(known)] == whole[:known]
        assert next(events)[:3] == whole[known][:3]


@pytest.mark.parametrize("padding", [8, 100_000])
def test_a_beginning_that_ends_in_zeros_asks_for_more(padding):
    """It has no end, so counting them would have none."""
    with pytest.raises(EOFError):
        list(walk_beginning(memoryview(short(0x00080060, b"CS", b"SR") + bytes(padding)), EXPLICIT))


def test_a_beginning_that_breaks_is_refused_and_asks_for_no_more():
    backwards = short(0x00080016, b"UI", b"1.2\0") + short(0x00080005, b"CS", b"X ")
    with pytest.raises(Unreadable):
        list(walk_beginning(memoryview(backwards), EXPLICIT))
