"""The ledger on both databases: append-only by the database's own word, in one order without gaps, and its windows of use."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from adapters.sql import access, ledger
from adapters.sql import tables as t
from adapters.sql.access import Access, Accesses, Under
from adapters.sql.ledger import About
from adapters.sql.store import Store
from consent import merkle
from consent.commitment import NONCE_BYTES, leaf_hash
from consent.entries import BlockLifted, Target, TargetType
from mappings.failures import Full, Unavailable
from tests.builders import agreement_rows

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def store(database):
    opened = Store(database)
    yield opened
    opened.close()


def write(store, number):
    with store.write() as connection:
        return ledger.record(connection, BlockLifted(uid=f"1.2.{number}", blocks=1), NOW, "operator:test", About())


def sequence(store, limit=4096):
    with store.write() as connection:
        return ledger.sequence(connection, limit)


def integrate(store, at=NOW):
    with store.write() as connection:
        return ledger.integrate(connection, at)


def every(store):
    with store.snapshot() as connection:
        return list(ledger.read_rows(connection))


FORBIDDEN = [
    "DELETE FROM ledger_leaf",
    "UPDATE ledger_leaf SET leaf = leaf || leaf",
    "UPDATE ledger_leaf SET position = 7",
    "UPDATE ledger_leaf SET position = NULL",
    "UPDATE ledger_leaf SET id = id + 1000",
    "DELETE FROM checkpoint",
    "UPDATE checkpoint SET root = root",
    "UPDATE checkpoint SET size = size + 1",
]


def test_the_database_refuses_to_change_what_is_ordered_or_kept(store):
    write(store, 1)
    sequence(store)
    integrate(store)
    for statement in FORBIDDEN:
        with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
            connection.execute(text(statement))


@pytest.mark.parametrize("statement", ["DELETE FROM ledger_leaf", "UPDATE ledger_leaf SET leaf = leaf || leaf"])
def test_a_leaf_that_waits_for_its_position_is_guarded_too(store, statement):
    write(store, 1)
    with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
        connection.execute(text(statement))


def test_terms_once_published_are_immutable(store):
    with store.write() as connection:
        connection.execute(t.terms.insert().values(version="1.0.0", sha256="", text=b"", at=0))
    with pytest.raises(DBAPIError, match=r"immutable|append-only"), store.write() as connection:
        connection.execute(text("UPDATE terms SET sha256 = 'x'"))


@pytest.mark.parametrize("table", ["agreement_version", "agreement_act", "node_act"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET id = id + 1"])
def test_what_was_agreed_and_done_is_append_only(governed, table, statement):
    with governed.write() as connection:
        connection.execute(t.agreement_act.insert().values(agreement=1, verb="x", side="x", actor="x", version=1, at=0))
        connection.execute(t.node_act.insert().values(node=1, verb="x", actor="x", at=0))
    with pytest.raises(DBAPIError, match="append-only"), governed.write() as connection:
        connection.execute(text(statement.format(table)))


@pytest.mark.parametrize("table", ["ledger_leaf", "checkpoint", "agreement_version", "agreement_act", "node_act"])
def test_postgresql_refuses_to_empty_them_at_once(emptied, table):
    """SQLite knows no TRUNCATE: its DELETE without a condition is refused above."""
    store = Store(emptied())
    with pytest.raises(DBAPIError, match="append-only"), store.write() as connection:
        connection.execute(text(f"TRUNCATE {table} CASCADE"))
    store.close()


def test_a_leaf_commits_to_its_body(store):
    write(store, 1)
    (entry,) = every(store)
    assert entry.leaf == leaf_hash(entry.nonce, entry.body)
    assert (entry.position, len(entry.nonce)) == (None, NONCE_BYTES)


def test_an_entry_is_written_with_its_transaction_or_not_at_all(store):
    with pytest.raises(RuntimeError), store.write() as connection:  # noqa: PT012 - the block is what fails
        ledger.record(connection, BlockLifted(uid="1.2", blocks=1), NOW, "a", About())
        raise RuntimeError
    assert every(store) == []


def test_positions_are_given_oldest_first_and_once(store):
    ids = [write(store, n) for n in range(5)]
    assert (sequence(store, 2), sequence(store, 2), sequence(store), sequence(store)) == (2, 2, 1, 0)
    assert [(e.id, e.position) for e in every(store)] == [(key, n) for n, key in enumerate(ids)]


def test_positions_have_no_gaps_while_many_write_and_order_at_once(store):
    def writer(n):
        for m in range(15):
            write(store, n * 100 + m)
            if m % 3 == 0:
                sequence(store)

    threads = [Thread(target=writer, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    sequence(store)
    assert [e.position for e in every(store)] == list(range(60))
    assert len({e.body for e in every(store)}) == 60


def test_a_root_is_kept_over_what_is_ordered_and_grows_without_rereading(store):
    assert integrate(store) == 0
    for size in (3, 4, 9):
        while len(every(store)) < size:
            write(store, len(every(store)))
        write(store, 99)
        sequence(store, size - max((e.position + 1 for e in every(store) if e.position is not None), default=0))
        assert integrate(store) == size
        with store.read() as connection:
            kept, root, frontier, at = ledger.newest_checkpoint(connection)
        leaves = [e.leaf for e in every(store)[:size]]
        assert (kept, root, at) == (size, merkle.root(merkle.grow((), 0, leaves)[0]), NOW)
        assert frontier == merkle.grow((), 0, leaves)[0]
    assert integrate(store) == 9
    with store.read() as connection:
        assert [size for size, _ in ledger.checkpoints(connection)] == [3, 4, 9]


def test_two_workers_that_grow_the_tree_at_once_keep_one_root(store):
    write(store, 1)
    sequence(store)
    fell = []

    def other():
        try:
            integrate(store)
        except DBAPIError as error:
            fell.append(error)

    with store.write() as connection:
        ledger.integrate(connection, NOW)
        second = Thread(target=other)
        second.start()
        second.join(0.3)  # it is at the insert of the same root by now, unless it waits before it reads
    second.join(20)
    assert fell == []
    with store.read() as connection:
        assert [size for size, _ in ledger.checkpoints(connection)] == [1]


def test_a_body_may_be_erased_and_its_leaf_stays(store):
    key = write(store, 1)
    with store.write() as connection:
        connection.execute(t.ledger_body.delete().where(t.ledger_body.c.id == key))
    (entry,) = every(store)
    assert (entry.body, entry.nonce, len(entry.leaf)) == (None, None, 32)


def test_what_an_entry_is_about_is_kept_as_rows_and_erased_with_its_body(store):
    key = write(store, 1)
    (entry,) = every(store)
    assert entry.targets == {Target(TargetType.BLOCK, "1.2.1")}
    with store.write() as connection:
        connection.execute(t.ledger_body.delete().where(t.ledger_body.c.id == key))
    (entry,) = every(store)
    assert entry.targets == frozenset()


def test_entries_are_read_with_their_targets_over_many_pages(store, monkeypatch):
    monkeypatch.setattr(ledger, "PAGE", 2)
    for number in range(5):
        write(store, number)
    assert [entry.targets for entry in every(store)] == [{Target(TargetType.BLOCK, f"1.2.{n}")} for n in range(5)]


# --- the access record


def said(at=NOW, subject="client:a", action="export", study="1.2.3", purpose="AIRESEARCH"):
    return Access(at, subject, action, purpose, study, 200, 1, "r")


def use(store, one, study="1.2.3"):
    with store.write() as connection:
        access.use(connection, one, study, About(dataset=1), Under("LUNG", "A@1", "1.0.0"))


@pytest.fixture
def governed(store):
    """A dataset, which a window belongs to."""
    with store.write() as connection:
        run = connection.execute
        run(t.party.insert().values(key="p", name="p", role="provider", approved=True, updated=0))
        run(
            t.node.insert().values(
                name="n", kind="folder", hosting="central", url="", networks="", allow="", state="linked", updated=0
            )
        )
        run(t.terms.insert().values(version="1.0.0", sha256="", text=b"", at=0))
        agreement_rows(connection, "A", party=1, node=1, terms=1)
        run(t.dataset.insert().values(alias="LUNG", agreement=1, title="", description="", details="{}", updated=0))
    return store


def kinds(store):
    with store.read() as connection:
        return list(connection.execute(select(t.ledger_body.c.kind).order_by(t.ledger_body.c.id)).scalars())


def test_the_first_use_in_a_window_opens_it_and_the_rest_join(governed):
    for seconds in (0, 1, 299):
        use(governed, said(NOW + timedelta(seconds=seconds)))
    assert kinds(governed) == ["use.opened"]
    use(governed, said(NOW + timedelta(seconds=300)))
    assert kinds(governed) == ["use.opened"] * 2


@pytest.mark.parametrize("other", [{"subject": "client:b"}, {"action": "view"}, {"purpose": "AITRAIN"}, {"study": "1.2.4"}])
def test_another_subject_action_purpose_or_study_opens_its_own(governed, other):
    use(governed, said())
    use(governed, said(**other), other.get("study", "1.2.3"))
    assert kinds(governed) == ["use.opened"] * 2


def test_many_at_once_open_one_window_and_each_leaves_its_row(governed):
    threads = [Thread(target=use, args=(governed, said())) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert kinds(governed) == ["use.opened"]
    with governed.read() as connection:
        assert access.tally(connection, 1)[0] == 6


def test_a_window_ends_after_its_five_minutes_and_a_grace_and_closes_once(governed):
    use(governed, said())
    end = NOW + timedelta(seconds=300)
    with governed.write() as connection:
        assert access.ended_windows(connection, end + timedelta(seconds=19)) == []
        (window,) = access.ended_windows(connection, end + timedelta(seconds=20))
        access.close_window(connection, window, end)
        assert access.ended_windows(connection, end + timedelta(seconds=3600)) == []
        access.close_window(connection, window, end)
    assert kinds(governed) == ["use.opened", "use.closed"]


def test_a_use_after_the_clock_stepped_back_leaves_the_closed_window_as_it_is(governed):
    use(governed, said())
    with governed.write() as connection:
        (window,) = access.ended_windows(connection, NOW + timedelta(seconds=330))
        access.close_window(connection, window, NOW)
        closed = access.tally(connection, window.id)
    use(governed, said(NOW + timedelta(seconds=1)))
    use(governed, said(NOW + timedelta(seconds=2)))
    assert kinds(governed) == ["use.opened", "use.closed", "use.opened"]
    with governed.read() as connection:
        assert access.tally(connection, window.id) == closed
        (other,) = connection.execute(select(t.window.c.id).where(t.window.c.id != window.id)).scalars()
        assert access.tally(connection, other)[0] == 2


def test_what_is_noted_is_written_within_a_moment_and_at_the_close(store):
    noted = Accesses(store)
    noted.note(said())
    noted.close()
    with store.read() as connection:
        assert access.recent(connection) == [said()]


class Flaky:
    """A store whose disk is full until told otherwise."""

    def __init__(self, store):
        self.store, self.full = store, True

    def write(self, **how):
        if self.full:
            raise Full("storage-full", "x")
        return self.store.write(**how)


def test_reads_answered_while_the_disk_is_full_are_recorded_when_there_is_room_again(store):
    flaky = Flaky(store)
    noted = Accesses(flaky)
    for n in range(3):
        noted.note(replace(said(), target=str(n)))
    assert not noted.flush()
    flaky.full = False
    noted.close()
    with store.read() as connection:
        assert sorted(a.target for a in access.recent(connection)) == ["0", "1", "2"]


def test_no_more_is_shown_once_what_was_asked_takes_too_much_room(store, monkeypatch):
    monkeypatch.setattr(access, "MOST_BYTES", 10)
    noted = Accesses(Flaky(store))
    noted.note(replace(said(), target="x" * 10))
    with pytest.raises(Unavailable):
        noted.note(said())


def test_no_more_is_shown_once_too_many_reads_wait_for_their_record(store, monkeypatch):
    monkeypatch.setattr(access, "MOST_WAITING", 2)
    noted = Accesses(Flaky(store))
    noted.note(replace(said(), target=str(0)))
    noted.note(replace(said(), target=str(1)))
    with pytest.raises(Unavailable):
        noted.note(replace(said(), target=str(2)))
