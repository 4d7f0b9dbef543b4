"""Putting right: bytes that go, rows that stay until they can, and batches that close."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from adapters.sql import batches
from adapters.sql import tables as t
from mappings.failures import Busy, Invalid, Unavailable
from server.usecases import reconcile, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.node import list_nodes
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import in_care


def offer(runtime, file, batch=None):
    return take(runtime, batch or builders.batch(runtime), "a", file).rule


def states(runtime):
    with runtime.store.read() as connection:
        return sorted(connection.execute(select(t.custody.c.state)).scalars())


class Deaf:
    """A node that answers nothing, and counts how often it was asked."""

    def __init__(self, node):
        self._node, self.asked = node, 0

    def delete(self, *_args):
        self.asked += 1
        raise Unavailable("node-unavailable", "x")

    open = delete

    def __getattr__(self, name):
        return getattr(self._node, name)


def deaf(runtime):
    return replace(runtime, node_of=lambda row: Deaf(runtime.node_of(row)))


def test_withdrawn_bytes_are_asked_for_again_until_the_node_answers(built, sound, clock):
    offer(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    assert reconcile.purge(deaf(built)) == 0
    assert states(built) == ["withdrawn"]
    clock.on(120)
    assert reconcile.purge(built) == 1
    assert states(built) == ["purged"]
    assert reconcile.purge(built) == 0
    sound(built)


def test_a_node_that_does_not_answer_is_asked_once_in_a_round(built, dies, clock):
    """Each question may take as long as the node is waited for; the others' rows come after it."""
    batch = builders.batch(built)
    for n in range(3):
        dies(built, "stored", lambda runtime, n=n: take(runtime, batch, "a", made(f"1.2.3.1.{n}")))
        offer(built, made(f"1.2.4.1.{n}", study="1.2.4"))
    withdraw.withdraw_study(built, ACTOR, "1.2.4")
    clock.on(120)
    (row,) = list_nodes(built)
    silent = Deaf(built.node_of(row))
    unheard = replace(built, node_of=lambda _: silent)
    assert (reconcile.recover(unheard), silent.asked) == (0, 1)
    assert (reconcile.purge(unheard), silent.asked) == (0, 2)
    clock.on(120)
    assert (reconcile.recover(built), reconcile.purge(built)) == (3, 3)


def test_a_claim_is_not_forgotten_while_its_node_does_not_answer(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    clock.on(120)
    assert reconcile.recover(deaf(built)) == 0
    assert states(built) == ["receiving"]
    assert reconcile.recover(built) == 1, "it is asked again as soon as its node answers"
    assert states(built) == ["held"]
    sound(built)


def test_recovery_under_a_closed_batch_has_a_batch_of_its_own(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    clock.on(601)
    assert reconcile.close_quiet(built) == 1
    assert reconcile.recover(built) == 1
    with built.store.read() as connection:
        rows = connection.execute(select(t.batch.c.door, t.batch.c.closed)).all()
        receipts = connection.execute(select(t.receipt.c.batch, t.receipt.c.outcome)).all()
    assert [door for door, _ in rows] == ["push", "recovery"]
    assert all(closed is not None for _, closed in rows)
    assert [outcome for _, outcome in receipts] == ["pass"]
    sound(built)


def test_a_batch_in_use_is_never_closed_for_being_old(built, clock):
    batch = builders.batch(built)
    for n in range(5):
        clock.on(500)
        offer(built, made(f"1.2.3.1.{n}"), batch)
        assert reconcile.close_quiet(built) == 0
    clock.on(601)
    assert (reconcile.close_quiet(built), reconcile.close_quiet(built)) == (1, 0)


@pytest.mark.parametrize("again", [made(), made(StudyDate="20210101")], ids=["the same", "others"])
def test_a_purge_never_takes_the_bytes_of_what_came_back_meanwhile(built, sound, again):
    """The study is withdrawn to be replaced, and comes back between the purge's look and its deletion."""
    offer(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", replace=True)
    said = []

    class Slow:
        def __init__(self, node):
            self._node = node

        def delete(self, place):
            try:
                said.append(offer(built, again))
            except Busy:
                said.append("busy")
            self._node.delete(place)

        def __getattr__(self, name):
            return getattr(self._node, name)

    reconcile.purge(replace(built, node_of=lambda row: Slow(built.node_of(row))))
    assert said in (["declared"], ["busy"])
    assert offer(built, again) in ("declared", "known")
    reconcile.purge(built)
    sound(built)


def test_a_claim_that_can_not_be_resolved_does_not_keep_the_others_waiting(built, dies, clock, monkeypatch):
    batch = builders.batch(built)
    for n in (1, 2):
        dies(built, "stored", lambda runtime, n=n: take(runtime, batch, "a", made(f"1.2.3.1.{n}")))
    clock.on(120)
    settle = reconcile._settle_in

    def refused(runtime, batch, parsed, row):
        if parsed.instance.sop_uid == "1.2.3.1.1":
            raise Invalid("value-unkeepable", "-")
        settle(runtime, batch, parsed, row)

    monkeypatch.setattr(reconcile, "_settle_in", refused)
    assert reconcile.recover(built) == 1
    assert states(built) == ["held", "receiving"]


def test_what_a_resend_has_settled_meanwhile_is_never_discarded_by_recovery(built, dies, sound, clock, monkeypatch):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    clock.on(120)
    settle, heard = reconcile._settle_in, []

    def overtaken(runtime, *rest):
        heard.append(take(replace(runtime, holder="another door"), builders.batch(runtime), "b", made()).outcome)
        settle(runtime, *rest)

    monkeypatch.setattr(reconcile, "_settle_in", overtaken)
    reconcile.recover(built)
    reconcile.purge(built)
    assert (heard, states(built)) == (["pass"], ["held"])
    sound(built)


def test_what_recovery_may_not_keep_goes_with_its_bytes(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    clock.on(120)
    move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
    reconcile.recover(built)
    reconcile.purge(built)
    assert "receiving" not in states(built)
    sound(built)


def test_one_object_that_can_not_be_read_leaves_no_other_of_its_node_waiting(built, dies, clock):
    """Its node is not silent: what is asked of it costs nobody time."""
    batch = builders.batch(built)
    for n in range(3):
        dies(built, "stored", lambda runtime, n=n: take(runtime, batch, "a", made(f"1.2.3.1.{n}")))
    path = min((built.settings.data_dir / "central/objects").glob("*/*"), key=lambda p: p.stat().st_mtime_ns)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    clock.on(120)
    assert reconcile.recover(built) == 2


def test_a_batch_that_closes_while_an_object_of_it_is_recovered_costs_nothing(built, dies, sound, clock, monkeypatch):
    """It was not to be kept any more, as if it had been withdrawn, and its bytes went."""
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    clock.on(120)
    really = reconcile._settle_in

    def closed_meanwhile(runtime, ours, parsed, row):
        close_batch(built, batch.id)
        return really(runtime, ours, parsed, row)

    monkeypatch.setattr(reconcile, "_settle_in", closed_meanwhile)
    assert reconcile.recover(built) == 1
    assert in_care(built).state == "held"
    with built.store.read() as connection:
        assert [row.door for row in batches.recent(connection, None) if row.closed] == ["recovery", "push"]
    sound(built)
