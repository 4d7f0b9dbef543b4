"""A folder node whose disk is not there: nothing is put in its place, nothing is forgotten, and it is named."""

import shutil

import pytest
from sqlalchemy import select

from adapters.nodes.folder import MARKER
from adapters.sql import tables as t
from mappings.failures import Conflict, Unavailable
from server.usecases import health, reconcile, withdraw
from server.usecases.node import add_node, list_nodes
from server.usecases.read_back import read_back
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit, in_care

FOLDER = {"kind": "folder", "hosting": "central"}


@pytest.fixture
def unmounted(built):
    """A repository that holds an object on a folder whose disk was unmounted: the mount point is there, and empty."""
    deposit(built, made())
    central = built.settings.data_dir / "central"
    central.rename(built.settings.data_dir / "disk")
    central.mkdir()
    return built


def mount(runtime):
    (runtime.settings.data_dir / "central").rmdir()
    (runtime.settings.data_dir / "disk").rename(runtime.settings.data_dir / "central")


def test_nothing_is_stored_there_and_the_node_is_named(unmounted):
    with pytest.raises(Unavailable):
        take(unmounted, builders.batch(unmounted), "a", made("1.2.3.1.2"))
    assert list((unmounted.settings.data_dir / "central").iterdir()) == []
    assert any("node central has no .accord-node" in trouble for trouble in health.find_troubles(unmounted))
    mount(unmounted)
    assert health.find_troubles(unmounted) == []
    assert deposit(unmounted, made("1.2.3.1.2")) == ("pass", "declared")


def test_another_start_makes_nothing_there_either(unmounted, tmp_path, clock):
    again = builders.runtime(tmp_path, clock=clock)
    assert list((again.settings.data_dir / "central").iterdir()) == []
    with pytest.raises(Unavailable):
        read_back(again, in_care(again).copy)
    assert in_care(again).damaged is None
    again.close()


def test_nothing_that_was_under_way_is_forgotten_and_nothing_is_taken_for_deleted(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    deposit(built, made("1.2.4.1.1", study="1.2.4"))
    withdraw.withdraw_study(built, ACTOR, "1.2.4")
    disk, central = built.settings.data_dir / "disk", built.settings.data_dir / "central"
    central.rename(disk)
    clock.on(120)
    assert (reconcile.recover(built), reconcile.purge(built)) == (0, 0)
    disk.rename(central)
    clock.on(120)
    assert (reconcile.recover(built), reconcile.purge(built)) == (1, 1)
    sound(built)


def test_a_repository_of_before_is_marked_at_its_next_start(built, tmp_path, clock):
    deposit(built, made())
    marker = built.settings.data_dir / "central" / MARKER
    said = marker.read_text()
    marker.unlink()
    with pytest.raises(Unavailable):
        read_back(built, in_care(built).copy)
    builders.runtime(tmp_path, clock=clock).close()
    assert marker.read_text() == said
    assert read_back(built, in_care(built).copy) == made()


def test_a_folder_of_another_node_is_no_new_one(built, tmp_path):
    """Nothing of the node stays behind."""
    other = builders.runtime(tmp_path / "other")
    shutil.copytree(built.settings.data_dir / "central", other.settings.data_dir / "central")
    with pytest.raises(Conflict, match="another node's"):
        add_node(other, ACTOR, "central", url="central", **FOLDER)
    assert list_nodes(other) == ()
    with other.store.read() as connection:
        assert connection.execute(select(t.job)).all() == []
    add_node(other, ACTOR, "central", url="mine", **FOLDER)
    other.close()
