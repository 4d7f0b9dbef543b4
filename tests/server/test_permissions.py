"""What an Accord keeps is its owner's alone, also in a directory that others may enter (a mounted volume)."""

import subprocess
import sys


def test_nothing_in_a_data_directory_is_readable_by_others(tmp_path):
    data = tmp_path / "volume"
    data.mkdir()
    data.chmod(0o755)
    subprocess.run([sys.executable, "-m", "server.cli.main", "migrate", "--data", str(data)], check=True)
    made = list(data.rglob("*"))
    assert made
    assert [path.name for path in made if path.stat().st_mode & 0o077] == []
