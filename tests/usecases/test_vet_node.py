"""Whether a node may be used, and what the operator should know of one that may."""

from types import SimpleNamespace

import pytest

from server.usecases import vet_node


@pytest.mark.parametrize(
    ("version", "warned"), [("1.10.1", True), ("1.12.11", True), ("1.13.0", False), ("1.14.2", False), ("", False)]
)
def test_an_orthanc_without_its_security_fixes_is_warned_of(version, warned):
    row = SimpleNamespace(name="ward", kind="orthanc")
    assert (vet_node.find_warning(row, version) is not None) is warned


def test_a_folder_has_no_such_version():
    assert vet_node.find_warning(SimpleNamespace(name="ward", kind="folder"), "folder") is None
