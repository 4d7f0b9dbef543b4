"""What the migration reads of an object's metadata is what the header of an object that comes now says."""

from importlib import import_module
from pathlib import Path

import pytest

from adapters.sql.migrations import versions
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Unreadable, plain, read_part10
from tests import builders

(NAME,) = (path.stem for path in Path(versions.__file__).parent.glob("*_content.py"))
MIGRATION = import_module(f"{versions.__name__}.{NAME}")
FILES = sorted(path for path in builders.DICOM.rglob("*") if path.is_file())


def read(path):
    part10 = read_part10(memoryview(path.read_bytes()))
    dataset = plain(part10.dataset, part10.transfer_syntax)
    return read_instance(dataset, part10.transfer_syntax, placeholders=frozenset(), preamble_zero=True)


def test_it_reads_of_every_sample_what_its_header_says():
    said, procedures = 0, 0
    for path in FILES:
        try:
            instance = read(path)
        except Unreadable:
            continue
        header = instance.header
        assert MIGRATION._instance(instance.fragment) == {
            "title": header.image_type or header.content_label,
            "laterality": header.image_laterality,
        }, path
        assert tuple(MIGRATION._procedures(instance.fragment)) == (header.procedures or ()), path
        said, procedures = said + bool(header.image_type), procedures + bool(header.procedures)
    assert said > 80
    assert procedures > 15


def test_a_study_s_header_keeps_what_it_said_beside_its_procedures():
    header = MIGRATION._with('{"v":1,"study_id":"7"}', [("SCT", "77477000", "CT")])
    assert header == '{"v":1,"study_id":"7","procedures":[["SCT","77477000","CT"]]}'


@pytest.mark.parametrize("metadata", [b"{}", b'{"00080008":{"vr":"CS"},"00081032":{"vr":"SQ","Value":[{}]}}'])
def test_it_reads_nothing_where_nothing_is_said(metadata):
    assert MIGRATION._instance(metadata) == {"title": None, "laterality": None}
    assert MIGRATION._procedures(metadata) in ([], [("", "", "")])
