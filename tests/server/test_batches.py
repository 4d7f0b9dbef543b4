"""Batches over HTTP: opening, asking what is known, closing, and the report in its forms, for each kind of caller."""

import csv
import errno
import io
import json
from hashlib import sha256

import pytest
from flask import Flask

from adapters.sql import batches as rows
from consent.policy import NEVER_FOR_DIAGNOSIS, SENTENCES
from consent.subject import Role
from mappings.failures import NotFound
from server.usecases import ledger, push, report
from server.usecases.agreement import move_agreement
from server.usecases.dataset import add_dataset
from server.usecases.runtime import Caller
from server.usecases.take import take
from server.web import batches, context, errors
from server.web.bulkheads import Bulkhead, Bulkheads
from tests import builders

WAITS, REFUSED, TAKEN = "mr/MR_small.dcm", "identified/mr_p01_s01.dcm", "mr/emri_small.dcm"
SCOPES = ("system/ImagingStudy.c",)


CALLERS = {
    "provider": Caller(builders.subject(Role.PROVIDER), None, SCOPES),
    "other": Caller(builders.subject(Role.PROVIDER, party="hospital-b"), None, SCOPES),
    "operator": Caller(builders.subject(Role.OPERATOR, party="centre"), None, SCOPES),
    "user": Caller(builders.subject(Role.USER), "AIRESEARCH", SCOPES),
    "inside": Caller(builders.subject(Role.INSIDE), "AIRESEARCH", SCOPES),
    "unscoped": Caller(builders.subject(Role.PROVIDER), None, ("system/ImagingStudy.rs",)),
}


