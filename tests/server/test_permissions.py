"""What an Accord keeps is its owner's alone, also in a directory that others may enter (a mounted volume)."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from mappings.failures import Unavailable
from tests import builders


def test_nothing_in_a_data_directory_is_readable_by_others(tmp_path):
    data = tmp_path / "volume"
    data.mkdir()
    data.chmod(0o755)
    subprocess.run([sys.executable, "-m", "server.cli.main", "migrate", "--data", str(data)], check=True)
    made = list(data.rglob("*"))
    assert made
    assert [path.name for path in made if path.stat().st_mode & 0o077] == []


def test_a_directory_that_others_may_read_is_tightened(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    builders.runtime(tmp_path).close()
    assert data.stat().st_mode & 0o777 == 0o700


def test_one_whose_mode_is_not_ours_to_change_is_refused(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o750)

    def refused(_path, _mode):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(Unavailable, match="Others can read"):
        builders.runtime(tmp_path)
    assert list(data.iterdir()) == []
