"""Ingest: what is judged, what is kept, who wins, and that nothing acknowledged is ever lost."""

import csv
from collections import Counter
from dataclasses import replace
from io import BytesIO
from threading import Barrier, Thread

import pytest
from msgspec import structs
from pydicom import dcmread

from adapters.sql import batches, custody
from consent.deposit import Outcome
from mappings.failures import Busy, Conflict, Full, TooLarge, Unavailable
from server.usecases import ingest, reconcile, release, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.node import add_node, move_node
from server.usecases.objects import resting, whole
from tests import builders
from tests.builders import ACTOR, SAMPLES, made

ORACLE = sorted(csv.DictReader((SAMPLES / "expected.csv").read_text().splitlines()), key=lambda row: row["file"])


def take(hall, file, batch=None):
    """What became of one file, under a batch of its own unless one is given: (outcome, rule)."""
    opened = batch or builders.batch(hall)
    taken = ingest.take(hall, opened, "a.dcm", file)
    if batch is None:
        close_batch(hall, opened.id)
    return str(taken.outcome), taken.rule


def counts(hall, batch):
    with hall.store.read() as connection:
        return batches.counts(connection, batch.id)


def in_care(hall, uid="1.2.3.1.1"):
    with hall.store.read() as connection:
        return custody.in_care(connection, uid)


# --- the oracle


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """Every sample pushed in sorted order into one new dataset, twice: a hall and the outcomes of both times."""
    hall = builders.hall(tmp_path_factory.mktemp("oracle"), clock=builders.Clock())
    builders.seed(hall)
    times = []
    for _ in range(2):
        batch = builders.batch(hall)
        times.append({row["file"]: ingest.take(hall, batch, row["file"], builders.sample(row["file"])) for row in ORACLE})
        close_batch(hall, batch.id)
        reconcile.purge(hall)
    yield hall, times
    hall.accesses.close()
    hall.store.close()


def test_every_sample_becomes_what_the_oracle_says(pushed):
    first = {name: (str(taken.outcome), taken.rule) for name, taken in pushed[1][0].items()}
    assert first == {row["file"]: (row["outcome"], row["rule"]) for row in ORACLE}


def test_pushed_again_everything_in_care_is_known_and_what_was_rejected_is_rejected_alike(pushed):
    first, second = pushed[1]
    kept = Counter(taken.sop_uid for taken in first.values() if str(taken.outcome) in ("pass", "review"))
    for row in ORACLE:
        again = str(second[row["file"]].outcome), second[row["file"]].rule
        if row["outcome"] == "reject":
            assert again == (row["outcome"], row["rule"]), row["file"]
        elif kept[first[row["file"]].sop_uid] == 1:
            assert again == ("duplicate", "known"), row["file"]
        else:  # files of one UID with different content, which supersede each other in review
            assert again in [("duplicate", "known"), (row["outcome"], row["rule"])], row["file"]
    assert sum(n > 1 for n in kept.values()) == 1


def test_after_both_times_everything_is_sound(pushed, sound):
    sound(pushed[0])


def test_a_sentence_for_each_outcome_holds_no_value_of_the_file(pushed):
    assert all("^" not in taken.sentence and len(taken.short) <= 64 for taken in pushed[1][0].values())


# --- one object


def test_what_passes_is_held_and_what_waits_is_in_quarantine(built, sound):
    assert take(built, made()) == ("pass", "declared")
    assert take(built, made("1.2.3.1.2", InstitutionName="Hospital")) == ("review", "institution")
    assert (in_care(built).state, in_care(built, "1.2.3.1.2").state) == ("held", "review")
    sound(built)


def test_what_is_rejected_leaves_a_receipt_and_no_claim_on_its_uid(built, sound):
    batch = builders.batch(built)
    assert take(built, made(PatientName="Doe^Jane", PatientIdentityRemoved=None), batch) == ("reject", "person-name")
    assert in_care(built) is None
    assert counts(built, batch) == {("reject", "person-name"): 1}
    assert take(built, made()) == ("pass", "declared")
    sound(built)


def test_the_same_content_is_known_and_the_first_file_stays(built):
    take(built, made())
    first = in_care(built)
    assert take(built, made()) == take(built, with_other_meta(made())) == ("duplicate", "known")
    assert in_care(built) == first


