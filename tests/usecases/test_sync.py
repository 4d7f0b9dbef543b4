"""What a node held already comes in by the same verdict as what is sent, once, and is never deleted there."""

import csv
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select

from adapters.nodes.orthanc import OrthancNode
from adapters.nodes.port import Changes
from adapters.sql import batches, custody
from adapters.sql import dataset as datasets
from adapters.sql import tables as t
from mappings.failures import Busy, Conflict, NotFound, Unavailable
from server.usecases import compare, job, reconcile, release, sync, withdraw
from server.usecases.agreement import move_agreement
from server.usecases.job import list_jobs
from server.usecases.node import add_node, move_node, remove_node, set_node
from server.usecases.read_back import node_of, read_back
from server.usecases.take import take
from server.worker.jobs import KINDS
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit, in_care
from tests.servers import orthanc_server

PASS, REVIEW, REJECT = (
    made(),
    made("1.2.3.1.2", InstitutionName="Hospital"),
    made("1.2.3.1.3", PatientIdentityRemoved=None, PatientName="Doe^Jane"),
)


class Ward:
    """A hospital's own Orthanc, which others fill."""

    def __init__(self, server):
        self.server, self.auth = server, (server.user, server.password)

    def put(self, *files):
        """Store files, past Accord; their places."""
        return [self.post(file)["ID"] for file in files]

    def post(self, file):
        """What it answers to a file."""
        return requests.post(f"{self.server.url}/instances", data=bytes(file), auth=self.auth, timeout=10).json()

    def delete(self, path):
        requests.delete(f"{self.server.url}/{path}", auth=self.auth, timeout=10).raise_for_status()

    @property
    def places(self):
        return requests.get(f"{self.server.url}/instances", auth=self.auth, timeout=10).json()


@pytest.fixture(scope="module")
def server():
    with orthanc_server() as running:
        yield running


@pytest.fixture
def ward(built, server, tmp_path):
    """The node of the dataset CHEST, with nothing on it."""
    own = ward_of(built, server, tmp_path)
    for place in own.places:
        own.delete(f"instances/{place}")
    return own


def ward_of(runtime, server, folder):
    """A node that is added as it is, and the dataset CHEST on it."""
    where = {"url": server.url, "secret_file": str(secret_of(server, folder))}
    add_node(runtime, ACTOR, "ward", kind="orthanc", hosting="federated", **where)
    builders.seed(runtime, alias="CHEST", provider="hospital-c", node="ward")
    return Ward(server)


def secret_of(server, folder):
    secret = folder / "secret"
    secret.write_text(f"{server.user}:{server.password}\n")
    return secret


def bring(runtime, looked=lambda _done, _total: None, **how):
    """What became of it: outcome → count."""
    return dict(sync.sync(runtime, ACTOR, "ward", "CHEST", looked, **how).counts)


def work_off(runtime, clock):
    """Let the worker look at what has come; what it says."""
    clock.on(runtime.settings.sync_minutes * 60)
    assert job.do_next(runtime, sync.KIND, KINDS[sync.KIND], threading.Event())
    return max(
        (row for row in list_jobs(runtime) if row.kind == sync.KIND and row.state == "done"), key=lambda row: row.id
    ).outcome


def read(monkeypatch):
    """The places of which the bytes are read from now on."""
    places, original = [], OrthancNode.open
    monkeypatch.setattr(OrthancNode, "open", lambda self, place, *more: (places.append(place), original(self, place, *more))[1])
    return places


def receipts(runtime):
    with runtime.store.read() as connection:
        keys = connection.execute(select(t.batch.c.id).where(t.batch.c.door == "sync").order_by(t.batch.c.id)).scalars()
        return [(r.name, r.outcome, r.rule) for key in keys for r in batches.receipts(connection, key)]


def test_each_file_of_a_node_has_the_verdict_that_it_would_have_if_it_were_sent(built, ward):
    places, told = ward.put(PASS, REVIEW, REJECT), []
    assert bring(built, lambda *far: told.append(far)) == {"pass": 1, "review": 1, "reject": 1}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert {name: outcome for name, outcome, _ in receipts(built)} == dict(zip(places, ("pass", "review", "reject"), strict=True))
    assert read_back(built, in_care(built).copy) == PASS
    assert in_care(built).place == places[0]
    assert read_back(built, in_care(built, "1.2.3.1.2").copy) == REVIEW
    assert list(built.quarantine.places()) == [in_care(built, "1.2.3.1.2").place]
    assert in_care(built, "1.2.3.1.3") is None
    assert sorted(ward.places) == sorted(places), "nothing was added, and nothing went"


