"""The terms of use at their door: any version, to anybody, and not twice."""

from hashlib import sha256

import pytest

from adapters.identity import Keys
from consent.person import Actor, PersonRole
from consent.terms import DocumentKind
from server.usecases.terms import Draft, publish, publish_terms
from server.web.app import create
from tests import builders

OLD, NEW = b"Terms of use\n\xc2\xa7 1\n", b"New terms of use\n"


@pytest.fixture
def client(tmp_path):
    runtime = builders.runtime(tmp_path)
    publish_terms(runtime, builders.ACTOR, "1.0.0", OLD)
    publish_terms(runtime, builders.ACTOR, "1.1.0", NEW)
    guidelines = {"kind": DocumentKind.GUIDELINES, "text": b"Only what is clean.\n", "summary": "All of it."}
    publish(runtime, Actor("o", None, frozenset({PersonRole.OPERATOR})), Draft(version="1.0.0", **guidelines))
    yield create(runtime, Keys.load_or_make(tmp_path / "keys.json")).test_client()
    runtime.close()


@pytest.mark.parametrize(("path", "version", "text"), [("/terms", "1.1.0", NEW), ("/terms/1.0.0", "1.0.0", OLD)])
def test_the_newest_terms_or_the_named_are_served_as_published(client, path, version, text):
    answer = client.get(path)
    assert (answer.status_code, answer.data, answer.content_type) == (200, text, "text/plain; charset=utf-8")
    assert (answer.headers["ETag"], answer.headers["Content-Location"]) == (f'"{sha256(text).hexdigest()}"', f"/terms/{version}")


def test_terms_that_are_held_already_are_not_sent_again_and_new_ones_are(client):
    tag = client.get("/terms/1.0.0").headers["ETag"]
    again = client.get("/terms/1.0.0", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert client.get("/terms", headers={"If-None-Match": tag}).data == NEW


def test_what_a_version_changed_is_told_after_its_summary(client):
    assert client.get("/terms/1.0.0/changes").data == b"\n"
    told = client.get("/documents/general/1.1.0/changes")
    assert (told.status_code, told.text.splitlines()[:2]) == (200, ["--- 1.0.0", "+++ 1.1.0"])
    told = client.get("/documents/guidelines/1.0.0/changes")
    assert told.text == "For convenience only: All of it.\n\n\n"


def test_every_version_of_every_document_has_its_line(client):
    lines = client.get("/documents").text.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "General terms of use 1.0.0: /terms/1.0.0",
        "General terms of use 1.1.0: /terms/1.1.0",
        "Guidelines for data 1.0.0: /documents/guidelines/1.0.0",
    ]
    assert client.get("/documents/guidelines").data == b"Only what is clean.\n"


def test_a_document_that_is_not_there_is_not_found_and_says_which_are(client):
    answer = client.get("/documents/gossip")
    assert (answer.status_code, "agreement-template" in answer.json["detail"]) == (404, True)
    assert client.get("/documents/data-user").status_code == 404


def test_a_version_that_was_never_published_is_not_found(client):
    assert client.get("/terms/2.0.0").status_code == 404