def test_other_content_for_a_held_uid_is_a_conflict(built, sound):
    take(built, made())
    assert take(built, made(StudyDate="20210101")) == ("reject", "content-conflict")
    sound(built)


def test_other_content_for_a_uid_in_review_supersedes_it(built, sound):
    take(built, made(InstitutionName="Hospital"))
    assert take(built, made()) == ("pass", "declared")
    assert in_care(built).state == "held"
    reconcile.purge(built)
    sound(built)


def test_a_superseding_object_may_wait_in_its_turn(built, sound):
    take(built, made(InstitutionName="One"))
    assert take(built, made(InstitutionName="Two")) == ("review", "institution")
    reconcile.purge(built)
    sound(built)


def test_a_study_belongs_to_one_dataset_and_the_other_hears_no_more(built, sound):
    builders.seed(built, alias="BREAST", provider="hospital-b")
    take(built, made())
    other = builders.batch(built, "BREAST", provider="hospital-b")
    for file in (made(), made(StudyDate="20210101"), made("1.2.3.1.2"), made(study="1.2.9")):
        assert take(built, file, other) == ("reject", "study-not-yours")
    assert take(built, made("1.2.9.1.1", study="1.2.9"), other) == ("pass", "declared")
    sound(built)


def test_an_attested_sender_needs_no_declaration(built):
    batch = builders.batch(built, attested=True)
    assert take(built, made(PatientIdentityRemoved=None), batch) == ("pass", "attested")


def test_a_file_that_is_no_dicom_is_refused_by_name(built):
    assert take(built, memoryview(b"")) == ("reject", "not-dicom")
    assert take(built, memoryview(b"%PDF" * 100)) == ("reject", "not-dicom")


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
    take(built, made(), batch)
    stop(built)
    assert take(built, made("1.2.3.1.2"), batch) == ("reject", rule)
    assert take(built, memoryview(b"no DICOM"), batch) == ("reject", rule)
    assert take(built, made(), batch) == ("reject", rule)
    sound(built)


def test_a_stop_between_claim_and_settle_binds_too(built, sound, clock):
    batch = builders.batch(built)

    def suspend(point):
        if point == "stored":
            move_agreement(built, ACTOR, "DSA-LUNG", "suspend")

    taken = ingest.take(replace(built, reached=suspend), batch, "a", made())
    assert taken.rule == "agreement-inactive"
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    sound(built)
    assert in_care(built) is None


def test_an_expired_agreement_takes_nothing(tmp_path, clock):
    hall = builders.hall(tmp_path, clock=clock)
    builders.seed(hall, ends=clock().replace(day=23))
    clock.on(86_400)
    assert take(hall, made()) == ("reject", "agreement-expired")
    hall.store.close()


def test_a_closed_batch_takes_nothing_more(built, sound, clock):
    batch = builders.batch(built)
    close_batch(built, batch.id)
    with pytest.raises(Conflict, match="closed"):
        ingest.take(built, batch, "a", made())
    clock.on(120)
    reconcile.recover(built)
    sound(built)


# --- room


def test_a_disk_nearly_full_is_said_before_bytes_are_taken(built):
    full = replace(built, settings=structs.replace(built.settings, min_free_mb=10**9))
    batch = builders.batch(built)
    with pytest.raises(Full):
        ingest.room_for(full, 1)
    with pytest.raises(Full):
        ingest.take(full, batch, "a", made())
    assert (in_care(built), counts(built, batch), list(built.quarantine.places())) == (None, {}, [])


def test_an_object_over_the_limit_is_refused_before_bytes_are_taken(built):
    small = replace(built, settings=structs.replace(built.settings, max_object_mb=1))
    with pytest.raises(TooLarge):
        ingest.room_for(small, 1_000_001)
    ingest.room_for(small, 1_000_000)


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
        ingest.take(broken, batch, "a", made())
    assert reconcile.recover(built) == 1
    sound(built)
    assert take(built, made(), batch) == ("pass", "declared")
    assert counts(built, batch) == {("pass", "declared"): 1}


def test_a_node_that_is_full_says_so(built):
    broken = replace(built, node_of=lambda row: Broken(built.node_of(row), Full("x", "x")))
    with pytest.raises(Full):
        ingest.take(broken, builders.batch(built), "a", made())


# --- kills


