"""The header is what pydicom reads, in plain text and numbers, and refuses what has no legal identifiers."""

import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mappings.dicom.elements import walk
from mappings.dicom.header import FIELDS, UIDS, Header, header_of
from mappings.dicom.part10 import Unreadable, plain, read_part10

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
EXPLICIT = "1.2.840.10008.1.2.1"


def read(dataset: memoryview, syntax: str = EXPLICIT) -> Header:
    return header_of(dataset, syntax, walk(dataset, syntax))


def built(**values: object) -> memoryview:
    dataset = Dataset()
    given = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3",
        "StudyInstanceUID": "1.2.4",
        "SeriesInstanceUID": "1.2.5",
    }
    for keyword, value in (given | values).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return encoded(dataset)


def encoded(dataset: Dataset) -> memoryview:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(buffer, dataset)
    return memoryview(buffer.getvalue())


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize(
    ("value", "rule"), [(None, "uid-missing"), ("", "uid-missing"), ("1.2.x", "uid-illegal"), ("1.05", "uid-illegal")]
)
def test_an_object_without_its_four_legal_uids_is_refused(keyword, value, rule):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = built(**{keyword: value})
    with pytest.raises(Unreadable) as refusal:
        read(dataset)
    assert refusal.value.rule == rule
    assert refusal.value.where in {f"({tag >> 16:04x},{tag & 0xFFFF:04x})" for tag in UIDS.values()}


def test_a_missing_uid_ranks_before_an_illegal_one_and_that_before_a_broken_structure():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both, illegal = built(StudyInstanceUID=None, SOPInstanceUID="x"), built(SOPInstanceUID="x", PatientName="A^B")
    with pytest.raises(Unreadable, match="uid-missing"):
        read(both)
    with pytest.raises(Unreadable, match="uid-illegal"):
        read(illegal[:-3])
    with pytest.raises(Unreadable, match="structure-broken"):
        read(built(PatientName="A^B")[:-3])


def test_no_value_of_the_file_stands_in_a_refusal():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = built(SOPInstanceUID="Doe^Jane")
    with pytest.raises(Unreadable) as refusal:
        read(dataset)
    assert "Doe" not in f"{refusal.value}{refusal.value.detail}{refusal.value.where}"


@pytest.mark.parametrize(
    ("stated", "born", "studied", "years"),
    [
        ("045Y", None, None, 45),
        ("018M", None, None, 1),
        ("010D", None, None, 0),
        ("104W", None, None, 2),
        ("75Y", "20200704", "20230101", 75),
        ("5Y ", None, None, 5),
        ("75", "20200704", "20230101", 2),
        (None, "19500315", "20200314", 69),
        (None, "19500315", "20200315", 70),
        ("", "1950.03.15", "20200315", 70),
        (None, "20200101", "19990101", None),
        (None, "18000101", "20200101", None),
        (None, None, "20200101", None),
        ("old", None, None, None),
    ],
)
def test_the_age_is_stated_or_counted(stated, born, studied, years):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = built(PatientAge=stated, PatientBirthDate=born, StudyDate=studied)
    assert read(dataset).age_years == years


def test_dates_times_and_numbers_that_are_none_are_left_out():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = built(StudyDate="20201399", StudyTime="noon", StudyID="x" * 5000)
    header = read(dataset)
    assert (header.study_date, header.study_time, header.study_id) == (None, None, "x" * 1024)


def readable() -> list[Path]:
    return [
        path
        for path in sorted(SAMPLES.rglob("*"))
        if path.is_file() and path.parent.name != "malformed" and not path.name.startswith("DICOMDIR")
    ]


@pytest.mark.parametrize("path", readable(), ids=lambda path: str(path.relative_to(SAMPLES)))
def test_the_header_is_what_pydicom_reads(path):
    part10 = read_part10(memoryview(path.read_bytes()))
    header = read(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = pydicom.dcmread(path, stop_before_pixels=True)
        for field, tag in UIDS.items():
            assert getattr(header, field) == str(oracle[tag].value)
        for field, (tag, vr) in FIELDS.items():
            theirs = oracle[tag].value if tag in oracle else None
            ours = getattr(header, field)
            if vr in {"IS", "US"}:
                assert ours == theirs or (ours is None and theirs in (None, "")), field
            else:
                values = theirs if isinstance(theirs, pydicom.multival.MultiValue) else [theirs or ""]
                assert (ours or "") == "\\".join(str(value) for value in values).strip(), field


def procedure(meaning: str, value: str = "X1", scheme: str = "99LOCAL") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def test_procedures_are_those_that_were_done_else_those_that_were_asked_for():
    done, asked = [procedure("done"), procedure("twice", "77477000", "SCT")], [procedure("asked")]
    both = read(built(ProcedureCodeSequence=done, RequestedProcedureCodeSequence=asked))
    assert both.procedures == (("99LOCAL", "X1", "done"), ("SCT", "77477000", "twice"))
    assert read(built(RequestedProcedureCodeSequence=asked)).procedures == (("99LOCAL", "X1", "asked"),)
    assert read(built()).procedures is None


def test_a_code_elsewhere_or_deeper_is_no_procedure_and_the_ninth_is_not_read():
    deep = procedure("done")
    deep.ContextGroupExtensionCreatorUID = "1.2"
    deep.EquivalentCodeSequence = [procedure("deeper")]
    assert read(built(ProcedureCodeSequence=[deep], AnatomicRegionSequence=[procedure("region")])).procedures == (
        ("99LOCAL", "X1", "done"),
    )
    many = read(built(ProcedureCodeSequence=[procedure(str(n)) for n in range(12)])).procedures or ()
    assert [meaning for *_, meaning in many] == [str(n) for n in range(8)]
