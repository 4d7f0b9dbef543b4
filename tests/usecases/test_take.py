"""Taking a file: what becomes of each sample, and of one object that comes for the first time or again."""

import csv
import os
from collections import Counter

import pytest

from adapters.sql import batches, custody
from consent.deposit import Outcome
from server.usecases import reconcile, release
from server.usecases.batch import close_batch, together
from server.usecases.take import take
from tests import builders
from tests.builders import ACTOR, SAMPLES, made
from tests.deposits import counts, deposit, in_care, with_other_meta

IN_CARE = {"pass": ("duplicate", "known"), "review": ("review", "waiting")}
"""What is said of a file that comes again, by its first outcome."""
ORACLE = sorted(csv.DictReader((SAMPLES / "expected.csv").read_text().splitlines()), key=lambda row: row["file"])
WAITS = made(InstitutionName="Hospital")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """Every sample pushed in sorted order into one new dataset, twice: a runtime and the outcomes of both times."""
    runtime = builders.runtime(tmp_path_factory.mktemp("oracle"), clock=builders.Clock())
    builders.seed(runtime)
    times = []
    for _ in range(2):
        batch = builders.batch(runtime)
        times.append({row["file"]: take(runtime, batch, row["file"], builders.sample(row["file"])) for row in ORACLE})
        close_batch(runtime, batch.id)
        reconcile.purge(runtime)
    yield runtime, times
    runtime.close()


def test_every_sample_becomes_what_the_oracle_says(pushed):
    first = {name: (str(taken.outcome), taken.rule) for name, taken in pushed[1][0].items()}
    assert first == {row["file"]: (row["outcome"], row["rule"]) for row in ORACLE}


def test_pushed_again_what_is_held_is_known_what_waits_waits_and_what_was_rejected_is_rejected_alike(pushed):
    first, second = pushed[1]
    kept = Counter(taken.sop_uid for taken in first.values() if str(taken.outcome) in ("pass", "review"))
    for row in ORACLE:
        again = str(second[row["file"]].outcome), second[row["file"]].rule
        if row["outcome"] == "reject":
            assert again == (row["outcome"], row["rule"]), row["file"]
        elif kept[first[row["file"]].sop_uid] == 1:
            assert again == IN_CARE[row["outcome"]], row["file"]
        else:  # files of one UID with different content, which supersede each other in review
            assert again in [IN_CARE["review"], (row["outcome"], row["rule"])], row["file"]
    assert sum(n > 1 for n in kept.values()) == 1


def test_after_both_times_everything_is_sound(pushed, sound):
    sound(pushed[0])


def test_a_sentence_for_each_outcome_holds_no_value_of_the_file(pushed):
    assert all("^" not in taken.sentence and len(taken.short) <= 64 for taken in pushed[1][0].values())


def test_what_passes_is_held_and_what_waits_is_in_quarantine(built, sound):
    assert deposit(built, made()) == ("pass", "declared")
    assert deposit(built, made("1.2.3.1.2", InstitutionName="Hospital")) == ("review", "institution")
    assert (in_care(built).state, in_care(built, "1.2.3.1.2").state) == ("held", "review")
    sound(built)


def test_what_is_rejected_leaves_a_receipt_and_no_claim_on_its_uid(built, sound):
    batch = builders.batch(built)
    assert deposit(built, made(PatientName="Doe^Jane", PatientIdentityRemoved=None), batch) == ("reject", "person-name")
    assert in_care(built) is None
    assert counts(built, batch) == {("reject", "person-name"): 1}
    assert deposit(built, made()) == ("pass", "declared")
    sound(built)


def test_what_waits_is_said_to_wait_and_in_which_batch_until_it_is_released(built, sound):
    """Sent again by another door it is neither held nor taken twice, and the second batch has brought no study."""
    first, second = builders.batch(built), builders.batch(built)
    assert deposit(built, WAITS, first) == ("review", "institution")
    again = take(built, second, "again.dcm", with_other_meta(WAITS))
    assert (again.outcome, again.rule) == IN_CARE["review"]
    assert again.short == f"Waits for review already (batch {first.key})"
    close_batch(built, second.id)
    with built.store.read() as connection:
        (told,) = batches.receipts(connection, second.id)
        assert told.findings == (("waiting", f"batch {first.key}"),)
        assert batches.studies(connection, second.id) == []
        assert (custody.waiting(connection, first.id), custody.waiting(connection, second.id)) == (1, 0)
    close_batch(built, first.id)
    release.release(built, ACTOR, first.key)
    assert deposit(built, WAITS) == ("duplicate", "known")
    sound(built)


def test_the_same_content_is_known_and_the_first_file_stays(built):
    deposit(built, made())
    first = in_care(built)
    assert deposit(built, made()) == deposit(built, with_other_meta(made())) == ("duplicate", "known")
    assert in_care(built) == first


def test_other_content_for_a_held_uid_is_a_conflict(built, sound):
    deposit(built, made())
    assert deposit(built, made(StudyDate="20210101")) == ("reject", "content-conflict")
    sound(built)


def test_other_content_for_a_uid_in_review_supersedes_it(built, sound):
    deposit(built, made(InstitutionName="Hospital"))
    assert deposit(built, made()) == ("pass", "declared")
    assert in_care(built).state == "held"
    reconcile.purge(built)
    sound(built)


def test_a_superseding_object_may_wait_in_its_turn(built, sound):
    deposit(built, made(InstitutionName="One"))
    assert deposit(built, made(InstitutionName="Two")) == ("review", "institution")
    reconcile.purge(built)
    sound(built)


def test_an_attested_sender_needs_no_declaration(built):
    batch = builders.batch(built, attested=True)
    assert deposit(built, made(PatientIdentityRemoved=None), batch) == ("pass", "attested")


def test_a_file_that_is_no_dicom_is_refused_by_name(built):
    assert deposit(built, memoryview(b"")) == ("reject", "not-dicom")
    assert deposit(built, memoryview(b"%PDF" * 100)) == ("reject", "not-dicom")


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
    taken = take(anywhere, builders.batch(anywhere), "a", made(**element))
    assert taken.outcome is Outcome.PASS
    sound(anywhere)


@pytest.fixture
def flushes(monkeypatch):
    """Each flush of SQLite's log."""
    noticed, flush = [], os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: noticed.append(descriptor) or flush(descriptor))
    return noticed


def five(runtime, batch):
    """Five files, all that can become of one among them."""
    for file in (made(), made(), made(StudyDate="20210101"), WAITS, memoryview(b"x")):
        take(runtime, batch, "name", file)


def test_files_that_are_answered_one_by_one_are_durable_one_by_one(built, flushes):
    batch = builders.batch(built)
    flushes.clear()
    five(built, batch)
    assert len(flushes) == 5


def test_files_that_are_answered_together_share_a_durable_commit_at_their_end(built, flushes, sound):
    batch = builders.batch(built)
    flushes.clear()
    with together(built, batch) as filled:
        five(built, filled)
        assert flushes == []
    assert len(flushes) == 1
    assert sum(counts(built, batch).values()) == 5
    sound(built)


def test_what_was_taken_before_one_of_them_failed_is_durable_too(built, flushes):
    batch = builders.batch(built)
    flushes.clear()
    with pytest.raises(ZeroDivisionError), together(built, batch):
        _ = 1 / 0
    assert len(flushes) == 1
