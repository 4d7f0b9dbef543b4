"""An export being written: resumed after its worker was killed, ended where it is stopped, and never more than its moment."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

import pytest
from msgspec import structs

from adapters.client_file import new_client_key
from adapters.export_files import chunks
from adapters.sql import exports, jobs
from consent.entries import UseExported
from consent.subject import Role
from mappings.failures import Full, Gone, NotFound
from mappings.fhir.bulk import Kickoff
from server.usecases import export, export_steps, write_export
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import close_batch
from server.usecases.client import add_client, set_client
from server.usecases.dataset import add_dataset
from server.usecases.document import rebuild
from server.usecases.export import Complete, Progress, ask_export, delete_export, look_at_export
from server.usecases.give_export import give_file
from server.usecases.job import cancel_job, do_next, list_jobs
from server.usecases.ledger import verify
from server.usecases.party import add_party
from server.usecases.take import take
from server.usecases.withdraw import withdraw_study
from server.worker.jobs import KINDS, work_off
from tests import builders

CALLER = builders.caller(Role.INSIDE, id="compute")
ALL = ("ImagingStudy", "Patient", "Consent", "Provenance", "Organization", "Endpoint")


@pytest.fixture
def filled(anywhere):
    """LUNG with five studies of four patients, BREAST with two; and a client that may process them."""
    builders.seed(anywhere, alias="BREAST", provider="hospital-b")
    add_party(anywhere, builders.ACTOR, "university", "University", "user", approved=True)
    registered = {"party": "university", "node": "central", "terms": builders.TERMS, "purposes": ("AIRESEARCH",)}
    add_client(anywhere, builders.ACTOR, "compute", jwks=new_client_key()[1], scopes=["system/*.rs"], **registered)
    deposit(anywhere, "LUNG", "hospital-a", {f"1.2.{n}": f"P{n % 4}" for n in range(5)})
    deposit(anywhere, "BREAST", "hospital-b", {"1.3.1": "P1", "1.3.2": "P2"})
    return anywhere


@pytest.fixture
def small(monkeypatch):
    """Files of two resources, pages of one."""
    monkeypatch.setattr(write_export, "PART_ROWS", 2)
    monkeypatch.setattr(write_export, "PAGE", 1)


def deposit(runtime, alias, provider, studies):
    batch = builders.batch(runtime, alias, provider=provider)
    for study, patient in studies.items():
        assert take(runtime, batch, study, builders.made(f"{study}.1.1", study=study, PatientID=patient)).outcome == "pass"
    close_batch(runtime, batch.id)
    runtime.clock.on(10)
    rebuild(runtime)


def ask(runtime, *types, **asked):
    return ask_export(runtime, CALLER, Kickoff("", "", types or ALL, **asked), "https://asked")


def write(runtime):
    work_off(runtime, export.KIND, KINDS[export.KIND], Event())


def read(runtime, key):
    """Type → the resources that an export gives, in the order of its files."""
    told = look_at_export(runtime, CALLER, key)
    assert isinstance(told, Complete)
    manifest, found = json.loads(told.manifest), {}
    for file in manifest["output"] + manifest["deleted"] + manifest["error"]:
        given = give_file(runtime, CALLER, key, int(file["url"].rpartition("/")[2]))
        with given.source:
            lines = b"".join(chunks(given.source, unpacked=True))
        assert (lines.count(b"\n"), len(lines)) == (file["count"], given.size)
        found.setdefault(file["type"], []).extend(map(json.loads, lines.splitlines()))
    return found


def files(runtime, key):
    folder = runtime.settings.data_dir / "exports" / key
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def ids(resources):
    return sorted(resource["id"] for resource in resources)


def entries(runtime):
    with runtime.store.read() as connection:
        rows = connection.exec_driver_sql(f"SELECT body FROM ledger_body WHERE kind = '{UseExported.KIND}' ORDER BY id")  # noqa: S608
        return [json.loads(bytes(body)) for (body,) in rows]


def test_an_export_is_waited_for_written_once_and_then_given(filled):
    key = ask(filled, "ImagingStudy", "Patient")
    assert look_at_export(filled, CALLER, key) == Progress(0, begun=False, age=filled.clock() - filled.clock())
    write(filled)
    found = read(filled, key)
    assert {kind: len(resources) for kind, resources in found.items()} == {"ImagingStudy": 7, "Patient": 6}
    assert [row.outcome for row in list_jobs(filled) if row.kind == export.KIND] == ["13 resources."]


def test_a_file_holds_rows_of_one_dataset_or_provider_and_no_more_than_it_may(filled, small):
    key = ask(filled, "ImagingStudy", "Patient")
    write(filled)
    with filled.store.read() as connection:
        kept = exports.files(connection, exports.find(connection, key))
    assert [(f.type, sorted(f.datasets), f.count) for f in kept] == [
        ("ImagingStudy", [1], 2),
        ("ImagingStudy", [1], 2),
        ("ImagingStudy", [1], 1),
        ("ImagingStudy", [2], 2),
        ("Patient", [1], 2),
        ("Patient", [1], 2),
        ("Patient", [2], 2),
    ]
    assert len(set(ids(read(filled, key)["ImagingStudy"]))) == 7


@pytest.mark.parametrize("point", ["export part written", "export part kept"])
def test_a_killed_worker_s_export_is_taken_up_where_its_last_finished_file_ends(filled, small, dies, point):
    whole = ask(filled)
    write(filled)
    key = ask(filled)
    for _ in range(2):
        dies(filled, point, write)
        filled.clock.on(filled.settings.lease_seconds + 1)
    begun = files(filled, key)
    write(filled)
    assert read(filled, key) == read(filled, whole)
    assert set(begun) < set(files(filled, key))
    assert len(begun) == (2 if point.endswith("kept") else 1)
    assert not [name for name in files(filled, key) if name.endswith("draft")]


def test_what_is_published_after_its_moment_is_not_in_it_and_the_next_one_since_has_that_alone(filled, small):
    key = ask(filled, "ImagingStudy")
    came = []

    def come(point):
        if point == "export part kept" and not came:
            came.append(point)
            filled.clock.on(60)
            deposit(filled, "BREAST", "hospital-b", {"1.3.9": "P9"})

    work_off(replace(filled, reached=come), export.KIND, KINDS[export.KIND], Event())
    assert len(read(filled, key)["ImagingStudy"]) == 7
    since = json.loads(look_at_export(filled, CALLER, key).manifest)["transactionTime"]
    again = ask(filled, "ImagingStudy", "Patient", since=since)
    write(filled)
    found = read(filled, again)
    assert [study["identifier"][0]["value"] for study in found["ImagingStudy"]] == ["urn:oid:1.3.9"]
    assert len(found["Patient"]) == 1


def test_a_dataset_that_is_stopped_on_the_way_ends_there_and_is_named(filled, small):
    key, stopped = ask(filled, "ImagingStudy", "Patient"), []

    def stop(point):
        if point == "export part kept" and not stopped:
            stopped.append(point)
            move_agreement(filled, builders.ACTOR, "DSA-LUNG", "suspend")

    work_off(replace(filled, reached=stop), export.KIND, KINDS[export.KIND], Event())
    move_agreement(filled, builders.ACTOR, "DSA-LUNG", "resume")
    found = read(filled, key)
    assert (len(found["ImagingStudy"]), len(found["Patient"])) == (2, 2)
    told = [outcome["issue"][0]["details"]["text"] for outcome in found["OperationOutcome"]]
    assert told == [
        "Dataset LUNG is not in this export. The agreement on this dataset is not active, so nothing under it goes in or out."
    ]


def test_one_that_is_stopped_behind_its_files_takes_them_back(filled, small):
    """Its studies are written, and the next dataset's are on the way."""
    key, kept = ask(filled, "ImagingStudy"), []

    def stop(point):
        if point == "export part kept":
            kept.append(point)
            if len(kept) == 3:
                move_agreement(filled, builders.ACTOR, "DSA-LUNG", "suspend")

    work_off(replace(filled, reached=stop), export.KIND, KINDS[export.KIND], Event())
    assert {kind: len(resources) for kind, resources in read(filled, key).items()} == {"ImagingStudy": 2, "OperationOutcome": 1}


