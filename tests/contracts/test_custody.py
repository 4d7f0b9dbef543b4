"""Custody rows on both databases: one for each SOP Instance UID in our care, and moves that only one can make."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from adapters.sql import custody, governance, migrate
from adapters.sql import tables as t
from adapters.sql.custody import Bound, Object
from adapters.sql.store import Store
from tests.builders import agreement_rows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
SEEN = Object("1.2.3.1.1", "1.2.3.1", "1.2.3", "P1", b"content", b"file", 10, 0, "1.2.840.10008.1.2.1")


@pytest.fixture
def store(database):
    opened = Store(database)
    migrate.upgrade(opened)
    with opened.write() as connection:
        party = governance.insert_row(connection, t.party, NOW, key="p", name="p", role="provider", approved=True)
        shared = {"hosting": "central", "url": "", "networks": "", "allow": "", "state": "linked"}
        node = governance.insert_row(connection, t.node, NOW, name="n", kind="folder", **shared)
        terms = governance.insert_row(connection, t.terms, NOW, version="1.0.0", sha256="", text=b"", at=0)
        agreement = agreement_rows(connection, "A", party=party, node=node, terms=terms)
        for alias in ("ONE", "TWO"):
            dataset = governance.insert_row(
                connection, t.dataset, NOW, alias=alias, agreement=agreement, title="", description="", details="{}"
            )
            said = {"subject": "", "peer": "", "calling": "", "called": "", "attested": False, "opened": 0, "touched": 0}
            connection.execute(insert(t.batch).values(key=alias, door="push", dataset=dataset, **said))
    yield opened
    opened.close()


def claim(store, seen=SEEN, *, dataset=1, holder="me", lease=LATER, place="here", quarantined=False):
    bound = Bound(dataset, 1, dataset, quarantined, place, "a.dcm")
    with store.write() as connection:
        return custody.claim(connection, seen, bound, rule="declared", holder=holder, lease=lease, now=NOW)


def elsewhere(connection, dataset):
    return custody.standing(connection, dataset, SEEN)[0]


def blocked(connection, dataset, seen):
    return custody.standing(connection, dataset, seen)[1]


def hold(store, seen=SEEN, state="held", **values):
    key = claim(store, seen, **values)
    with store.write() as connection:
        assert custody.settle(connection, key, "me", state, NOW)
    return key


def state(store, key):
    with store.read() as connection:
        row = custody.by_id(connection, key)
        return row and row.state


@pytest.mark.parametrize("first", ["receiving", "held", "review"])
def test_a_uid_in_our_care_is_claimed_by_nobody_else(store, first):
    claim(store) if first == "receiving" else hold(store, state=first)
    with pytest.raises(IntegrityError):
        claim(store, replace(SEEN, digest=b"other", study_uid="9.9"), dataset=2)


def test_a_uid_no_longer_in_our_care_may_be_claimed_again_and_again(store):
    for last in ("withdrawn", "purged", "refusing", "refused", "purged"):
        key = hold(store)
        with store.write() as connection:
            assert custody.move(connection, key, "held", last, NOW)
    assert claim(store)


def test_of_many_who_claim_at_once_one_wins(store):
    won, lost, start = [], [], Barrier(6)

    def run(n):
        start.wait()
        try:
            won.append(claim(store, replace(SEEN, digest=bytes([n])), holder=f"h{n}"))
        except IntegrityError:
            lost.append(n)

    threads = [Thread(target=run, args=(n,)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (len(won), len(lost)) == (1, 5)


def test_only_its_holder_settles_or_drops_a_claim(store):
    key = claim(store, holder="me")
    with store.write() as connection:
        assert not custody.settle(connection, key, "another", "held", NOW)
        assert not custody.drop(connection, key, "another")
        assert custody.settle(connection, key, "me", "held", NOW)
        assert not custody.settle(connection, key, "me", "held", NOW)
        assert not custody.drop(connection, key, "me")
    assert state(store, key) == "held"


def test_a_claim_taken_over_is_no_longer_its_first_holders(store):
    key = claim(store, holder="first")
    with store.write() as connection:
        assert custody.take_over(connection, key, "second", LATER, 2, "a.dcm")
        assert not custody.settle(connection, key, "first", "held", NOW)
        assert custody.settle(connection, key, "second", "held", NOW)
        assert not custody.take_over(connection, key, "third", LATER, 2, "a.dcm")
        kept = custody.by_id(connection, key)
        assert (kept.state, kept.holder, kept.lease, kept.batch) == ("held", None, None, 2)


def test_a_dropped_row_is_gone_and_its_id_never_comes_back(store):
    key = claim(store)
    with store.write() as connection:
        assert custody.drop(connection, key, "me")
    assert state(store, key) is None
    assert claim(store) > key


def test_a_lease_has_expired_from_its_very_end_on(store):
    key = claim(store, lease=LATER)
    hold(store, replace(SEEN, sop_uid="1.2.3.1.2"))
    with store.read() as connection:
        assert custody.expired(connection, LATER - timedelta(microseconds=1)) == []
        assert [k.id for k in custody.expired(connection, LATER)] == [key]


def test_a_claim_given_up_is_expired_at_once(store):
    key = claim(store)
    with store.write() as connection:
        custody.expire(connection, key, "another", NOW)
        assert custody.expired(connection, NOW) == []
        custody.expire(connection, key, "me", NOW)
        assert [k.id for k in custody.expired(connection, NOW)] == [key]


def test_a_lease_grows_with_the_object():
    assert custody.lease_for(0, NOW, 60) == LATER
    assert custody.lease_for(120_000_000, NOW, 60) == LATER + timedelta(seconds=120)


def test_a_move_is_made_from_its_own_state_only(store):
    key = hold(store, state="review")
    with store.write() as connection:
        assert not custody.move(connection, key, "held", "withdrawn", NOW)
        assert custody.move(connection, key, "review", "refusing", NOW)
        assert not custody.move(connection, key, "review", "refusing", NOW)
        assert [k.id for k in custody.passing(connection, NOW)] == [key]


def test_a_study_is_elsewhere_while_another_dataset_has_it_in_care(store):
    with store.read() as connection:
        assert not elsewhere(connection, 2)
    key = hold(store, state="review")
    with store.write() as connection:
        assert elsewhere(connection, 2)
        assert not elsewhere(connection, 1)
        custody.move(connection, key, "review", "refusing", NOW)
        assert not elsewhere(connection, 2)


def test_a_place_is_in_use_while_another_row_in_care_rests_there(store):
    first = hold(store)
    other = replace(SEEN, sop_uid="1.2.3.1.2")
    second = hold(store, other)
    with store.write() as connection:
        assert custody.place_in_use(connection, custody.by_id(connection, first))
        custody.move(connection, second, "held", "withdrawn", NOW)
        assert not custody.place_in_use(connection, custody.by_id(connection, first))
        assert custody.place_in_use(connection, custody.by_id(connection, second))


@pytest.mark.parametrize(
    ("named", "stopped", "free"),
    [
        ({"study_uid": SEEN.study_uid}, [SEEN, replace(SEEN, sop_uid="1.9", digest=b"x")], [replace(SEEN, study_uid="1.9")]),
        ({"sop_uid": SEEN.sop_uid}, [SEEN, replace(SEEN, digest=b"x")], [replace(SEEN, sop_uid="1.9")]),
        (
            {"sop_uid": SEEN.sop_uid, "digest": SEEN.digest},
            [SEEN],
            [replace(SEEN, digest=b"corrected"), replace(SEEN, sop_uid="1.9")],
        ),
    ],
)
def test_a_block_names_what_it_keeps_out_in_its_own_dataset_until_it_is_lifted(store, named, stopped, free):
    with store.write() as connection:
        custody.add_block(connection, 1, "withdrawn", NOW, **named)
        assert all(blocked(connection, 1, seen) for seen in stopped)
        assert not any(blocked(connection, 1, seen) for seen in free)
        assert not any(blocked(connection, 2, seen) for seen in (*stopped, *free))
        uid = named.get("study_uid") or named["sop_uid"]
        assert (custody.lift_block(connection, "1.9", NOW), custody.lift_block(connection, uid, NOW)) == (0, 1)
        assert custody.lift_block(connection, uid, NOW) == 0
        assert not any(blocked(connection, 1, seen) for seen in stopped)


def test_a_digest_is_known_to_its_own_dataset_and_only_once_it_is_safe(store):
    with store.read() as connection:
        assert custody.known(connection, 1, [b"file"]) == {}
    key = claim(store)
    with store.write() as connection:
        assert custody.known(connection, 1, [b"file"]) == {}
        custody.settle(connection, key, "me", "held", NOW)
        assert custody.known(connection, 1, [b"file", b"none"]) == {b"file": SEEN}
        assert custody.known(connection, 2, [b"file"]) == {}
        assert custody.known(connection, 1, []) == {}


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.write() as connection:  # noqa: PT012 - the block is what fails
        connection.execute(insert(t.block).values(dataset=1, study_uid="1", reason="x", at=0))
        raise RuntimeError
    with store.read() as connection:
        assert connection.execute(select(t.block)).all() == []


def test_a_reader_sees_the_newest_commit_each_time_it_asks(store):
    with store.read() as connection:
        assert custody.in_care(connection, SEEN.sop_uid) is None
        key = hold(store)
        assert custody.in_care(connection, SEEN.sop_uid).id == key


def test_a_snapshot_sees_one_moment(store):
    with store.snapshot() as connection:
        assert custody.in_care(connection, SEEN.sop_uid) is None
        hold(store)
        assert custody.in_care(connection, SEEN.sop_uid) is None
