"""The ledger is kept and checked: a verification recomputes everything and names the first entry that was tampered with."""

import json

import pytest
from sqlalchemy import select, text

from adapters.sql import ledger as rows
from adapters.sql import tables as t
from consent import entries
from consent.commitment import leaf_hash
from consent.subject import Role
from server.usecases import ledger
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.deliver import Wanted, deliver
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made

INSIDE, STUDY = builders.caller(Role.INSIDE), Wanted("1.2.3")


def lived(runtime, clock):
    """A runtime in which something of every kind has happened: governance, a batch, a use, and kept roots."""
    batch = builders.batch(runtime)
    for n in (1, 2):
        take(runtime, batch, "a", made(f"1.2.3.1.{n}"))
    close_batch(runtime, batch.id)
    for _ in range(2):
        deliver(runtime, INSIDE, STUDY, len)
    ledger.sequence(runtime)
    ledger.checkpoint(runtime)
    clock.on(700)
    assert ledger.close_windows(runtime) == 1
    move_agreement(runtime, ACTOR, "DSA-LUNG", "suspend")
    ledger.sequence(runtime)
    ledger.checkpoint(runtime)
    return runtime


@pytest.fixture
def life(built, clock):
    return lived(built, clock)


def entry(runtime, kind):
    """The newest entry of this kind."""
    with runtime.store.read() as connection:
        found = select(t.ledger_leaf.c.id, t.ledger_leaf.c.position).join(t.ledger_body, t.ledger_body.c.id == t.ledger_leaf.c.id)
        return connection.execute(found.where(t.ledger_body.c.kind == kind).order_by(t.ledger_leaf.c.id.desc()).limit(1)).one()


def tamper(runtime, *statements, **values):
    """What whoever owns the database file can do, guards or not."""
    with runtime.store.write() as connection:
        for guard in ("ledger_leaf_kept", "ledger_leaf_fixed", "checkpoint_kept", "checkpoint_fixed"):
            connection.execute(text(f"DROP TRIGGER {guard}"))
        for statement in statements:
            assert connection.execute(text(statement), values).rowcount > 0


def test_a_ledger_nobody_touched_is_whole_on_both_databases(anywhere, clock):
    checked = ledger.verify(lived(anywhere, clock))
    assert checked.broken is None
    assert checked.entries > 12
    assert (checked.erased, checked.roots) == (0, 2)


def test_an_empty_ledger_is_whole(tmp_path):
    runtime = builders.runtime(tmp_path)
    assert ledger.verify(runtime) == ledger.Verification(0, 0, 0, None)
    runtime.close()


@pytest.mark.parametrize(
    "changed", ["cast(replace(body, 'active', 'draft') AS BLOB)", "replace(body, 'active', 'draft')", "zeroblob(0)", "7"]
)
def test_a_changed_body_is_named(life, changed):
    found = entry(life, "govern.agreement.activate")
    tamper(life, f"UPDATE ledger_body SET body = {changed} WHERE id = :id", id=found.id)  # noqa: S608 - the cases above
    assert (
        ledger.verify(life).broken == f"Entry {found.id} at position {found.position}: its body is not what its leaf commits to."
    )


def test_a_changed_nonce_is_named(life):
    found = entry(life, "batch.opened")
    tamper(life, "UPDATE ledger_body SET nonce = zeroblob(16) WHERE id = :id", id=found.id)
    assert f"Entry {found.id} " in ledger.verify(life).broken


def test_a_body_changed_together_with_its_leaf_breaks_the_root_over_it(life):
    found = entry(life, "govern.agreement.activate")
    with life.store.snapshot() as connection:
        old = next(e for e in rows.read_rows(connection) if e.id == found.id)
    body = old.body.replace(b"active", b"draft")
    values = {"id": found.id, "body": body, "leaf": leaf_hash(old.nonce, body)}
    tamper(
        life,
        "UPDATE ledger_body SET body = :body WHERE id = :id AND :leaf = :leaf",
        "UPDATE ledger_leaf SET leaf = :leaf WHERE id = :id AND :body = :body",
        **values,
    )
    assert "an entry up to position" in ledger.verify(life).broken


