"""Custody rows on both databases: one for each SOP Instance UID in our care, and moves that only one can make."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier, Thread

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from adapters.sql import blocks, custody, governance, part_digests
from adapters.sql import tables as t
from adapters.sql.custody import Lease, Placement, SopInstance
from adapters.sql.store import Store, stamp
from consent.custody import AT_REST, AWAITING_DELETION, FINAL, IN_CARE, MOVES, PURGES, Move, State
from mappings.digests import BLOCK, digest_parts
from tests.builders import agreement_rows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)
SEEN = SopInstance("1.2.3.1.1", "1.2.3.1", "1.2.3", "P1", b"content", b"file", 10, 0, "1.2.840.10008.1.2.1")


@pytest.fixture
def store(database):
    opened = Store(database)
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
    placement = Placement(dataset, 1, dataset, quarantined, place, "a.dcm")
    with store.write() as connection:
        return custody.claim(connection, seen, placement, "declared", Lease(holder, lease), NOW)


def elsewhere(connection, dataset):
    return blocks.find_blocks(connection, dataset, SEEN).elsewhere


def blocked(connection, dataset, seen):
    return blocks.find_blocks(connection, dataset, seen).blocked


def rest(store, seen=SEEN, *, by=Move.SETTLE_HELD, **values):
    """The id of a row that was claimed and settled."""
    key = claim(store, seen, **values)
    assert move(store, by, key, holder="me")
    return key


def move(store, by, key, **values):
    with store.write() as connection:
        return custody.move(connection, by, key, NOW, **values)


def row_of(store, key):
    with store.read() as connection:
        return custody.by_id(connection, key)


def put(store, state, *, holder=None, seen=SEEN):
    """The id of a row that stands in this state, whatever led there."""
    key = claim(store, seen)
    lease = holder and stamp(LATER)
    with store.write() as connection:
        connection.execute(update(t.custody).where(t.custody.c.id == key).values(state=str(state), holder=holder, lease=lease))
    return key


# --- moves

CHANGES = [by for by in Move if MOVES[by].origin is not None]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("by", CHANGES, ids=lambda by: by.name)
def test_a_move_is_made_from_its_own_state_and_from_no_other(store, by, state):
    key = put(store, state)
    origin, target = MOVES[by]
    assert move(store, by, key) is (state is origin)
    after = row_of(store, key)
    if state is not origin:
        assert after.state is state
    elif target is None:
        assert after is None
    else:
        assert (after.state, after.holder, after.lease) == (target, None, None)
        assert not move(store, by, key), "and it is made once"


@pytest.mark.parametrize("by", CHANGES, ids=lambda by: by.name)
def test_a_move_is_made_by_the_holder_of_its_row_and_by_nobody_else(store, by):
    origin = MOVES[by].origin
    held = put(store, origin, holder="me")
    assert not move(store, by, held)
    assert not move(store, by, held, holder="another")
    assert row_of(store, held).state is origin
    assert move(store, by, held, holder="me")


@pytest.mark.parametrize("by", CHANGES, ids=lambda by: by.name)
def test_nobody_can_move_a_row_as_its_holder_that_has_none(store, by):
    key = put(store, MOVES[by].origin)
    assert not move(store, by, key, holder="me")


def test_a_claim_makes_a_row_that_its_holder_has(store):
    row = row_of(store, claim(store))
    assert (row.state, row.holder, row.lease, row.instance) == (State.RECEIVING, "me", stamp(LATER), SEEN)


def test_a_release_is_its_holders_until_its_lease_ends(store):
    key = rest(store, by=Move.SETTLE_REVIEW)
    assert move(store, Move.RELEASE, key, lease=Lease("me", LATER))
    assert (row_of(store, key).holder, row_of(store, key).lease) == ("me", stamp(LATER))
    assert not move(store, Move.SETTLE_HELD, key, holder="another")
    assert move(store, Move.SETTLE_HELD, key, holder="me")


# --- claims


@pytest.mark.parametrize("first", IN_CARE)
def test_a_uid_in_our_care_is_claimed_by_nobody_else(store, first):
    put(store, first)
    with pytest.raises(IntegrityError):
        claim(store, replace(SEEN, digest=b"other", study_uid="9.9"), dataset=2)


def test_a_uid_no_longer_in_our_care_may_be_claimed_again_and_again(store):
    for state in State:
        if state not in IN_CARE:
            put(store, state)
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


def test_a_claim_taken_over_is_no_longer_its_first_holders(store):
    key = claim(store, holder="first")
    as_read = row_of(store, key)
    with store.write() as connection:
        assert custody.take_over(connection, as_read, Lease("second", LATER), 2, "a.dcm")
    assert not move(store, Move.SETTLE_HELD, key, holder="first")
    with store.write() as connection:
        assert not custody.take_over(connection, as_read, Lease("third", LATER), 2, "a.dcm"), "it is not as it was read"
    assert move(store, Move.SETTLE_HELD, key, holder="second")
    with store.write() as connection:
        assert not custody.take_over(connection, row_of(store, key), Lease("third", LATER), 2, "a.dcm")
    row = row_of(store, key)
    assert (row.state, row.holder, row.lease, row.batch) == (State.HELD, None, None, 2)


def test_the_id_of_a_row_that_is_gone_never_comes_back(store):
    key = claim(store)
    assert move(store, Move.FORGET, key, holder="me")
    assert claim(store) > key


def test_a_lease_has_expired_from_its_very_end_on(store):
    key = claim(store, lease=LATER)
    rest(store, replace(SEEN, sop_uid="1.2.3.1.2"))
    with store.read() as connection:
        assert custody.expired(connection, LATER - timedelta(microseconds=1)) == []
        assert [k.id for k in custody.expired(connection, LATER)] == [key]


def test_a_claim_given_up_is_expired_at_once(store):
    key = claim(store)
    with store.write() as connection:
        custody.end_lease(connection, key, "another", NOW)
        assert custody.expired(connection, NOW) == []
        custody.end_lease(connection, key, "me", NOW)
        assert [k.id for k in custody.expired(connection, NOW)] == [key]


def test_a_node_that_does_not_answer_hides_no_other_nodes_rows(store):
    """Its rows are the oldest, and more than are looked at in a round."""
    with store.write() as connection:
        shared = {"hosting": "central", "url": "", "networks": "", "allow": "", "state": "linked"}
        other = governance.insert_row(connection, t.node, NOW, name="other", kind="folder", **shared)
    keys = [
        put(store, state, seen=replace(SEEN, sop_uid=f"1.2.3.1.{n}"))
        for n, state in enumerate((State.RECEIVING, State.WITHDRAWN) * 4)
    ]
    with store.write() as connection:
        connection.execute(update(t.custody).where(t.custody.c.id.in_(keys[-2:])).values(node=other))
        connection.execute(update(t.custody).where(t.custody.c.state == State.RECEIVING).values(lease=t.custody.c.id))
        expired, awaiting = (ask(connection, NOW, 2) for ask in (custody.expired, custody.awaiting_deletion))
    assert [row.id for row in expired] == [keys[0], keys[2], keys[6]]
    assert [row.id for row in awaiting] == [keys[1], keys[3], keys[7]]


def test_a_lease_grows_with_the_object():
    assert custody.lease_for("me", 0, NOW, 60) == Lease("me", LATER)
    assert custody.lease_for("me", 120_000_000, NOW, 60) == Lease("me", LATER + timedelta(seconds=120))


# --- deletion


@pytest.mark.parametrize("state", AWAITING_DELETION)
def test_one_at_a_time_deletes_what_is_to_be_deleted(store, state):
    key = put(store, state)
    with store.write() as connection:
        (row,) = custody.awaiting_deletion(connection, NOW)
        assert custody.begin_deletion(connection, row, Lease("me", LATER), NOW)
        assert custody.awaiting_deletion(connection, NOW) == []
        assert not custody.begin_deletion(connection, row, Lease("another", LATER), NOW)
        assert custody.begin_deletion(connection, row, Lease("another", LATER), LATER), "its lease has ended"
    assert not move(store, PURGES[state], key, holder="me"), "the bytes are another's to delete now"
    assert move(store, PURGES[state], key, holder="another")


@pytest.mark.parametrize("state", AWAITING_DELETION)
def test_bytes_that_are_wanted_again_stay_unless_their_deletion_has_begun(store, state):
    placement = Placement(1, 1, 1, False, "here", "a.dcm")
    key = put(store, state)
    with store.write() as connection:
        assert custody.cancel_deletion(connection, SEEN, replace(placement, place="there"), NOW)
        assert custody.cancel_deletion(connection, SEEN, replace(placement, quarantined=True), NOW)
        assert not custody.cancel_deletion(connection, replace(SEEN, file_digest=b"other"), placement, NOW), (
            "they are other bytes"
        )
    assert row_of(store, key).state is state
    with store.write() as connection:
        assert custody.cancel_deletion(connection, SEEN, placement, NOW)
    assert row_of(store, key).state is MOVES[PURGES[state]].target
    key = put(store, state, holder="me")
    with store.write() as connection:
        assert not custody.cancel_deletion(connection, SEEN, placement, NOW)
    assert row_of(store, key).state is state


# --- what stands in the way


def test_a_study_is_elsewhere_while_another_dataset_has_it_in_care(store):
    with store.read() as connection:
        assert not elsewhere(connection, 2)
    key = rest(store, by=Move.SETTLE_REVIEW)
    with store.write() as connection:
        assert elsewhere(connection, 2)
        assert not elsewhere(connection, 1)
        custody.move(connection, Move.REFUSE, key, NOW)
        assert not elsewhere(connection, 2)


def test_a_place_is_in_use_while_another_row_in_care_rests_there(store):
    first = rest(store)
    other = replace(SEEN, sop_uid="1.2.3.1.2")
    second = rest(store, other)
    with store.write() as connection:
        assert custody.place_in_use(connection, custody.by_id(connection, first))
        custody.move(connection, Move.WITHDRAW, second, NOW)
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
        blocks.add(connection, 1, State.WITHDRAWN, NOW, **named)
        assert all(blocked(connection, 1, seen) for seen in stopped)
        assert not any(blocked(connection, 1, seen) for seen in free)
        assert not any(blocked(connection, 2, seen) for seen in (*stopped, *free))
        uid = named.get("study_uid") or named["sop_uid"]
        assert (blocks.lift(connection, "1.9", NOW), blocks.lift(connection, uid, NOW)) == (0, 1)
        assert blocks.lift(connection, uid, NOW) == 0
        assert not any(blocked(connection, 1, seen) for seen in stopped)


def test_a_digest_is_known_to_its_own_dataset_and_only_once_it_is_safe(store):
    with store.read() as connection:
        assert custody.by_file_digest(connection, 1, [b"file"]) == {}
    key = claim(store)
    with store.write() as connection:
        assert custody.by_file_digest(connection, 1, [b"file"]) == {}
        custody.move(connection, Move.SETTLE_HELD, key, NOW, holder="me")
        found = custody.by_file_digest(connection, 1, [b"file", b"none"])
        assert {digest: row.instance for digest, row in found.items()} == {b"file": SEEN}
        assert custody.by_file_digest(connection, 2, [b"file"]) == {}
        assert custody.by_file_digest(connection, 1, []) == {}


def test_a_transaction_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.write() as connection:  # noqa: PT012 - the block is what fails
        connection.execute(insert(t.block).values(dataset=1, study_uid="1", reason="x", at=0))
        raise RuntimeError
    with store.read() as connection:
        assert connection.execute(select(t.block)).all() == []


def test_a_reader_sees_the_newest_commit_each_time_it_asks(store):
    with store.read() as connection:
        assert custody.in_care(connection, SEEN.sop_uid) is None
        key = rest(store)
        assert custody.in_care(connection, SEEN.sop_uid).id == key


def test_a_snapshot_sees_one_moment(store):
    with store.snapshot() as connection:
        assert custody.in_care(connection, SEEN.sop_uid) is None
        rest(store)
        assert custody.in_care(connection, SEEN.sop_uid) is None


# --- damage


def mark(store, key):
    with store.write() as connection:
        return custody.mark_damaged(connection, key, NOW)


@pytest.mark.parametrize("state", State)
def test_only_what_rests_is_damaged_and_is_so_once(store, state):
    key = put(store, state)
    assert mark(store, key) is (state in AT_REST)
    assert not mark(store, key)
    assert (row_of(store, key).damaged is not None) is (state in AT_REST)


def test_of_those_who_read_it_as_damaged_one_mends(store):
    key = rest(store)
    mark(store, key)
    row = row_of(store, key)
    with store.write() as connection:
        mine = custody.begin_mending(connection, row, NOW)
        assert mine is not None
        assert custody.begin_mending(connection, row, NOW) is None
        assert not custody.mended(connection, key, row.damaged), "it is read anew"
        assert custody.mended(connection, key, mine)
        assert not custody.mended(connection, key, mine)
    assert row_of(store, key).damaged is None


def test_what_was_read_as_sound_is_so_until_damage_is_found(store):
    key = rest(store)
    with store.write() as connection:
        assert custody.mended(connection, key, None)
        custody.mark_damaged(connection, key, NOW)
        assert not custody.mended(connection, key, None)


@pytest.mark.parametrize("state", [*AWAITING_DELETION, *FINAL])
@pytest.mark.parametrize("holder", [None, "purger"])
def test_bytes_that_came_back_are_deleted_once_more_whoever_is_deleting(store, state, holder):
    key = put(store, state, holder=None if state in FINAL else holder)
    with store.write() as connection:
        custody.delete_again(connection, key, NOW)
    row = row_of(store, key)
    assert row.state in AWAITING_DELETION
    assert (row.holder, row.lease) == (None, None)
    assert not move(store, PURGES[row.state], key, holder="purger"), "who began before them ends nothing"


@pytest.mark.parametrize("state", IN_CARE)
def test_what_is_in_care_is_not_deleted_because_it_was_put_back(store, state):
    key = put(store, state)
    with store.write() as connection:
        custody.delete_again(connection, key, NOW)
    assert row_of(store, key).state is state


def test_what_is_damaged_is_listed_and_counted_by_its_node_and_not_known_to_who_asks_what_to_send(store):
    key = rest(store)
    with store.read() as connection:
        assert (custody.count_damaged(connection), custody.damaged(connection, 1)) == ({}, [])
        assert custody.count_at_rest(connection, 1) == (1, 10)
        assert [row.id for row in custody.at_rest(connection, 1, 0, 9)] == [key]
        assert custody.at_rest(connection, 1, key, 9) == []
    mark(store, key)
    with store.read() as connection:
        assert custody.count_damaged(connection) == {1: 1}
        assert [row.id for row in custody.damaged(connection, 1)] == [key]
        assert custody.by_file_digest(connection, 1, [b"file"]) == {}


# --- digests of parts


def test_digests_of_parts_are_read_one_by_one_and_forgotten(store):
    key = rest(store)
    file = memoryview(bytes(range(256)) * (3 * BLOCK // 256))
    parts = digest_parts(file, [(5, 10), (15, 20)])
    with store.write() as connection:
        part_digests.keep(connection, key, None)
        assert not part_digests.are_kept(connection, key)
        assert part_digests.of_blocks(connection, key, 0, 1) is None
        for _ in range(2):
            part_digests.keep(connection, key, parts)
        assert part_digests.are_kept(connection, key)
        assert part_digests.of_blocks(connection, key, 1, 2) == parts.blocks[32:96]
        assert part_digests.of_frame(connection, key, 2) == (15, 20, sha256(file[15:35]).digest())
        assert part_digests.of_frame(connection, key, 3) is None
        part_digests.forget(connection, key)
        assert not part_digests.are_kept(connection, key)