POINTS = {"claimed": 0, "stored": 1, "settling": 1, "settled": 0}
"""Named point → how many objects recovery then finds on the node and settles (a claim without bytes is forgotten)."""


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("waits", [False, True])
def test_a_process_that_dies_at_a_named_point_loses_and_doubles_nothing(anywhere, dies, sound, clock, point, waits):
    rest = {"InstitutionName": "Hospital"} if waits else {}
    files = [made(f"1.2.3.1.{n}", **rest) for n in range(3)]
    told = ("review", "institution") if waits else ("pass", "declared")
    batch = builders.batch(anywhere)
    assert take(anywhere, files[0], batch) == told
    dies(anywhere, point, lambda hall: ingest.take(hall, batch, "b", files[1]))
    assert reconcile.recover(anywhere) == 0, "its lease has not ended"
    clock.on(120)
    reconcile.recover(anywhere)
    settled = 1 + POINTS[point] + (point == "settled")
    assert counts(anywhere, batch) == {told: settled}
    sound(anywhere)
    assert [take(anywhere, f, batch) for f in files] == [("duplicate", "known")] * settled + [told] * (3 - settled)
    assert counts(anywhere, batch)[told] == 3
    close_batch(anywhere, batch.id)
    assert reconcile.recover(anywhere) == 0
    sound(anywhere)


@pytest.mark.parametrize("point", ["claimed", "stored", "settling"])
def test_the_same_content_takes_a_dead_claim_over_at_once(built, dies, sound, point):
    batch = builders.batch(built)
    dies(built, point, lambda hall: ingest.take(hall, batch, "a", made()))
    assert take(built, made(), batch) == ("pass", "declared")
    assert counts(built, batch) == {("pass", "declared"): 1}
    sound(built)


def with_other_meta(file):
    """The same data set in another file: as another door would write its meta."""
    read = dcmread(BytesIO(file))
    read.file_meta.SourceApplicationEntityTitle = "OTHER"
    written = BytesIO()
    read.save_as(written, enforce_file_format=True)
    return memoryview(written.getvalue())


@pytest.mark.parametrize("point", ["claimed", "stored"])
def test_another_file_of_the_same_data_set_waits_for_a_dead_claims_lease(built, dies, sound, clock, point):
    """The claim names the first file's place and digest: what is settled under it must be that very file."""
    batch = builders.batch(built)
    dies(built, point, lambda hall: ingest.take(hall, batch, "a", made()))
    with pytest.raises(Busy):
        ingest.take(built, batch, "a", with_other_meta(made()))
    clock.on(120)
    reconcile.recover(built)
    assert take(built, with_other_meta(made()), batch)[1] in ("declared", "known")
    sound(built)


def test_other_content_is_told_to_retry_until_the_lease_ends(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda hall: ingest.take(hall, batch, "a", made()))
    with pytest.raises(Busy):
        ingest.take(built, batch, "b", made(StudyDate="20210101"))
    clock.on(120)
    reconcile.recover(built)
    assert take(built, made(StudyDate="20210101"), batch) == ("reject", "content-conflict")
    sound(built)


def test_what_a_dead_process_stored_under_an_agreement_that_is_stopped_goes(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "stored", lambda hall: ingest.take(hall, batch, "a", made()))
    move_agreement(built, ACTOR, "DSA-LUNG", "terminate")
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    assert in_care(built) is None
    sound(built)


def test_the_batch_of_a_dead_process_is_closed_when_it_has_been_quiet(built, dies, sound, clock):
    batch = builders.batch(built)
    dies(built, "settled", lambda hall: ingest.take(hall, batch, "a", made()))
    assert reconcile.close_quiet(built) == 0
    clock.on(601)
    assert reconcile.close_quiet(built) == 1
    sound(built)


# --- races


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
        said = race(lambda f=one: take(doors[0], f, mine), lambda f=other: take(doors[1], f, theirs))
        assert Counter(said)["pass", "declared"] == 1, said
        assert {s[1] for s in said} <= {"declared", "study-not-yours", "object-busy"}
    sound(doors[0])


def test_different_bytes_for_one_uid_in_one_dataset_one_wins_and_the_other_is_told(doors, sound):
    batch = builders.batch(doors[0])
    for n in range(6):
        files = made(f"1.2.3.1.{n}"), made(f"1.2.3.1.{n}", StudyDate="20210101")
        said = race(*(lambda h=hall, f=file: take(h, f, batch) for hall, file in zip(doors, files, strict=True)))
        assert Counter(said)["pass", "declared"] == 1, said
        assert {s[1] for s in said} <= {"declared", "content-conflict", "object-busy"}
    sound(doors[0])


