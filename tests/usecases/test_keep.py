"""Claim, store, settle: what a node that fails, a crash at each point and two doors at once leave behind."""

from collections import Counter
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from adapters.sql import tables as t
from mappings.failures import Busy, Full, Unavailable
from server.usecases import reconcile
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.node import add_node
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import counts, deposit, in_care, with_other_meta


class Broken:
    """A node that fails at every store, and holds nothing."""

    def __init__(self, node, failure):
        self._node, self._failure = node, failure

    def store(self, item, content):
        raise self._failure

    def __getattr__(self, name):
        return getattr(self._node, name)


def test_a_node_that_does_not_answer_leaves_nothing_behind(built, sound):
    broken = replace(built, node_of=lambda row: Broken(built.node_of(row), Unavailable("x", "x")))
    batch = builders.batch(built)
    with pytest.raises(Unavailable):
        take(broken, batch, "a", made())
    assert reconcile.recover(built) == 1
    sound(built)
    assert deposit(built, made(), batch) == ("pass", "declared")
    assert counts(built, batch) == {("pass", "declared"): 1}


def test_where_the_node_says_an_object_rests_is_where_it_is_found(built):
    class Elsewhere(Broken):
        def store(self, item, content):
            return "elsewhere/" + self._node.store(item, content)

    odd = replace(built, node_of=lambda row: Elsewhere(built.node_of(row), None))
    assert str(take(odd, builders.batch(odd), "a", made()).outcome) == "pass"
    with built.store.read() as connection:
        assert connection.execute(select(t.custody.c.place)).scalar_one().startswith("elsewhere/")


def test_a_node_that_is_full_says_so(built):
    broken = replace(built, node_of=lambda row: Broken(built.node_of(row), Full("x", "x")))
    with pytest.raises(Full):
        take(broken, builders.batch(built), "a", made())


POINTS = {"claimed": 0, "stored": 1, "settling": 1, "settled": 0}
"""Named point → how many objects recovery then finds on the node and settles (a claim without bytes is forgotten)."""


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("waits", [False, True])
def test_a_process_that_dies_at_a_named_point_loses_and_doubles_nothing(anywhere, dies, sound, clock, point, waits):
    rest = {"InstitutionName": "Hospital"} if waits else {}
    files = [made(f"1.2.3.1.{n}", **rest) for n in range(3)]
    told = ("review", "institution") if waits else ("pass", "declared")
    again = ("review", "waiting") if waits else ("duplicate", "known")
    batch = builders.batch(anywhere)
    assert deposit(anywhere, files[0], batch) == told
    dies(anywhere, point, lambda runtime: take(runtime, batch, "b", files[1]))
    assert reconcile.recover(anywhere) == 0, "its lease has not ended"
    clock.on(120)
    reconcile.recover(anywhere)
    settled = 1 + POINTS[point] + (point == "settled")
    assert counts(anywhere, batch) == {told: settled}
    sound(anywhere)
    assert [deposit(anywhere, f, batch) for f in files] == [again] * settled + [told] * (3 - settled)
    assert counts(anywhere, batch)[told] == 3
    close_batch(anywhere, batch.id)
    assert reconcile.recover(anywhere) == 0
    sound(anywhere)


@pytest.mark.parametrize("point", ["claimed", "stored", "settling"])
def test_the_same_content_takes_a_dead_claim_over_at_once(built, dies, sound, point):
    batch = builders.batch(built)
    dies(built, point, lambda runtime: take(runtime, batch, "a", made()))
    assert deposit(built, made(), batch) == ("pass", "declared")
    assert counts(built, batch) == {("pass", "declared"): 1}
    sound(built)


@pytest.mark.parametrize("point", ["claimed", "stored"])
def test_another_file_of_the_same_data_set_waits_for_a_dead_claims_lease(built, dies, sound, clock, point):
    """The claim names the first file's place and digest: what is settled under it must be that very file."""
    batch = builders.batch(built)
    dies(built, point, lambda runtime: take(runtime, batch, "a", made()))
    with pytest.raises(Busy):
        take(built, batch, "a", with_other_meta(made()))
    clock.on(120)
    reconcile.recover(built)
    assert deposit(built, with_other_meta(made()), batch)[1] in ("declared", "known")
    sound(built)