def test_what_passes_is_not_written_to_the_node_again(built, ward, monkeypatch):
    ward.put(PASS)
    monkeypatch.setattr(OrthancNode, "store", lambda *_: pytest.fail("it lies there"))
    assert bring(built) == {"pass": 1}


def test_what_was_judged_is_not_read_again_unless_that_is_asked_for(built, ward, clock, monkeypatch):
    places = ward.put(PASS, REVIEW, REJECT)
    bring(built)
    again = read(monkeypatch)
    assert (bring(built), again) == ({}, [])
    clock.on(1)
    assert bring(built, again=True) == {"review": 1, "reject": 1}
    assert sorted(again)[-2:] == sorted(again) == sorted([*places[1:]])


def test_what_comes_to_a_node_is_brought_in_by_its_feed(built, ward, clock, monkeypatch):
    ward.put(PASS)
    bring(built)
    new, again = ward.put(made("1.2.3.1.4")), read(monkeypatch)
    monkeypatch.setattr(OrthancNode, "places", lambda _: pytest.fail("not everything is gone through"))
    assert work_off(built, clock).startswith("1 pass; batch ")
    assert (again, in_care(built, "1.2.3.1.4").place) == (new, new[0])
    assert work_off(built, clock) == "nothing new."


def test_a_feed_that_never_ends_is_read_to_where_it_ended_and_then_some_pages_at_a_time(built, ward, clock, monkeypatch):
    bring(built)
    with built.store.read() as connection:
        since = connection.execute(select(t.node_sync.c.since)).scalar_one()
    for end, pages in ((since + 5, 5), (2**62, 7)):
        asked = []

        def changes(_self, behind, end=end, asked=asked):
            asked.append(behind)
            return Changes((), end if behind is None else behind + 1, ended=behind is None)

        monkeypatch.setattr(OrthancNode, "changes", changes)
        monkeypatch.setattr(sync, "MOST_PAGES", 7)
        assert work_off(built, clock) == "nothing new."
        assert len(asked) == 1 + pages
    with built.store.read() as connection:
        assert connection.execute(select(t.node_sync.c.since)).scalar_one() == since + 5 + 7


def test_a_file_that_was_rejected_and_comes_again_otherwise_is_judged_again(built, ward, clock):
    (place,) = ward.put(REJECT)
    bring(built)
    ward.delete(f"instances/{place}")
    assert ward.put(made("1.2.3.1.3")) == [place]
    assert work_off(built, clock).startswith("1 pass")


def test_what_the_feed_has_lost_is_found_when_everything_is_gone_through_again(built, ward, clock):
    ward.put(PASS)
    bring(built)
    ward.put(made("1.2.3.1.4"))
    ward.delete("changes")
    ward.put(made("1.2.3.1.5"))
    assert work_off(built, clock).startswith("1 pass")
    assert in_care(built, "1.2.3.1.4") is None
    clock.on(timedelta(days=built.settings.presence_days).total_seconds())
    assert work_off(built, clock).startswith("1 pass")
    assert in_care(built, "1.2.3.1.4") is not None


def test_a_feed_that_begins_anew_is_not_believed(built, ward, clock, monkeypatch):
    ward.put(PASS)
    bring(built)
    ward.put(made("1.2.3.1.4"))
    with built.store.write() as connection:
        connection.execute(t.node_sync.update().values(since=10**6))
    assert work_off(built, clock).startswith("1 pass")
    assert bring(built) == {}


def test_one_that_dies_on_the_way_goes_on_with_the_rest(built, ward, dies, clock, monkeypatch):
    places = ward.put(*(made(f"1.2.3.1.{n}") for n in range(5)))
    died = sorted(places)[2]

    def come_to_rest(runtime):
        def looked(done, _total):
            if done == 2:
                runtime.reached("two are in")

        bring(runtime, looked)

    dies(built, "two are in", come_to_rest)
    again = read(monkeypatch)
    assert bring(built) == {"pass": 3}
    assert (sorted(again), again[0]) == (sorted(places)[2:], died)


def test_a_claim_that_a_crash_left_is_settled_where_the_file_lies(built, ward, dies, clock, sound):
    places = ward.put(PASS)
    dies(built, "claimed", bring)
    clock.on(built.settings.lease_seconds + 60)
    assert reconcile.recover(built) == 1
    assert (in_care(built).place, bring(built)) == (places[0], {})
    sound(built)