def test_a_changed_leaf_is_named(life):
    found = entry(life, "batch.closed")
    tamper(life, "UPDATE ledger_leaf SET leaf = zeroblob(32) WHERE id = :id", id=found.id)
    assert f"Entry {found.id} " in ledger.verify(life).broken


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE receipt SET outcome = 'reject' WHERE sop_uid = '1.2.3.1.1'",
        "UPDATE receipt SET digest = zeroblob(32) WHERE sop_uid = '1.2.3.1.1'",
        "UPDATE receipt SET rule = 'attested'",
        "DELETE FROM receipt WHERE sop_uid = '1.2.3.1.2'",
        (
            "INSERT INTO receipt (batch, name, size, outcome, rule, findings, at)"
            " SELECT batch, name, size, outcome, rule, findings, at FROM receipt LIMIT 1"
        ),
    ],
)
def test_changed_receipts_are_named_with_the_entry_that_commits_to_them(life, statement):
    found = entry(life, "batch.closed")
    tamper(life, statement)
    assert ledger.verify(life).broken.startswith(f"Entry {found.id} at position {found.position}: the receipts of batch ")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access SET target = '1.2.4'",
        "UPDATE access SET status = 500",
        "UPDATE access SET at = at + 1",
        'UPDATE access SET "window" = NULL WHERE id = (SELECT min(id) FROM access WHERE "window" IS NOT NULL)',
    ],
)
def test_changed_access_rows_are_named_with_the_entry_that_commits_to_them(life, statement):
    found = entry(life, "use.closed")
    tamper(life, statement)
    assert ledger.verify(life).broken.startswith(f"Entry {found.id} at position {found.position}: the access rows of use window ")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entry_target WHERE entry = :id AND type = 'study'",
        "UPDATE entry_target SET key = '9.9' WHERE entry = :id AND type = 'study'",
        "INSERT INTO entry_target (entry, type, key) VALUES (:id, 'study', '9.9')",
    ],
)
def test_changed_targets_are_named(life, statement):
    found = entry(life, "batch.closed")
    tamper(life, statement, id=found.id)
    assert ledger.verify(life).broken.endswith("its targets are not those its body names.")


def test_an_entry_filed_under_another_kind_is_named(life):
    found = entry(life, "batch.closed")
    tamper(life, "UPDATE ledger_body SET kind = 'use.closed' WHERE id = :id", id=found.id)
    assert "it is filed as use.closed, but its body says batch.closed." in ledger.verify(life).broken


def test_a_batch_of_many_studies_is_closed_in_parts_that_verify(built, monkeypatch):
    monkeypatch.setattr(entries, "STUDIES_IN_A_BODY", 2)
    batch = builders.batch(built)
    for n in range(5):
        take(built, batch, "a", made(f"1.2.{n}.1.1", study=f"1.2.{n}"))
    close_batch(built, batch.id)
    with built.store.snapshot() as connection:
        closed = [json.loads(row.body) for row in rows.read_rows(connection) if row.kind == "batch.closed"]
    assert [(body["part"], body["parts"], body["studies"]) for body in closed] == [
        (1, 3, ["1.2.0", "1.2.1"]),
        (2, 3, ["1.2.2", "1.2.3"]),
        (3, 3, ["1.2.4"]),
    ]
    assert ledger.verify(built).broken is None


def test_a_missing_entry_is_named(life):
    found = entry(life, "batch.opened")
    tamper(life, "DELETE FROM ledger_body WHERE id = :id", "DELETE FROM ledger_leaf WHERE id = :id", id=found.id)
    assert f"stands where position {found.position} belongs" in ledger.verify(life).broken


def test_a_missing_last_entry_is_noticed_by_the_root_over_it(life):
    found = entry(life, "govern.agreement.suspend")
    tamper(life, "DELETE FROM ledger_body WHERE id = :id", "DELETE FROM ledger_leaf WHERE id = :id", id=found.id)
    assert f"but only {found.position} are there" in ledger.verify(life).broken


def test_two_entries_that_change_places_are_noticed(life):
    swap = "UPDATE ledger_leaf SET position = CASE position WHEN 2 THEN -3 ELSE -2 END WHERE position IN (2, 3)"
    tamper(life, swap, "UPDATE ledger_leaf SET position = -position WHERE position < 0")
    assert "an entry up to position" in ledger.verify(life).broken


def test_a_changed_root_is_noticed(life):
    tamper(life, "UPDATE checkpoint SET root = zeroblob(32) WHERE size = (SELECT min(size) FROM checkpoint)")
    assert "is not theirs" in ledger.verify(life).broken


def test_an_erased_body_breaks_nothing_and_is_counted(life):
    tamper(life, "DELETE FROM ledger_body WHERE id = :id", id=entry(life, "batch.opened").id)
    checked = ledger.verify(life)
    assert (checked.broken, checked.erased) == (None, 1)


def test_an_entry_that_waits_for_its_position_is_checked_too(life):
    move_agreement(life, ACTOR, "DSA-LUNG", "resume")
    found = entry(life, "govern.agreement.resume")
    assert (found.position, ledger.verify(life).broken) == (None, None)
    tamper(life, "UPDATE ledger_body SET body = body || ' ' WHERE id = :id", id=found.id)
    assert ledger.verify(life).broken.startswith(f"Entry {found.id}: ")


def test_roots_are_kept_at_intervals_and_only_over_what_is_new(built, clock):
    ledger.sequence(built)
    first = ledger.checkpoint(built)
    move_agreement(built, ACTOR, "DSA-LUNG", "suspend")
    ledger.sequence(built)
    assert ledger.checkpoint(built) == first
    clock.on(10)
    assert ledger.checkpoint(built) == first + 1
    clock.on(10)
    assert ledger.checkpoint(built) == first + 1


def test_a_window_is_closed_once_after_it_has_ended(built, clock):
    take(built, builders.batch(built), "a", made())
    deliver(built, INSIDE, STUDY, len)
    assert ledger.close_windows(built) == 0
    clock.on(360)
    assert (ledger.close_windows(built), ledger.close_windows(built)) == (1, 0)