def test_patients_are_begun_anew_without_a_dataset_that_is_stopped(filled, small):
    """What they say is read off the studies of all their provider's datasets."""
    second_dataset(filled)
    key, kept = ask(filled, "Patient"), []

    def stop(point):
        if point == "export part kept" and not kept:
            kept.append(point)
            move_agreement(filled, builders.ACTOR, "DSA-LIVER", "suspend")

    work_off(replace(filled, reached=stop), export.KIND, KINDS[export.KIND], Event())
    found = read(filled, key)
    assert len(found["Patient"]) == len(set(ids(found["Patient"]))) == 6
    assert "LIVER" in str(found["OperationOutcome"])


def second_dataset(runtime):
    """A second dataset of hospital-a, with a patient of its own."""
    terms = {"provider": "hospital-a", "node": "central", "terms": builders.TERMS, "actions": ("query", "process")}
    add_agreement(runtime, builders.ACTOR, "DSA-LIVER", **terms)
    for verb in ("propose", "activate"):
        move_agreement(runtime, builders.ACTOR, "DSA-LIVER", verb)
    add_dataset(runtime, builders.ACTOR, "LIVER", "DSA-LIVER", "Liver", "Made for a test.")
    deposit(runtime, "LIVER", "hospital-a", {"1.4.1": "P1", "1.4.2": "P77"})


