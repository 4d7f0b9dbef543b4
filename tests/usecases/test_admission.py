"""What may come in at all: from whom, into which dataset, while what stands, and with how much room."""

from dataclasses import replace

import pytest
from msgspec import structs

from mappings.failures import Conflict, Full, TooLarge
from server.usecases import reconcile
from server.usecases.admission import check_room
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.node import move_node
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import counts, deposit, in_care


def test_a_study_belongs_to_one_dataset_and_the_other_hears_no_more(built, sound):
    builders.seed(built, alias="BREAST", provider="hospital-b")
    deposit(built, made())
    other = builders.batch(built, "BREAST", provider="hospital-b")
    for file in (made(), made(StudyDate="20210101"), made("1.2.3.1.2"), made(study="1.2.9")):
        assert deposit(built, file, other) == ("reject", "study-not-yours")
    assert deposit(built, made("1.2.9.1.1", study="1.2.9"), other) == ("pass", "declared")
    sound(built)


@pytest.mark.parametrize(
    ("stop", "rule"),
    [
        (lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "suspend"), "agreement-inactive"),
        (lambda h: move_agreement(h, ACTOR, "DSA-LUNG", "terminate"), "agreement-inactive"),
        (lambda h: move_node(h, ACTOR, "central", "suspend"), "node-not-linked"),
        (lambda h: move_node(h, ACTOR, "central", "unlink"), "node-not-linked"),
    ],
)
def test_a_stop_binds_the_next_file_of_an_open_batch(built, sound, stop, rule):
    batch = builders.batch(built)
    deposit(built, made(), batch)
    stop(built)
    assert deposit(built, made("1.2.3.1.2"), batch) == ("reject", rule)
    assert deposit(built, memoryview(b"no DICOM"), batch) == ("reject", rule)
    assert deposit(built, made(), batch) == ("reject", rule)
    sound(built)


def test_a_stop_between_claim_and_settle_binds_too(built, sound, clock):
    batch = builders.batch(built)

    def suspend(point):
        if point == "stored":
            move_agreement(built, ACTOR, "DSA-LUNG", "suspend")

    taken = take(replace(built, reached=suspend), batch, "a", made())
    assert taken.rule == "agreement-inactive"
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    sound(built)
    assert in_care(built) is None


def test_an_expired_agreement_takes_nothing(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime, ends=clock().replace(day=23))
    clock.on(86_400)
    assert deposit(runtime, made()) == ("reject", "agreement-expired")
    runtime.close()


def test_a_closed_batch_takes_nothing_more(built, sound, clock):
    batch = builders.batch(built)
    close_batch(built, batch.id)
    with pytest.raises(Conflict, match="closed"):
        take(built, batch, "a", made())
    clock.on(120)
    reconcile.recover(built)
    sound(built)


def test_a_disk_nearly_full_is_said_before_bytes_are_taken(built):
    full = replace(built, settings=structs.replace(built.settings, min_free_mb=10**9))
    batch = builders.batch(built)
    with pytest.raises(Full):
        check_room(full, 1)
    with pytest.raises(Full):
        take(full, batch, "a", made())
    assert (in_care(built), counts(built, batch), list(built.quarantine.places())) == (None, {}, [])


def test_an_object_over_the_limit_is_refused_before_bytes_are_taken(built):
    small = replace(built, settings=structs.replace(built.settings, max_object_mb=1))
    with pytest.raises(TooLarge):
        check_room(small, 1_000_001)
    check_room(small, 1_000_000)