def test_other_content_is_told_to_retry_until_the_lease_ends(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    with pytest.raises(Busy):
        take(built, batch, "b", made(StudyDate="20210101"))
    clock.on(120)
    reconcile.recover(built)
    assert deposit(built, made(StudyDate="20210101"), batch) == ("reject", "content-conflict")
    sound(built)


def test_what_a_dead_process_stored_under_an_agreement_that_is_stopped_goes(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda runtime: take(runtime, batch, "a", made()))
    move_agreement(built, ACTOR, "DSA-LUNG", "terminate")
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    assert in_care(built) is None
    sound(built)


def test_the_batch_of_a_dead_process_is_closed_when_it_has_been_quiet(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "settled", lambda runtime: take(runtime, batch, "a", made()))
    assert reconcile.close_quiet(built) == 0
    clock.on(601)
    assert reconcile.close_quiet(built) == 1
    sound(built)


def race(*runs):
    """Run each in a thread of its own, all at once; what each returned or raised."""
    start, said = Barrier(len(runs)), [None] * len(runs)

    def run(n):
        start.wait()
        try:
            said[n] = runs[n]()
        except Busy as busy:
            said[n] = ("busy", busy.code)

    threads = [Thread(target=run, args=(n,)) for n in range(len(runs))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return said


def test_different_bytes_for_one_uid_at_two_doors_and_nodes_one_wins_and_the_other_is_told(doors, sound):
    add_node(doors[0], ACTOR, "second", kind="folder", hosting="federated", url="second")
    builders.seed(doors[0], alias="BREAST", provider="hospital-b", node="second")
    mine, theirs = builders.batch(doors[0]), builders.batch(doors[0], "BREAST", provider="hospital-b")
    for n in range(6):
        one, other = made(f"1.2.3.1.{n}"), made(f"1.2.3.1.{n}", study="1.2.4")
        said = race(lambda f=one: deposit(doors[0], f, mine), lambda f=other: deposit(doors[1], f, theirs))
        assert Counter(said)["pass", "declared"] == 1, said
        assert {s[1] for s in said} <= {"declared", "study-not-yours", "object-busy"}
    sound(doors[0])


def test_different_bytes_for_one_uid_in_one_dataset_one_wins_and_the_other_is_told(doors, sound):
    batch = builders.batch(doors[0])
    for n in range(6):
        files = made(f"1.2.3.1.{n}"), made(f"1.2.3.1.{n}", StudyDate="20210101")
        said = race(*(lambda h=runtime, f=file: deposit(h, f, batch) for runtime, file in zip(doors, files, strict=True)))
        assert Counter(said)["pass", "declared"] == 1, said
        assert {s[1] for s in said} <= {"declared", "content-conflict", "object-busy"}
    sound(doors[0])


def test_the_same_bytes_at_two_doors_are_taken_once_and_everyone_hears_yes(doors, sound):
    batch = builders.batch(doors[0])
    for n in range(4):
        said = race(*(lambda h=runtime, n=n: deposit(h, made(f"1.2.3.1.{n}"), batch) for runtime in doors))
        assert set(said) <= {("pass", "declared"), ("duplicate", "known")}
        assert ("pass", "declared") in said
    sound(doors[0])
    assert counts(doors[0], batch)["pass", "declared"] == 4


def test_two_studies_of_one_uid_never_come_to_belong_to_two_datasets(doors, sound):
    """Two objects of one study, at two doors for two datasets."""
    builders.seed(doors[0], alias="BREAST", provider="hospital-b")
    mine, theirs = builders.batch(doors[0]), builders.batch(doors[0], "BREAST", provider="hospital-b")
    for n in range(6):
        files = made(f"1.2.{n}.1.1", study=f"1.2.{n}"), made(f"1.2.{n}.1.2", study=f"1.2.{n}")
        said = race(lambda f=files[0]: deposit(doors[0], f, mine), lambda f=files[1]: deposit(doors[1], f, theirs))
        assert sorted(said) == [("pass", "declared"), ("reject", "study-not-yours")], said
    sound(doors[0])
