"""What is sent of an association: a large message as it was made, small pieces together, and never much of it held."""

from types import SimpleNamespace

import pytest

from mappings.dicom.dimse_message import command_pdus, data_pdus, fragment_size
from server.dimse.wire import TOGETHER, Wire

MAXIMUM = 16_384
SIZE = fragment_size(MAXIMUM)


@pytest.fixture
def sent():
    return []


@pytest.fixture
def wire(sent):
    connection = SimpleNamespace(sendall=lambda content: sent.append(bytes(content)))
    dul = SimpleNamespace(socket=SimpleNamespace(socket=connection))
    return Wire(SimpleNamespace(dul=dul, dimse=SimpleNamespace(maximum_pdu_size=MAXIMUM)))


@pytest.mark.parametrize(
    "pieces", [[], [b"a" * 10], [b"a" * 500_000], [b"a" * 1000] * 700, [b"a" * 200_000, b"b", b"c" * 300_001]]
)
def test_a_message_goes_whole_and_in_order_however_it_came(wire, sent, pieces):
    wire.put(1, b"before")
    wire.send(3, b"command", [memoryview(piece) for piece in pieces])
    data = b"".join(data_pdus(3, SIZE, pieces)) if pieces else b""
    assert b"".join(sent) == command_pdus(1, SIZE, b"before") + command_pdus(3, SIZE, b"command") + data


def test_small_pieces_go_together_and_no_more_of_them_is_held_than_that(wire, sent):
    wire.send(1, b"command", (b"a" * 20_000 for _ in range(100)))
    assert len(sent) < 40
    assert max(map(len, sent)) < TOGETHER + SIZE


def test_a_large_one_is_not_copied_beside_what_waits(wire, sent):
    wire.send(1, b"command", [b"a" * 500_000])
    assert [len(each) > TOGETHER for each in sent] == [False, True, False]
