"""What a person decides about what waits: released into the index, or refused for good."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from adapters.sql import batches, custody
from adapters.sql import tables as t
from mappings.failures import Conflict, NotFound
from server.usecases import reconcile, release, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.node import move_node
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made

WAITS = {"InstitutionName": "Hospital"}


@pytest.fixture
def waiting(anywhere):
    """A closed batch of three objects that wait, of two studies."""
    batch = builders.batch(anywhere)
    for file in (made("1.2.3.1.1", **WAITS), made("1.2.3.1.2", **WAITS), made("1.2.4.1.1", study="1.2.4", **WAITS)):
        assert str(take(anywhere, batch, "a", file).outcome) == "review"
    close_batch(anywhere, batch.id)
    return batch


def states(runtime):
    with runtime.store.read() as connection:
        return {row.sop_uid: row.state for row in connection.execute(select(t.custody.c.sop_uid, t.custody.c.state))}


def entries(runtime, kind):
    with runtime.store.read() as connection:
        return connection.execute(select(t.ledger_body.c.id).where(t.ledger_body.c.kind == kind)).all()


def test_an_unknown_batch_is_not_found(anywhere):
    for decide in (release.release, release.refuse):
        with pytest.raises(NotFound):
            decide(anywhere, ACTOR, "none")


def test_released_objects_are_held_and_found_under_a_batch_of_their_own(anywhere, waiting, sound):
    decided = release.release(anywhere, ACTOR, waiting.key)
    assert decided.objects == 3
    assert set(states(anywhere).values()) == {"held"}
    with anywhere.store.read() as connection:
        row = batches.by_key(connection, decided.batch)
        assert (row.door, row.closed is not None) == ("release", True)
        assert batches.counts(connection, row.id) == {("pass", "released"): 3}
    assert len(entries(anywhere, "govern.batch.release")) == 1
    sound(anywhere)
    with pytest.raises(Conflict):
        release.release(anywhere, ACTOR, waiting.key)


def test_only_the_named_objects_are_released(anywhere, waiting, sound):
    assert release.release(anywhere, ACTOR, waiting.key, frozenset({"1.2.3.1.2"})).objects == 1
    assert states(anywhere) == {"1.2.3.1.1": "review", "1.2.3.1.2": "held", "1.2.4.1.1": "review"}
    sound(anywhere)


@pytest.mark.parametrize("decide", [release.release, release.refuse])
def test_a_named_object_that_does_not_wait_stops_the_decision_before_it_begins(anywhere, waiting, decide):
    with pytest.raises(NotFound, match=r"1\.2\.9"):
        decide(anywhere, ACTOR, waiting.key, frozenset({"1.2.3.1.1", "1.2.9"}))
    assert set(states(anywhere).values()) == {"review"}
    assert not entries(anywhere, "govern.batch.release") + entries(anywhere, "govern.batch.refuse")


def test_what_was_released_before_another_stopped_is_recorded(anywhere, waiting, monkeypatch):
    keep_released = release._keep_released

    def stops_at_the_second(runtime, judged, row):
        if row.instance.sop_uid == "1.2.3.1.2":
            raise Conflict("release-stopped", "It stays.")
        keep_released(runtime, judged, row)

    monkeypatch.setattr(release, "_keep_released", stops_at_the_second)
    with pytest.raises(Conflict):
        release.release(anywhere, ACTOR, waiting.key)
    assert states(anywhere)["1.2.3.1.1"] == "held"
    assert len(entries(anywhere, "govern.batch.release")) == 1


def test_refused_objects_go_with_their_bytes_and_are_recorded_with_their_blocks(anywhere, waiting, sound):
    assert release.refuse(anywhere, ACTOR, waiting.key).objects == 3
    assert set(states(anywhere).values()) == {"refusing"}
    assert reconcile.purge(anywhere) == 3
    assert set(states(anywhere).values()) == {"refused"}
    assert len(entries(anywhere, "govern.batch.refuse")) == 1
    sound(anywhere)
    with pytest.raises(Conflict):
        release.refuse(anywhere, ACTOR, waiting.key)


def test_a_refusal_that_can_not_be_recorded_is_not_made(anywhere, waiting, monkeypatch, sound):
    def fail(*_args, **_named):
        raise RuntimeError

    monkeypatch.setattr(release, "record", fail)
    with pytest.raises(RuntimeError):
        release.refuse(anywhere, ACTOR, waiting.key)
    assert set(states(anywhere).values()) == {"review"}
    sound(anywhere)


@pytest.mark.parametrize("stop", [("agreement", "DSA-LUNG", "suspend"), ("node", "central", "unlink")])
def test_nothing_is_released_where_nothing_is_taken(anywhere, waiting, sound, stop):
    noun, name, verb = stop
    {"agreement": move_agreement, "node": move_node}[noun](anywhere, ACTOR, name, verb)
    with pytest.raises(Conflict):
        release.release(anywhere, ACTOR, waiting.key)
    assert set(states(anywhere).values()) == {"review"}
    sound(anywhere)


def test_a_stop_while_an_object_is_being_released_leaves_it_in_review_and_nothing_on_its_node(anywhere, waiting, sound):
    def suspend(point):
        if point == "releasing":
            move_agreement(anywhere, ACTOR, "DSA-LUNG", "suspend")

    with pytest.raises(Conflict):
        release.release(replace(anywhere, reached=suspend), ACTOR, waiting.key)
    assert set(states(anywhere).values()) == {"review"}
    sound(anywhere)


def test_a_release_cut_off_is_a_review_again_and_can_be_made_again(anywhere, waiting, dies, sound, clock):
    dies(anywhere, "releasing", lambda runtime: release.release(runtime, ACTOR, waiting.key))
    assert sorted(states(anywhere).values()) == ["receiving", "review", "review"]
    clock.on(120)
    assert reconcile.recover(anywhere) == 1
    assert set(states(anywhere).values()) == {"review"}
    sound(anywhere)
    with anywhere.store.read() as connection:
        assert batches.counts(connection, waiting.id) == {("review", "institution"): 3}
    assert release.release(anywhere, ACTOR, waiting.key).objects == 3
    clock.on(601)
    reconcile.close_quiet(anywhere)
    sound(anywhere)


def test_what_waits_is_neither_indexed_nor_purged(anywhere, waiting, sound):
    assert (reconcile.recover(anywhere), reconcile.purge(anywhere)) == (0, 0)
    with anywhere.store.read() as connection:
        assert connection.execute(select(t.study)).all() == []
        assert custody.waiting(connection, waiting.id) == 3
    sound(anywhere)


def test_an_object_whose_study_is_withdrawn_while_it_is_being_released_goes(anywhere, waiting, sound):
    def withdrawn(point):
        if point == "releasing":
            withdraw.withdraw_study(anywhere, ACTOR, "1.2.3")

    with pytest.raises(Conflict, match="it goes"):
        release.release(replace(anywhere, reached=withdrawn), ACTOR, waiting.key)
    assert states(anywhere) == {"1.2.3.1.1": "refusing", "1.2.3.1.2": "withdrawn", "1.2.4.1.1": "review"}
    reconcile.purge(anywhere)
    sound(anywhere)


def test_a_study_of_which_objects_wait_is_withdrawn_whole(anywhere, waiting, sound):
    release.release(anywhere, ACTOR, waiting.key, frozenset({"1.2.3.1.2"}))
    assert withdraw.withdraw_study(anywhere, ACTOR, "1.2.3") == 2
    reconcile.purge(anywhere)
    assert states(anywhere) == {"1.2.3.1.1": "purged", "1.2.3.1.2": "purged", "1.2.4.1.1": "review"}
    sound(anywhere)
