"""What the migration reads of an object is what the header of an object that comes now says."""

from importlib import import_module

import pytest

from mappings.dicom.part10 import Unreadable
from tests.upgrade.test_content import FILES, read

MIGRATION = import_module("adapters.sql.migrations.versions.0021_requests")


def test_it_reads_of_every_sample_what_its_header_says():
    told = dict.fromkeys(("performed_date", "performed_time", "requests", "codes"), 0)
    for path in FILES:
        try:
            instance = read(path)
        except Unreadable:
            continue
        said = MIGRATION._said(instance.fragment)
        for name in told:
            now = getattr(instance.header, name)
            assert said.get(name) == (now if now is None or isinstance(now, str) else [list(item) for item in now]), (path, name)
            told[name] += now is not None
    assert min(told.values()) > 3, told


@pytest.mark.parametrize("metadata", [b"{}", b'{"00400275":{"vr":"SQ","Value":[{}]},"00400244":{"vr":"DA","Value":["2020"]}}'])
def test_it_reads_nothing_where_nothing_is_said(metadata):
    assert MIGRATION._said(metadata) == {}