def test_what_is_being_sent_to_the_node_is_left_to_its_own_door(built, ward, dies, clock):
    """It would be taken for the node's own, and not deleted when it is withdrawn."""
    dies(built, "stored", lambda runtime: deposit(runtime, PASS, builders.batch(runtime, "CHEST", provider="hospital-c")))
    own = builders.batch(built, "CHEST", provider="hospital-c", door="sync")
    clock.on(3600)
    with pytest.raises(Busy):
        take(built, own, ward.places[0], PASS)
    assert reconcile.recover(built) == 1
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    assert (reconcile.purge(built), ward.places) == (1, [])


def test_a_node_keeps_what_it_held_already_when_that_is_withdrawn(built, ward):
    places = ward.put(PASS, made("1.2.9.1", study="1.2.9"))
    bring(built)
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    assert reconcile.purge(built) == 1
    assert sorted(ward.places) == sorted(places)
    assert (in_care(built), bring(built)) == (None, {})
    with built.store.read() as connection:
        assert list(custody.places(connection, in_care(built, "1.2.9.1").node)) == places[1:]


def test_a_node_keeps_what_its_owner_has_made_of_a_file_since(built, ward):
    """A resend of the first is no reason to delete it."""
    (place,) = ward.put(PASS)
    bring(built)
    ward.delete(f"instances/{place}")
    ward.put(changed := made(StudyDate="20210101"))
    assert compare.compare(built, "ward", lambda _: None, digests=True).changed == ["1.2.3.1.1"]
    with pytest.raises(Unavailable, match="holds other content"):
        deposit(built, PASS, builders.batch(built, "CHEST", provider="hospital-c"))
    copy = replace(in_care(built).copy, size=len(changed))
    with node_of(built, copy).open(place, len(changed)) as source:
        assert source.read() == changed


def test_what_was_sent_is_deleted_from_the_same_node(built, ward):
    deposit(built, PASS, builders.batch(built, "CHEST", provider="hospital-c"))
    withdraw.withdraw_study(built, ACTOR, "1.2.3")
    assert (reconcile.purge(built), ward.places) == (1, [])


def test_what_is_released_rests_where_it_lay(built, ward):
    (place,) = ward.put(REVIEW)
    bring(built)
    with built.store.read() as connection:
        key = connection.execute(select(t.batch.c.key).where(t.batch.c.door == "sync")).scalar_one()
    release.release(built, ACTOR, key)
    assert (in_care(built, "1.2.3.1.2").place, ward.places) == (place, [place])
    assert list(built.quarantine.places()) == []


def test_a_node_that_gives_nothing_ends_it_and_the_next_time_goes_on(built, ward, clock, monkeypatch):
    places, original = ward.put(*(made(f"1.2.3.1.{n}") for n in range(6))), OrthancNode.size
    asked = []

    def silent(self, place):
        asked.append(place)
        if len(asked) > 2:
            raise Unavailable("node-failed", "Node ward failed (HTTP 500).")
        return original(self, place)

    monkeypatch.setattr(OrthancNode, "size", silent)
    with pytest.raises(Unavailable):
        bring(built)
    assert len(asked) == 2 + sync.MOST_SILENT
    monkeypatch.undo()
    assert bring(built) == {"pass": 4}
    assert [outcome for _, outcome, _ in receipts(built)] == ["pass"] * len(places)


def test_one_file_that_is_not_given_keeps_none_of_the_others_out(built, ward, monkeypatch):
    places, original = ward.put(*(made(f"1.2.3.1.{n}") for n in range(3))), OrthancNode.size

    def failing(self, place):
        if place == min(places):
            raise Unavailable("node-failed", "Node ward failed (HTTP 500).")
        return original(self, place)

    monkeypatch.setattr(OrthancNode, "size", failing)
    with pytest.raises(Unavailable):
        bring(built)
    assert len(receipts(built)) == 2
    monkeypatch.undo()
    assert bring(built) == {"pass": 1}


def test_nothing_is_judged_for_a_dataset_that_takes_nothing(built, ward, clock):
    ward.put(PASS)
    move_agreement(built, ACTOR, "DSA-CHEST", "suspend")
    with pytest.raises(Conflict):
        bring(built)
    assert work_off(built, clock).startswith("Not all was looked at: ")
    assert receipts(built) == []
    move_agreement(built, ACTOR, "DSA-CHEST", "resume")
    assert bring(built) == {"pass": 1}