def test_the_same_bytes_at_two_doors_are_taken_once_and_everyone_hears_yes(doors, sound):
    batch = builders.batch(doors[0])
    for n in range(4):
        said = race(*(lambda h=hall, n=n: take(h, made(f"1.2.3.1.{n}"), batch) for hall in doors))
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
        said = race(lambda f=files[0]: take(doors[0], f, mine), lambda f=files[1]: take(doors[1], f, theirs))
        assert sorted(said) == [("pass", "declared"), ("reject", "study-not-yours")], said
    sound(doors[0])


# --- withdrawn, refused, lifted


def test_what_is_withdrawn_is_blocked_by_name_until_lifted(built, sound):
    take(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    reconcile.purge(built)
    assert take(built, made()) == ("reject", "blocked")
    assert take(built, made("1.2.3.1.9")) == ("reject", "blocked")
    sound(built)
    withdraw.lift_block(built, ACTOR, "1.2.3")
    assert take(built, made()) == ("pass", "declared")
    sound(built)


def test_what_is_withdrawn_to_be_replaced_is_not_blocked(built, sound):
    take(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", replace=True)
    assert take(built, made(StudyDate="20210101")) == ("pass", "declared")
    reconcile.purge(built)
    sound(built)


def test_what_comes_back_before_its_bytes_are_purged_keeps_them(built, sound):
    take(built, made())
    withdraw.withdraw_study(built, ACTOR, "1.2.3", replace=True)
    assert take(built, made()) == ("pass", "declared")
    reconcile.purge(built)
    sound(built)


def test_what_is_refused_is_blocked_but_not_when_corrected(built, sound):
    batch = builders.batch(built)
    take(built, made(InstitutionName="Hospital"), batch)
    release.refuse(built, ACTOR, batch.key)
    reconcile.purge(built)
    assert take(built, made(InstitutionName="Hospital")) == ("reject", "blocked")
    assert take(built, made()) == ("pass", "declared")
    sound(built)


def test_a_withdrawal_while_an_object_of_the_study_is_on_its_way_binds_it(built, sound, clock):
    batch = builders.batch(built)
    take(built, made(), batch)

    def withdrawn(point):
        if point == "stored":
            withdraw.withdraw_study(built, ACTOR, "1.2.3")

    taken = ingest.take(replace(built, reached=withdrawn), batch, "b", made("1.2.3.1.2"))
    assert taken.rule == "blocked"
    clock.on(120)
    reconcile.recover(built)
    reconcile.purge(built)
    sound(built)


@pytest.mark.filterwarnings("ignore")  # pydicom's, about what these files hold
@pytest.mark.parametrize(
    "element",
    [
        {"SeriesNumber": "999999999999"},
        {"InstanceNumber": "-999999999999"},
        {"NumberOfFrames": "999999999999"},
        {"StudyDescription": "a\0b"},
        {"PatientID": "P1\0x"},
        {"AccessionNumber": "1" * 300},
        {"StudyID": "1" * 300},
        {"PatientSex": "M" * 100},
        {"Modality": "MR" * 50},
        {"BodyPartExamined": "B" * 500},
    ],
    ids=str,
)
def test_a_value_that_no_column_holds_is_kept_on_each_database(anywhere, sound, element):
    taken = ingest.take(anywhere, builders.batch(anywhere), "a", made(**element))
    assert taken.outcome is Outcome.PASS
    sound(anywhere)


def test_a_resend_puts_back_what_the_node_has_lost_and_is_no_yes_to_nothing(built):
    file = made()
    take(built, file)
    lost = in_care(built)
    resting(built, lost).delete(lost.place)
    assert take(built, file) == ("duplicate", "known")
    assert whole(built, lost) == file


def test_a_copy_that_differs_is_not_known_while_the_held_one_is_lost(built):
    file = made()
    take(built, file)
    lost = in_care(built)
    resting(built, lost).delete(lost.place)
    other = bytearray(file)
    other[0] = 1  # the preamble: the same data set in another file
    with pytest.raises(Unavailable):
        take(built, memoryview(bytes(other)))
