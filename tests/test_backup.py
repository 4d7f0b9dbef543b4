"""Backup and restore, drilled: backed up while a provider pushes, put back elsewhere, found whole, the rest sent again."""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from adapters.accord_client import AccordClient
from adapters.backup import find_files
from adapters.client_file import read_client
from adapters.offered import Offered
from tests import builders
from tests.running import Accord, eventually, image, running

IMAGES = 30
GOVERNANCE = (
    "node add central --networks 127.0.0.0/8",
    "party add hospital --name Hospital --role provider",
    "agreement add D --provider hospital --node central --terms 1.0.0 --actions query,process",
    "agreement propose D",
    "agreement activate D",
    "dataset add SET --agreement D --title Set",
)


def govern(accord: Accord, home: Path) -> None:
    (home / "terms.txt").write_text("Never for diagnosis.\n")
    accord.clients["pusher"] = home / "pusher.json"
    client = f"client add pusher --party hospital --scopes system/*.cruds --terms 1.0.0 --write {home / 'pusher.json'}"
    accord.admin(["terms", "add", str(home / "terms.txt"), "--version", "1.0.0"], *GOVERNANCE, client)


def pushed(accord: Accord, files: Iterable[Path]) -> dict[str, int]:
    """What became of the files, by rule."""
    with AccordClient(read_client(accord.clients["pusher"])) as client:
        batch = client.open_batch()
        client.send(batch, [Offered(file.name, file, file.stat().st_size) for file in files])
        return {rule["rule"]: rule["files"] for rule in client.close_batch(batch)["rules"]}


def held(accord: Accord, study: str) -> int:
    return len(accord.get(f"/dicom-web/studies/{study}/instances?limit=1000", "pusher").json())


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request, tmp_path):
    """Call it for the settings of one more database, nothing in it."""
    if request.param == "sqlite":
        return dict
    postgresql = request.getfixturevalue("postgresql")
    return lambda: {"database_url": postgresql()}


def test_what_was_backed_up_while_it_was_pushed_is_put_back_whole_and_the_rest_is_sent_again(new_database, tmp_path):
    study, backup, files = generate_uid(prefix=None), tmp_path / "backup", [tmp_path / f"{n}.dcm" for n in range(IMAGES)]
    for number, file in enumerate(files):
        file.write_bytes(image(study, "P1", number))
    first, meanwhile, later = files[:5], iter(files[5:-5]), files[-5:]
    with running(tmp_path / "data", min_free_mb="1", **new_database()) as accord:
        govern(accord, tmp_path)
        pushed(accord, first)
        pushing = threading.Thread(target=lambda: [pushed(accord, [file]) for file in meanwhile])
        pushing.start()
        accord.command("backup", backup)
        pushing.join()
        pushed(accord, later)
        assert held(accord, study) == IMAGES
        second = accord.command("backup", tmp_path / "second").stdout
        again = accord.command("backup", tmp_path / "second").stdout
        assert f"{IMAGES + 4} files ({IMAGES + 4} of them new)" in second  # with three keys and the marker
        assert f"{IMAGES + 4} files (0 of them new)" in again
        assert "✓ backup: The last was made" in accord.command("doctor").stdout
    assert {path.stat().st_mode & 0o077 for path in (backup, *backup.rglob("*"))} == {0}
    database = new_database()
    environment = {f"ACCORD_{name.upper()}": value for name, value in database.items()}
    elsewhere = Accord(tmp_path / "new", accord.environment | environment | {"ACCORD_DATA_DIR": str(tmp_path / "new")}, 0, 0)
    assert "all as recorded" in elsewhere.command("restore", backup).stdout
    with running(tmp_path / "new", min_free_mb="1", **database) as restored:
        client = json.loads((tmp_path / "pusher.json").read_text())
        client["base_url"] = restored.base
        (tmp_path / "moved.json").write_text(json.dumps(client))
        (tmp_path / "moved.json").chmod(0o600)
        restored.clients["pusher"] = tmp_path / "moved.json"
        before = held(restored, study)
        assert len(first) <= before < IMAGES
        assert restored.command("admin", "node", "compare", "central", "--digests", status=None).stdout.count("missing") == 0
        assert pushed(restored, files) == {"declared": IMAGES - before, "known": before}
        assert held(restored, study) == IMAGES
        restored.command("ledger", "verify")
        assert eventually(lambda: restored.command("doctor", status=None).returncode == 0)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A repository that is not served, and its command line."""
    runtime = builders.runtime(tmp_path)
    builders.seed(runtime)
    runtime.close()
    environment = {"ACCORD_DATA_DIR": str(tmp_path / "data")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Accord(tmp_path / "data", environment, 0, 0)


def test_a_backup_goes_neither_into_what_it_copies_nor_over_something_else(house, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/one").touch()
    inside = "lie in each other"
    for where, why in ((tmp_path / "data/backup", inside), (tmp_path, inside), (tmp_path / "letters", "no backup")):
        assert why in house.command("backup", where, status=2).stderr
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["one"]
    assert not (tmp_path / "data/backup").exists()


def test_a_backup_is_put_back_only_where_nothing_is(house, tmp_path):
    house.command("backup", tmp_path / "backup")
    assert "is not empty" in house.command("restore", tmp_path / "backup", status=2).stderr
    assert "holds no backup" in house.command("restore", tmp_path / "nothing", "--data", tmp_path / "new", status=2).stderr
    assert not (tmp_path / "new").exists()
    house.command("restore", tmp_path / "backup", "--data", tmp_path / "new")
    assert "central\tfolder" in house.command("admin", "node", "list", "--data", tmp_path / "new").stdout


def test_what_went_bad_since_is_not_copied_over_what_was_good(house, tmp_path):
    """A disk that changes a byte changes no time; what was put back by a resend has another."""
    file = tmp_path / "data/central/objects/aa/object"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"good")
    house.command("backup", tmp_path / "backup")
    stat = file.stat()
    file.write_bytes(b"baad")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    house.command("backup", tmp_path / "backup")
    assert (tmp_path / "backup/data/central/objects/aa/object").read_bytes() == b"good"


def test_a_file_that_goes_while_files_are_listed_ends_no_backup(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"x")
    really = Path.stat

    def purged_meanwhile(self, **how):
        if self.name == "b":
            raise FileNotFoundError(self)
        return really(self, **how)

    monkeypatch.setattr(Path, "stat", purged_meanwhile)
    assert [str(path) for path, _ in find_files(tmp_path)] == ["a", "c"]


def test_a_node_behind_a_link_is_named_since_links_are_not_followed(house, tmp_path):
    (tmp_path / "data/central").rename(tmp_path / "disk")
    (tmp_path / "data/central").symlink_to(tmp_path / "disk")
    assert "Not in it: what rests on node central" in house.command("backup", tmp_path / "backup").stdout


def test_what_rests_elsewhere_is_named(house, tmp_path):
    house.command("admin", "node", "add", "far", "--url", tmp_path / "far")
    assert f"Not in it: what rests on node far ({tmp_path}/far)" in house.command("backup", tmp_path / "backup").stdout
