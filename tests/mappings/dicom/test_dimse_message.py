"""DIMSE messages as bytes: a command set as pydicom reads it, and fragments that are the data set again."""

import struct
from io import BytesIO

import pytest
from pydicom import dcmread

from mappings.dicom.dimse_message import (
    C_MOVE_RSP,
    LONGEST_FRAGMENT,
    SHORTEST_FRAGMENT,
    command,
    command_pdus,
    data_pdus,
    fragment_size,
)


def fragments(pdus: bytes) -> list[tuple[int, int, bytes]]:
    """(context, control header, fragment) of each PDU, all of which are P-DATA-TF of one PDV."""
    found, at = [], 0
    while at < len(pdus):
        kind, _, length, pdv, context_id, control = struct.unpack_from(">BBLLBB", pdus, at)
        assert (kind, pdv) == (4, length - 4)
        found.append((context_id, control, pdus[at + 12 : at + 6 + length]))
        at += 6 + length
    return found


def test_a_command_set_is_read_as_it_was_meant():
    written = command(C_MOVE_RSP, data_set=True, sop_class="1.2.3", responded_to=7, status=0xB000, comment="odd", failed=2)
    read = dcmread(BytesIO(written), force=True)
    assert read.CommandGroupLength == len(written) - 12
    assert (read.AffectedSOPClassUID, read.CommandField, read.MessageIDBeingRespondedTo) == ("1.2.3", 0x8021, 7)
    assert (read.Status, read.ErrorComment, read.NumberOfFailedSuboperations) == (0xB000, "odd", 2)
    assert read.CommandDataSetType != 0x0101
    assert "NumberOfRemainingSuboperations" not in read


def test_a_message_without_a_data_set_says_so_and_leaves_out_what_is_not_said():
    read = dcmread(BytesIO(command(C_MOVE_RSP, data_set=False, status=0, comment="", remaining=None)), force=True)
    assert read.CommandDataSetType == 0x0101
    assert "ErrorComment" not in read


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"a" * 10], [b"a" * 10, b"b" * 25, b"c"], [b"x" * 30, b"", b"y" * 31], [b"z" * 20]]
)
def test_fragments_are_the_data_set_again_and_the_last_alone_says_so(pieces):
    sent = [fragment for pdus in data_pdus(3, 10, iter(pieces)) for fragment in fragments(pdus)]
    assert b"".join(data for _, _, data in sent) == b"".join(pieces)
    assert [control for _, control, _ in sent] == [0] * (len(sent) - 1) + [2]
    assert all(context_id == 3 and len(data) <= 10 for context_id, _, data in sent)


def test_nothing_that_might_be_the_last_goes_before_all_has_come():
    came = data_pdus(1, 4, iter([b"12345678", b"9"]))
    assert [data for _, _, data in fragments(next(came))] == [b"1234"]
    assert [(control, data) for _, control, data in fragments(next(came))] == [(0, b"5678")]
    assert [(control, data) for _, control, data in fragments(next(came))] == [(2, b"9")]


def test_a_command_goes_in_fragments_too():
    sent = fragments(command_pdus(5, 8, b"0123456789"))
    assert sent == [(5, 1, b"01234567"), (5, 3, b"89")]


@pytest.mark.parametrize(
    ("announced", "size"), [(0, LONGEST_FRAGMENT), (16384, 16378), (1 << 30, LONGEST_FRAGMENT), (7, SHORTEST_FRAGMENT)]
)
def test_a_fragment_is_what_the_peer_bears_within_reason(announced, size):
    assert fragment_size(announced) == size
