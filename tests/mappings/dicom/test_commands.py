"""The bytes of a C-STORE-RQ, held against pynetdicom's own writing of them."""

import struct

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode
from pynetdicom.pdu import P_DATA_TF

from mappings.dicom.commands import StoreRequest, data_values, store_request

CT, INSTANCE = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
USUAL = {
    "AffectedSOPClassUID": CT,
    "CommandField": 1,
    "MessageID": 7,
    "Priority": 2,
    "CommandDataSetType": 1,
    "AffectedSOPInstanceUID": INSTANCE,
}


def command_set(**changed: object) -> memoryview:
    dataset = Dataset()
    for keyword, value in (USUAL | changed).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return memoryview(encode(dataset, True, True) or b"")


@pytest.mark.parametrize("more", [{}, {"MoveOriginatorMessageID": 3, "MoveOriginatorApplicationEntityTitle": "AE"}])
def test_a_store_request_is_read_as_it_was_written(more: dict[str, object]) -> None:
    assert store_request(command_set(**more)) == StoreRequest(7, CT, INSTANCE, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"CommandField": 0x30},
        {"CommandField": 0x8001},
        {"CommandField": None},
        {"CommandDataSetType": 0x0101},
        {"Priority": 3},
        {"Priority": None},
        {"MessageID": None},
        {"AffectedSOPInstanceUID": None},
        {"AffectedSOPInstanceUID": ["1.2.3", "1.2.4"]},
        {"PatientID": "P1"},
    ],
)
def test_what_is_another_message_or_unusual_is_left_to_pynetdicom(changed: dict[str, object]) -> None:
    assert store_request(command_set(**changed)) is None


@pytest.mark.parametrize("uid", [b"", b"31", b"1..2", b"../../x\0", b"1.2.3\xe9\0", b"1." + b"2" * 64])
def test_a_uid_that_is_none_is_left_to_pynetdicom(uid: bytes) -> None:
    usual = bytes(command_set())
    written = struct.pack("<HHL", 0, 0x1000, len(INSTANCE) + 1) + INSTANCE.encode() + b"\0"
    assert written in usual
    assert store_request(memoryview(usual.replace(written, struct.pack("<HHL", 0, 0x1000, len(uid)) + uid))) is None


def test_a_command_set_that_breaks_off_is_left_to_pynetdicom_wherever_it_does() -> None:
    usual = command_set()
    assert not any(store_request(usual[:length]) for length in range(len(usual)))


def test_the_values_of_a_pdu_are_those_that_pynetdicom_reads() -> None:
    items = struct.pack(">LBB", 5, 1, 3) + b"abc" + struct.pack(">LBB", 2, 3, 0)
    pdu = struct.pack(">BBL", 4, 0, len(items)) + items
    theirs = P_DATA_TF()
    theirs.decode(pdu)
    assert [(context, bytes(value)) for context, value in data_values(memoryview(pdu))] == [(1, b"\3abc"), (3, b"\0")]
    assert [(context, bytes(value)) for context, value in theirs.to_primitive().presentation_data_value_list] == [
        (1, b"\3abc"),
        (3, b"\0"),
    ]


@pytest.mark.parametrize("length", [0, 1, 6, 0xFFFFFFFF])
def test_values_that_do_not_fill_their_pdu_are_refused(length: int) -> None:
    items = struct.pack(">LBB", length, 1, 3) + b"abc"
    with pytest.raises(ValueError, match="breaks off"):
        list(data_values(memoryview(struct.pack(">BBL", 4, 0, len(items)) + items)))
