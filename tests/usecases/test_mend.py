"""What a node has lost or changed is put back by the very same file, by one at a time, and not when it has left our care."""

from dataclasses import replace
from hashlib import sha256

import pytest

from adapters.sql import custody
from consent.custody import State
from consent.subject import Role
from mappings.failures import Unavailable
from server.usecases import mend, reconcile, withdraw
from server.usecases.keep import Changed
from server.usecases.parse import parse_file
from server.usecases.push import acknowledge_held, open_push
from server.usecases.read_back import node_of, read_back
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit, in_care

FILE = made()


@pytest.fixture
def damaged(built):
    """The row of an object of whose copy a byte was changed, which a reading has found."""
    deposit(built, FILE)
    path = next((built.settings.data_dir / "central/objects").glob("*/*"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Unavailable):
        read_back(built, in_care(built).copy)
    return in_care(built)


def other_file():
    """The same data set in another file."""
    content = bytearray(FILE)
    content[0] = 1
    return memoryview(bytes(content))


def parsed(built, file=FILE):
    return parse_file("a", file, built.placeholders)


def test_a_resend_puts_back_what_the_node_has_lost_and_is_no_yes_to_nothing(built, sound):
    deposit(built, FILE)
    lost = in_care(built)
    node_of(built, lost).delete(lost.place)
    assert deposit(built, FILE) == ("duplicate", "known")
    assert read_back(built, lost.copy) == FILE
    sound(built)


def test_a_resend_puts_back_what_the_node_has_changed(built, sound, damaged):
    assert deposit(built, FILE) == ("duplicate", "known")
    assert in_care(built).damaged is None
    assert read_back(built, damaged.copy) == FILE
    sound(built)


@pytest.mark.parametrize("lost", [True, False])
def test_a_file_that_differs_by_a_byte_mends_nothing(built, damaged, lost):
    if lost:
        node_of(built, damaged).delete(damaged.place)
    with pytest.raises(Unavailable, match="differs"):
        deposit(built, other_file())
    assert in_care(built) == damaged


def test_what_is_damaged_is_asked_for_again(built, damaged):
    """`accord push` sends what is not in care; what must be mended is not."""
    sender = builders.caller(Role.PROVIDER)
    batch = open_push(built, sender, "LUNG", "127.0.0.1")
    files = {"a.dcm": sha256(FILE).digest()}
    assert not acknowledge_held(built, sender, batch.key, files).names
    deposit(built, FILE)
    assert acknowledge_held(built, sender, batch.key, files).names == {"a.dcm"}


def test_a_resend_puts_back_what_has_another_size_though_nobody_had_looked(built, sound):
    """Its sender is told that it is known, and may delete its own."""
    deposit(built, FILE)
    path = next((built.settings.data_dir / "central/objects").glob("*/*"))
    path.write_bytes(path.read_bytes()[:-10])
    assert deposit(built, FILE) == ("duplicate", "known")
    assert in_care(built).damaged is None
    assert read_back(built, in_care(built).copy) == FILE
    sound(built)


def test_what_a_resend_mends_meanwhile_keeps_no_other_file_from_being_put_back(built, damaged, tmp_path, monkeypatch):
    deposit(built, made("1.2.3.1.2"))
    other = in_care(built, "1.2.3.1.2")
    with built.store.write() as connection:
        custody.mark_damaged(connection, other.id, built.clock())
    (tmp_path / "a").write_bytes(FILE)
    (tmp_path / "b").write_bytes(made("1.2.3.1.2"))
    really = mend.mend

    def overtaken(runtime, row, file):
        if row.id == damaged.id:
            raise Changed
        return really(runtime, row, file)

    monkeypatch.setattr(mend, "mend", overtaken)
    told = []
    assert mend.mend_from(built, "central", [tmp_path / "a", tmp_path / "b"], told.append) == []
    assert len(told) == 2
    assert in_care(built, "1.2.3.1.2").damaged is None


def test_a_sound_copy_is_left_alone(built):
    deposit(built, FILE)
    assert not mend.mend(built, in_care(built), parsed(built))


def test_who_read_it_as_damaged_and_comes_too_late_deletes_nothing(built, damaged, sound):
    assert mend.mend(built, damaged, parsed(built))
    with pytest.raises(Changed):
        mend.mend(built, damaged, parsed(built))
    sound(built)


def test_of_two_who_mend_the_first_says_no_yes_while_the_second_is_at_work(built, damaged, sound, monkeypatch):
    really = mend.store

    def overtaken(node, file):
        with built.store.write() as connection:
            assert custody.begin_mending(connection, in_care(built), built.clock()) is not None
        return really(node, file)

    monkeypatch.setattr(mend, "store", overtaken)
    with pytest.raises(Changed):
        mend.mend(built, damaged, parsed(built))
    assert in_care(built).damaged is not None, "the second has not ended"
    monkeypatch.setattr(mend, "store", really)
    assert mend.mend(built, in_care(built), parsed(built))
    sound(built)


@pytest.mark.parametrize("purged", [False, True])
def test_what_is_withdrawn_while_it_is_put_back_is_deleted_once_more(built, damaged, sound, monkeypatch, purged):
    really = mend.store

    def withdrawn(node, file):
        withdraw.withdraw_study(built, ACTOR, "1.2.3")
        if purged:
            assert reconcile.purge(built) == 1
        return really(node, file)

    monkeypatch.setattr(mend, "store", withdrawn)
    with pytest.raises(Changed):
        mend.mend(built, damaged, parsed(built))
    assert list(node_of(built, damaged).places()) != []
    assert reconcile.purge(built) == 1
    assert list(node_of(built, damaged).places()) == []
    sound(built)


def test_a_purge_that_is_under_way_does_not_end_before_what_was_put_back_is_deleted(built, damaged, monkeypatch):
    node = node_of(built, damaged)
    delete = type(node).delete

    def put_back_meanwhile(self, place):
        delete(self, place)
        monkeypatch.setattr(type(node), "delete", delete)
        with pytest.raises(Changed):
            mend.mend(built, replace(damaged, damaged=None), parsed(built))

    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    monkeypatch.setattr(type(node), "delete", put_back_meanwhile)
    assert reconcile.purge(built) == 0
    assert list(node.places()) != []
    assert reconcile.purge(built) == 1
    assert list(node.places()) == []
    with built.store.read() as connection:
        assert custody.by_id(connection, damaged.id).state is State.PURGED
