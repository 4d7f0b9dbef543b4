"""What is withdrawn or refused stays out until it is lifted, corrected or replaced, and its bytes go."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from adapters.sql import custody
from adapters.sql.store import Store
from mappings.failures import Busy
from server.usecases import reconcile, release, withdraw
from server.usecases.read_back import read_back
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit, in_care


def test_what_is_withdrawn_is_blocked_by_name_until_lifted(built, sound):
    deposit(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    reconcile.purge(built)
    assert deposit(built, made()) == ("reject", "blocked")
    assert deposit(built, made("1.2.3.1.9")) == ("reject", "blocked")
    sound(built)
    withdraw.lift_block(built, ACTOR, "1.2.3")
    assert deposit(built, made()) == ("pass", "declared")
    sound(built)


def test_what_is_withdrawn_to_be_replaced_is_not_blocked(built, sound):
    deposit(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", replace=True)
    assert deposit(built, made(StudyDate="20210101")) == ("pass", "declared")
    reconcile.purge(built)
    sound(built)


def test_a_replacement_waits_where_its_node_keeps_one_file_for_a_uid(built, on_orthanc):
    """The old file must be gone first, or the node refuses the new one for ever."""
    study, uid = "1.2.77", "1.2.77.1.1"
    new = made(uid, study=study, StudyDate="20210101")
    assert deposit(built, made(uid, study=study), on_orthanc) == ("pass", "declared")
    withdraw.withdraw_study(built, ACTOR, study, replace=True)
    with pytest.raises(Busy):
        deposit(built, new, on_orthanc)
    assert reconcile.purge(built) == 1
    assert deposit(built, new, on_orthanc) == ("pass", "declared")
    assert read_back(built, in_care(built, uid).copy) == new
    withdraw.withdraw_study(built, ACTOR, study)
    assert reconcile.purge(built) == 1, "the archive is other tests' too"


def test_what_comes_back_before_its_bytes_are_purged_keeps_them(built, sound):
    deposit(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", replace=True)
    assert deposit(built, made()) == ("pass", "declared")
    reconcile.purge(built)
    sound(built)


def test_what_is_refused_is_blocked_but_not_when_corrected(built, sound):
    batch = builders.batch(built)
    deposit(built, made(InstitutionName="Hospital"), batch)
    release.refuse(built, ACTOR, batch.key)
    reconcile.purge(built)
    assert deposit(built, made(InstitutionName="Hospital")) == ("reject", "blocked")
    assert deposit(built, made()) == ("pass", "declared")
    sound(built)


def test_a_withdrawal_while_an_object_of_the_study_is_on_its_way_binds_it(built, sound, clock):
    batch = builders.batch(built)
    deposit(built, made(), batch)

    def withdrawn(point):
        if point == "stored":
            withdraw.withdraw_study(built, ACTOR, "1.2.3")

    taken = take(replace(built, reached=withdrawn), batch, "b", made("1.2.3.1.2"))
    assert taken.rule == "blocked"
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    sound(built)


def test_the_locks_of_several_patients_who_leave_at_once_have_room(emptied):
    store = Store(emptied())
    with ExitStack() as at_once:
        for patient in range(4):
            connection = at_once.enter_context(store.write())
            for study in range(withdraw.MOST_STUDIES):
                custody.lock_study(connection, f"1.2.{patient}.{study}")
    store.close()