def test_what_was_stopped_or_withdrawn_since_is_not_given_and_the_rest_is(filled):
    key = ask(filled, "ImagingStudy")
    write(filled)
    move_agreement(filled, builders.ACTOR, "DSA-LUNG", "suspend")
    with pytest.raises(Gone, match="not active"):
        give_file(filled, CALLER, key, 1)
    give_file(filled, CALLER, key, 2).source.close()
    withdraw_study(filled, builders.ACTOR, "1.3.1")
    with pytest.raises(Gone, match="withdrawn"):
        give_file(filled, CALLER, key, 2)
    assert len(entries(filled)) == 1


def test_its_use_is_in_the_ledger_once_for_a_dataset_and_in_the_access_record_each_time(filled):
    key = ask(filled, "ImagingStudy", "Patient", "Organization")
    write(filled)
    assert entries(filled) == []
    for _ in range(2):
        read(filled, key)
    told = {entry["dataset"]: entry for entry in entries(filled)}
    assert len(entries(filled)) == 2
    assert told["LUNG"]["resources"] == {"ImagingStudy": 5, "Patient": 4}
    assert {name: told["BREAST"][name] for name in ("export", "action", "purpose", "agreement", "terms")} == {
        "export": key,
        "action": "process",
        "purpose": "AIRESEARCH",
        "agreement": "DSA-BREAST@1",
        "terms": builders.TERMS,
    }
    with filled.store.read() as connection:
        asked = f"SELECT count FROM access WHERE target LIKE '$export/{key}/%%' ORDER BY id"  # noqa: S608 - our own key
        assert [count for (count,) in connection.exec_driver_sql(asked)] == [5, 2, 4, 2, 4] * 2
    assert verify(filled).broken is None


def test_one_that_is_given_up_ends_at_its_next_page_and_leaves_nothing(filled, small):
    key, kept = ask(filled), []

    def give_up(point):
        if point == "export part kept" and not kept:
            kept.append(point)
            delete_export(filled, CALLER, key)

    work_off(replace(filled, reached=give_up), export.KIND, KINDS[export.KIND], Event())
    assert len(kept) == 1
    with pytest.raises(NotFound):
        look_at_export(filled, CALLER, key)
    assert files(filled, key)
    assert export.remove_over(filled) == 1
    assert (files(filled, key), [row for row in list_jobs(filled) if row.kind == export.KIND]) == ([], [])


def test_one_that_waits_is_given_up_before_it_begins(filled):
    key = ask(filled)
    delete_export(filled, CALLER, key)
    write(filled)
    assert (export.remove_over(filled), files(filled, key)) == (1, [])


def test_what_has_expired_goes_and_not_before(filled):
    key = ask(filled, "ImagingStudy")
    write(filled)
    assert export.remove_over(filled) == 0
    filled.clock.on(filled.settings.export_hours * 3600)
    assert (export.remove_over(filled), files(filled, key)) == (1, [])
    with pytest.raises(NotFound):
        look_at_export(filled, CALLER, key)


def test_nothing_of_one_under_way_is_removed_beneath_its_worker(filled, small):
    """It expires while it is written: it is asked to end, and goes when it has."""
    key, removed = ask(filled), []

    def expire(point):
        if point == "export part kept" and not removed:
            filled.clock.on(filled.settings.export_hours * 3600)
            removed.append(export.remove_over(filled))

    work_off(replace(filled, reached=expire), export.KIND, KINDS[export.KIND], Event())
    assert removed == [0]
    assert (export.remove_over(filled), files(filled, key)) == (1, [])


