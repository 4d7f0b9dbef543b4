"""Storage Commitment requests as they are read, and reports as they are written."""

import random

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mappings.dicom import commitment
from mappings.dicom.commitment import COMMITTED, SOME_FAILED, read_request, report
from mappings.failures import Invalid, TooLarge

EXPLICIT = "1.2.840.10008.1.2.1"
MR = "1.2.840.10008.5.1.4.1.1.4"


def asked(*references, transaction="1.5.1", **more):
    written = Dataset()
    written.TransactionUID, written.ReferencedSOPSequence = transaction, []
    for sop_class, instance in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        written.ReferencedSOPSequence.append(item)
    for keyword, value in more.items():
        setattr(written, keyword, value)
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, written)
    return file.getvalue()


def test_a_request_names_its_transaction_and_each_object_once():
    read = read_request(asked((MR, "1.2.1"), (MR, "1.2.2"), (MR, "1.2.1")), EXPLICIT)
    assert (read.transaction, read.references) == ("1.5.1", ((MR, "1.2.1"), (MR, "1.2.2")))


def test_performed_procedure_steps_beside_the_objects_are_none_of_them():
    step = Dataset()
    step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.3", "1.2.9"
    read = read_request(asked((MR, "1.2.1"), ReferencedPerformedProcedureStepSequence=[step]), EXPLICIT)
    assert read.references == ((MR, "1.2.1"),)


@pytest.mark.parametrize(
    "data", [b"", b"\x08\x00\x95\x11UI\xff\xff", asked(), asked((MR, "")), asked((MR, "1.2.1"), transaction="")]
)  # fmt: skip
def test_what_is_no_request_is_refused(data):
    with pytest.raises(Invalid):
        read_request(data, EXPLICIT)


@pytest.mark.parametrize("seed", range(10))
def test_broken_bytes_are_a_request_or_refused_and_nothing_else(seed):
    chance, whole = random.Random(seed), asked((MR, "1.2.1"), (MR, "1.2.2"))
    for _ in range(200):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            assert read_request(bytes(broken[: chance.randint(0, len(broken))]), EXPLICIT).references
        except Invalid:
            continue


def test_a_request_for_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(commitment, "MOST_REFERENCES", 1)
    with pytest.raises(TooLarge):
        read_request(asked((MR, "1.2.1"), (MR, "1.2.2")), EXPLICIT)


def test_a_report_has_what_is_kept_and_what_is_not_with_its_reason():
    references = ((MR, "1.2.1"), (MR, "1.2.2"))
    event, told = report("1.5.1", references, {"1.2.2": "damaged"}, "ACCORD")
    assert (event, told.TransactionUID) == (SOME_FAILED, "1.5.1")
    assert [item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence] == ["1.2.1"]
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in told.FailedSOPSequence] == [("1.2.2", 0x0110)]
    event, told = report("1.5.1", references, {}, "ACCORD")
    assert event == COMMITTED
    assert "FailedSOPSequence" not in told