def test_a_node_that_is_not_linked_or_was_removed_is_not_looked_at(built, ward, clock):
    bring(built)
    move_node(built, ACTOR, "ward", "suspend")
    assert work_off(built, clock).startswith("Not looked at")
    move_node(built, ACTOR, "ward", "link")
    move_agreement(built, ACTOR, "DSA-CHEST", "terminate")
    remove_node(built, ACTOR, "ward")
    assert work_off(built, clock).startswith("Not looked at")
    with built.store.read() as connection:
        assert connection.execute(select(t.node_sync)).all() == []


def test_nothing_is_brought_into_a_dataset_that_rests_on_another_node_by_now(built, ward, clock):
    bring(built)
    ward.put(PASS)
    with built.store.write() as connection:
        connection.execute(t.node_sync.update().values(dataset=datasets.find(connection, "LUNG").id))
    assert "Dataset LUNG rests on node central." in work_off(built, clock)
    assert in_care(built) is None


def test_what_is_too_large_is_told_of_and_never_read(tmp_path, clock, server, built, ward, monkeypatch):
    small = builders.runtime(tmp_path, clock=clock, max_object_mb=1)
    places = ward.put(PASS, made("1.2.3.1.7", Rows=1024, Columns=1024, PixelData=bytes(1024 * 1024)))
    again = read(monkeypatch)
    assert sync.sync(small, ACTOR, "ward", "CHEST", lambda *_: None).too_large == places[1:]
    assert again == places[:1]
    small.close()


@pytest.mark.parametrize(
    ("name", "alias", "code"),
    [("nowhere", "CHEST", "node-unknown"), ("ward", "HEAD", "dataset-unknown"), ("ward", "LUNG", "node-not-its-own")],
)
def test_a_node_is_brought_into_a_dataset_of_its_own_alone(built, ward, name, alias, code):
    with pytest.raises((NotFound, Conflict)) as refused:
        sync.sync(built, ACTOR, name, alias, lambda *_: None)
    assert refused.value.code == code


def test_a_node_is_brought_into_one_dataset_until_that_is_ended(built, ward, clock):
    builders.seed(built, alias="HEAD", provider="hospital-d", node="ward")
    bring(built)
    with pytest.raises(Conflict) as refused:
        sync.sync(built, ACTOR, "ward", "HEAD", lambda *_: None)
    assert refused.value.code == "node-synced"
    sync.end_sync(built, ACTOR, "ward")
    ward.put(PASS)
    clock.on(built.settings.sync_minutes * 60)
    assert not job.do_next(built, sync.KIND, KINDS[sync.KIND], threading.Event())
    assert dict(sync.sync(built, ACTOR, "ward", "HEAD", lambda *_: None).counts) == {"pass": 1}
    sync.end_sync(built, ACTOR, "ward")
    with pytest.raises(Conflict):
        sync.end_sync(built, ACTOR, "ward")


def test_a_comparison_calls_nothing_unknown_that_was_judged(built, ward):
    ward.put(PASS, REVIEW, REJECT)
    assert len(compare.compare(built, "ward", lambda _: None, digests=False).unknown) == 3
    bring(built)
    assert compare.compare(built, "ward", lambda _: None, digests=True).unknown == []


def test_every_sample_has_the_verdict_that_was_judged_by_hand(built, ward):
    judged = {row["file"]: row["outcome"] for row in csv.DictReader((builders.SAMPLES / "expected.csv").read_text().splitlines())}
    stored: dict[str, str] = {}
    for name, outcome in judged.items():
        answer = ward.post(builders.sample(name))
        if answer.get("Status") == "Success":  # some share their UIDs, and some it can't read
            stored[answer["ID"]] = outcome
    bring(built)
    assert {place: outcome for place, outcome, _ in receipts(built)} == stored
    assert set(stored.values()) == {"pass", "review", "reject"}


def test_a_node_that_is_killed_on_the_way_is_gone_on_with_when_it_is_there_again(built, tmp_path, clock):
    """kill -9 of the node, then the same folders under a new process."""
    files = [made(f"1.2.3.1.{n}") for n in range(6)]
    with orthanc_server() as first:
        ward_of(built, first, tmp_path).put(*files)

        def looked(done, _total):
            if done == 2:
                first.kill()

        with pytest.raises(Unavailable):
            bring(built, looked)
        with orthanc_server(folder=first.folder) as second:
            set_node(built, ACTOR, "ward", url=second.url, secret_file=str(secret_of(second, tmp_path)))
            assert bring(built) == {"pass": 4}
    assert sorted(outcome for _, outcome, _ in receipts(built)) == ["pass"] * 6