def test_a_client_that_is_disabled_meanwhile_is_written_nothing_more(filled):
    key = ask(filled)
    set_client(filled, builders.ACTOR, "compute", enabled=False)
    write(filled)
    with pytest.raises(Gone, match="disabled"):
        look_at_export(filled, CALLER, key)


def test_one_that_finds_no_room_fails_and_says_so(filled):
    key = ask(filled)
    tight = replace(filled, settings=structs.replace(filled.settings, min_free_mb=10**9))
    work_off(tight, export.KIND, KINDS[export.KIND], Event())
    with pytest.raises(Full, match="short of disk"):
        look_at_export(filled, CALLER, key)


def test_one_whose_page_takes_longer_than_others_may_be_kept_waiting_fails_and_says_so(filled, monkeypatch):
    """By a job whose process bounds no reading."""
    dear, other = ask(filled, "ImagingStudy"), ask(filled, "Patient")
    monkeypatch.setattr("adapters.sql.deadline._INSTRUCTIONS", 1)
    monkeypatch.setattr("server.usecases.write_export.PAGE_SECONDS", 1e-9)
    assert filled.store.read_seconds is None
    begin_next(filled)
    monkeypatch.undo()
    with pytest.raises(Gone, match="Narrow it"):
        look_at_export(filled, CALLER, dear)
    write(filled)
    assert read(filled, other)["Patient"]


def begin_next(runtime):
    assert do_next(runtime, export.KIND, KINDS[export.KIND], Event())


def test_one_whose_job_ended_without_it_has_failed(filled):
    key = ask(filled)
    with filled.store.read() as connection:
        job = jobs.find_open(connection, export.KIND, key)
    cancel_job(filled, job)
    with pytest.raises(Gone, match="failed"):
        look_at_export(filled, CALLER, key)


def test_what_was_lost_since_is_told_as_deletions_and_nothing_without_since(filled, small, monkeypatch):
    asked = []

    def lost(_asking, kind, since, page):
        asked.append((kind, since, page.after))
        return [((n,), f"s{n}") for n in range(5) if kind == "ImagingStudy" and (n,) > page.after][:2]

    monkeypatch.setattr(export_steps, "losses", lost)
    key = ask(filled, "ImagingStudy", "Patient")
    write(filled)
    assert (json.loads(look_at_export(filled, CALLER, key).manifest)["deleted"], asked) == ([], [])
    key = ask(filled, "ImagingStudy", "Patient", since="2999-01-01")
    write(filled)
    told = json.loads(look_at_export(filled, CALLER, key).manifest)
    assert (told["output"], [(file["type"], file["count"]) for file in told["deleted"]]) == ([], [("Bundle", 2), ("Bundle", 1)])
    bundles = read(filled, key)["Bundle"]
    assert {bundle["type"] for bundle in bundles} == {"transaction"}
    entries = [entry["request"] for bundle in bundles for entry in bundle["entry"]]
    assert entries == [{"method": "DELETE", "url": f"ImagingStudy/s{n}"} for n in range(5)]
    assert {since for _, since, _ in asked} == {datetime(2999, 1, 1, tzinfo=UTC)}


def test_what_its_client_lost_since_the_last_one_is_told_as_deletions(filled, small):
    first = ask(filled, "ImagingStudy", "Patient")
    write(filled)
    manifest, before = json.loads(look_at_export(filled, CALLER, first).manifest), read(filled, first)
    filled.clock.on(60)
    withdraw_study(filled, builders.ACTOR, "1.2.1")  # the only one of P1
    filled.clock.on(60)
    move_agreement(filled, builders.ACTOR, "DSA-BREAST", "suspend")
    filled.clock.on(60)
    second = ask(filled, "ImagingStudy", "Patient", since=manifest["transactionTime"])
    write(filled)
    found = read(filled, second)
    gone = [entry["request"]["url"] for bundle in found["Bundle"] for entry in bundle["entry"]]
    whole = ask(filled, "ImagingStudy", "Patient")
    write(filled)
    after = read(filled, whole)
    lost = [f"{kind}/{key}" for kind in before for key in ids(before[kind]) if key not in ids(after[kind])]
    assert sorted(gone) == sorted(lost)
    assert len(lost) == 3 + 3  # studies of P1 and of BREAST, and their patients


def test_a_page_of_large_documents_is_followed_by_smaller_ones():
    assert [write_export._fitting(1000, size) for size in (0, 1_000_000, 40_000_000, 10**10)] == [1000, 1000, 100, 1]
    assert write_export._fitting(32, 1000) == 64