class Door:
    """The blueprint in an app of its own, on a runtime with LUNG of hospital-a."""

    def __init__(self, runtime) -> None:
        self.runtime = runtime
        app = Flask(__name__)
        context.install(app, runtime, lambda token, _request: CALLERS[token.text], Bulkheads(dict.fromkeys(Bulkhead, 1)))
        errors.install(app, batches.door())
        self.client = app.test_client()

    def ask(self, method, path, body=None, by="provider", *, buffered=True, **headers):
        proof = {"Authorization": f"Bearer {by}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client.open(path, method=method, json=body, headers=proof, buffered=buffered)

    def open(self, **body) -> str:
        answer = self.ask("POST", "/api/batches", body)
        assert answer.status_code == 201, answer.data
        return answer.json["id"]

    def take(self, key, *names) -> None:
        batch = push.ongoing(self.runtime, CALLERS["provider"], key)
        for name in names:
            take(self.runtime, batch, name, builders.sample(name))

    def known(self, key, **digests):
        return self.ask("POST", f"/api/batches/{key}/known", {"files": [{"name": n, "digest": d} for n, d in digests.items()]})


def digest(sample: str) -> str:
    return sha256(builders.sample(sample)).hexdigest()


@pytest.fixture
def door(tmp_path):
    runtime = builders.runtime(tmp_path, clock=builders.Clock())
    builders.seed(runtime)
    yield Door(runtime)
    runtime.close()


def test_a_provider_opens_a_batch_for_its_only_dataset_without_naming_it(door):
    answer = door.ask("POST", "/api/batches", {})
    assert answer.status_code == 201
    assert (answer.json["dataset"], answer.json["status"], answer.json["files"]) == ("LUNG", "open", 0)
    assert (
        answer.json["report"] == answer.headers["Location"] == f"{door.runtime.settings.base_url}/api/batches/{answer.json['id']}"
    )
    with door.runtime.store.read() as connection:
        row = rows.by_key(connection, answer.json["id"])
    assert (row.door, row.peer, row.attested) == ("push", "127.0.0.1", False)


def test_with_two_datasets_open_the_batch_must_name_one(door):
    add_dataset(door.runtime, builders.ACTOR, "BREAST", "DSA-LUNG", "Second", "Made for a test.")
    answer = door.ask("POST", "/api/batches", {})
    assert (answer.status_code, json.loads(answer.data)["title"]) == (409, "dataset-ambiguous")
    assert "BREAST, LUNG" in json.loads(answer.data)["detail"]
    assert door.ask("POST", "/api/batches", {"dataset": "BREAST"}).json["dataset"] == "BREAST"


@pytest.mark.parametrize("body", [{}, {"dataset": "LUNG"}])
def test_a_suspended_agreement_is_said_when_the_batch_is_opened(door, body):
    move_agreement(door.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    answer = door.ask("POST", "/api/batches", body)
    assert (answer.status_code, json.loads(answer.data)["detail"]) == (409, SENTENCES["agreement-not-active"])


@pytest.mark.parametrize(("by", "status"), [("user", 403), ("inside", 403), ("operator", 403), ("unscoped", 403), ("other", 404)])
def test_only_the_datasets_own_provider_with_the_scope_opens_a_batch(door, by, status):
    assert door.ask("POST", "/api/batches", {"dataset": "LUNG"}, by=by).status_code == status
    with door.runtime.store.read() as connection:
        assert rows.recent(connection, None) == []


def told(answer):
    """A problem but for the reference of its request."""
    return answer.json | {"instance": ""}


def test_another_providers_dataset_looks_like_none(door):
    theirs, none = (told(door.ask("POST", "/api/batches", {"dataset": d}, by="other")) for d in ("LUNG", "NOWHERE"))
    assert theirs == none


@pytest.mark.parametrize("method", ["PATCH", "GET"])
@pytest.mark.parametrize("by", ["other", "user", "inside"])
def test_anothers_batch_looks_like_none(door, method, by):
    key = door.open()
    body = {"status": "closed"} if method == "PATCH" else None
    theirs = door.ask(method, f"/api/batches/{key}", body, by=by)
    assert theirs.status_code == 404
    assert told(theirs) == told(door.ask(method, "/api/batches/nowhere", body, by=by))


def test_nobody_asks_what_is_known_in_anothers_batch(door):
    key = door.open()
    asked = {"files": [{"name": "a", "digest": digest(TAKEN)}]}
    assert door.ask("POST", f"/api/batches/{key}/known", asked, by="other").status_code == 404


def test_what_is_in_care_is_known_and_gets_its_receipt_once(door):
    first, key = door.open(), door.open()
    door.take(first, TAKEN, WAITS)
    for _ in range(2):
        answer = door.known(key, one=digest(TAKEN), two=digest(WAITS), three=digest(REFUSED))
        assert answer.json == {"known": ["one", "two"], "waiting": {"two": first}}
    told = report.report(door.runtime, builders.caller(Role.PROVIDER), key)
    assert dict(told.counts) == {("duplicate", "known"): 1, ("review", "waiting"): 1}
    held = next(iter(told.files))
    assert (held.name, held.size) == ("one", len(builders.sample(TAKEN)))
    assert held.sop_uid


def test_a_file_this_batch_was_told_of_need_not_be_sent_again_though_it_was_refused(door):
    key = door.open()
    door.take(key, REFUSED)
    assert door.known(key, **{REFUSED: digest(REFUSED)}).json == {"known": [REFUSED], "waiting": {}}
    assert dict(report.report(door.runtime, None, key).counts) == {("reject", "birth-date"): 1}


def test_what_another_provider_holds_is_not_known(door):
    door.take(door.open(), TAKEN)
    builders.seed(door.runtime, alias="BREAST", provider="hospital-b")
    key = door.ask("POST", "/api/batches", {}, by="other").json["id"]
    asked = {"files": [{"name": "a", "digest": digest(TAKEN)}]}
    assert door.ask("POST", f"/api/batches/{key}/known", asked, by="other").json == {"known": [], "waiting": {}}


def test_nothing_is_known_while_the_dataset_takes_nothing(door):
    door.take(door.open(), TAKEN)
    key = door.open()
    move_agreement(door.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert door.known(key, one=digest(TAKEN)).json == {"known": [], "waiting": {}}


def test_a_batch_closes_once_and_takes_no_more_questions(door):
    key = door.open()
    door.take(key, TAKEN, REFUSED)
    for _ in range(2):
        answer = door.ask("PATCH", f"/api/batches/{key}", {"status": "closed"})
        assert (answer.status_code, answer.json["status"]) == (200, "closed")
        assert answer.json["outcomes"] == {"reject": 1, "review": 0, "duplicate": 0, "pass": 1}
    assert door.known(key, one=digest(WAITS)).status_code == 409


@pytest.mark.parametrize("body", [{}, {"status": "open"}, {"status": "closed", "more": 1}, ["closed"], "closed"])
def test_nothing_else_of_a_batch_can_be_changed(door, body):
    assert door.ask("PATCH", f"/api/batches/{door.open()}", body).status_code == 400


@pytest.mark.parametrize(
    "files",
    [
        None,
        {},
        [1],
        [{"name": "a"}],
        [{"name": "a", "digest": "00"}],
        [{"name": "", "digest": "0" * 64}],
        [{"name": "a\0b", "digest": "0" * 64}],
        [{"name": "\ud800", "digest": "0" * 64}],
        [{"name": "n" * 1025, "digest": "0" * 64}],
        [{"name": str(n), "digest": "0" * 64} for n in range(1001)],
    ],
)
def test_files_that_can_not_be_asked_about_are_refused(door, files):
    assert door.ask("POST", f"/api/batches/{door.open()}/known", {"files": files}).status_code == 400


def test_a_body_that_nests_without_end_is_refused(door):
    headers = {"Authorization": "Bearer provider", "Content-Type": "application/json"}
    assert door.client.post("/api/batches", data=b"[" * 200_000, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "text/csv", "text/csv; charset=utf-8"),
        ("", "text/plain", "text/plain; charset=utf-8"),
        ("?format=csv", "application/json", "text/csv; charset=utf-8"),
        ("?format=text", None, "text/plain; charset=utf-8"),
    ],
)
def test_the_report_comes_in_the_form_that_is_asked_for(door, query, accept, media_type):
    key = door.open()
    answer = door.ask("GET", f"/api/batches/{key}{query}", **({"Accept": accept} if accept else {}))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
    assert answer.headers["Content-Length"] == str(len(answer.data))


@pytest.mark.parametrize(("path", "accept", "status"), [("?format=pdf", "*/*", 400), ("", "image/png", 406)])
def test_a_form_that_can_not_be_made_is_refused(door, path, accept, status):
    assert door.ask("GET", f"/api/batches/{door.open()}{path}", Accept=accept).status_code == status


@pytest.mark.parametrize("by", ["provider", "operator"])
def test_provider_and_operator_read_the_report(door, by):
    key = door.open()
    door.take(key, WAITS, REFUSED, "malformed/not_a_dicom_file.txt")
    said = door.ask("GET", f"/api/batches/{key}", by=by).json
    files = (WAITS, REFUSED, "malformed/not_a_dicom_file.txt") if by == "provider" else ("file 1", "file 2", "file 3")
    verdicts = (("review", "not-declared"), ("reject", "birth-date"), ("reject", "not-dicom"))
    assert [(f["file"], (f["outcome"], f["rule"])) for f in said["receipts"]] == list(zip(files, verdicts, strict=True))
    assert said["waiting"] == 1
    table = list(csv.DictReader(io.StringIO(door.ask("GET", f"/api/batches/{key}?format=csv", by=by).text, newline="")))
    assert [r["rule"] for r in table] == ["not-declared", "birth-date", "not-dicom"]
    text = door.ask("GET", f"/api/batches/{key}?format=text", by=by).text
    assert NEVER_FOR_DIAGNOSIS in text
    assert ("not_a_dicom_file" in text) is ("not_a_dicom_file" in f"{table}") is (by == "provider"), "a name may be a patient's"


def test_the_newest_batches_are_listed_to_their_provider_and_the_operator_only(door):
    builders.seed(door.runtime, alias="BREAST", provider="hospital-b")
    mine, theirs = door.open(), door.ask("POST", "/api/batches", {}, by="other").json["id"]
    keys = {
        by: [b["id"] for b in door.ask("GET", "/api/batches", by=by).json["batches"]] for by in ("provider", "other", "operator")
    }
    assert keys == {"provider": [mine], "other": [theirs], "operator": [theirs, mine]}
    assert door.ask("GET", "/api/batches", by="user").status_code == 403


def test_the_report_survives_more_files_than_a_page(door, monkeypatch):
    monkeypatch.setattr(report, "PAGE", 3)
    key = door.open()
    door.take(key, *[REFUSED] * 8)
    assert len(door.ask("GET", f"/api/batches/{key}").json["receipts"]) == 8


def test_a_reader_keeps_its_place_until_the_report_is_read_and_then_gives_it_back(door):
    key = door.open()
    reading = door.ask("GET", f"/api/batches/{key}", buffered=False)  # there is one place
    assert door.ask("GET", f"/api/batches/{key}").status_code == 503
    reading.close()
    assert door.ask("GET", f"/api/batches/{key}").status_code == 200


def test_a_closed_batch_with_known_files_verifies_in_the_ledger(door):
    door.take(door.open(), TAKEN)
    key = door.open()
    door.known(key, one=digest(TAKEN))
    door.ask("PATCH", f"/api/batches/{key}", {"status": "closed"})
    ledger.sequence(door.runtime)
    assert ledger.verify(door.runtime).broken is None


@pytest.mark.parametrize("door_of", ["dimse", "stow", "release", "recovery"])
def test_an_open_batch_of_another_door_is_neither_filled_nor_closed_over_http(door, door_of):
    attested = builders.batch(door.runtime, attested=True, door=door_of)
    assert door.ask("PATCH", f"/api/batches/{attested.key}", {"status": "closed"}).status_code == 404
    assert door.known(attested.key, a=digest(TAKEN)).status_code == 404
    with pytest.raises(NotFound):  # what `?batch=` of a STOW request asks
        push.ongoing(door.runtime, CALLERS["provider"], attested.key)
    with door.runtime.store.read() as connection:
        assert rows.by_key(connection, attested.key).closed is None


def test_a_report_for_which_the_disk_has_no_room_is_a_full_disk(door, monkeypatch):
    class NoRoom(io.BytesIO):
        def write(self, _content):
            raise OSError(errno.ENOSPC, "No space left on device")

    key = door.open()
    door.take(key, TAKEN)
    monkeypatch.setattr(batches, "SpooledTemporaryFile", lambda *_, **__: NoRoom())
    assert door.ask("GET", f"/api/batches/{key}").status_code == 507
