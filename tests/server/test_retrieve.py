"""WADO-RS through its door: each object comes with its digest, and who only asks how much it would be leaves no trace."""

import io
import zipfile
from base64 import b64encode
from hashlib import sha256

import pytest
from sqlalchemy import func, select, update

from adapters.identity import Keys
from adapters.nodes.folder import FolderNode
from adapters.sql import instances
from adapters.sql import tables as t
from tests import builders
from tests.house import CALLERS, SAMPLE, House, build

FORMS = ("application/dicom; transfer-syntax=*", 'multipart/related; type="application/dicom"; transfer-syntax=*')
ARCHIVED = {"Accept": "application/zip"}
FILE = bytes(builders.sample(SAMPLE))
DIGEST = f"sha-256=:{b64encode(sha256(FILE).digest()).decode()}:"


@pytest.fixture
def house(tmp_path):
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    yield made
    made.runtime.close()


@pytest.fixture
def opened(monkeypatch):
    """The places that a node was asked for."""
    places, really = [], FolderNode.open
    monkeypatch.setattr(FolderNode, "open", lambda self, place, *more: places.append(place) or really(self, place, *more))
    return places


def paths(house: House) -> list[str]:
    study = f"/dicom-web/studies/{house.study}"
    series = f"{study}/series/{house.series}"
    return [study, series, f"{series}/instances/{house.instance}"]


def traces(house: House) -> tuple[int, int]:
    """How many accesses and ledger entries there are."""
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        counts = (select(func.count()).select_from(table) for table in (t.access, t.ledger_body))
        accesses, entries = (connection.execute(count).scalar_one() for count in counts)
    return accesses, entries


def test_an_object_says_its_digest_alone_and_among_others(house):
    path = paths(house)[-1]
    alone, among = (house.ask("GET", path, CALLERS["user"], headers={"Accept": form}) for form in FORMS)
    assert (alone.data, alone.headers["Repr-Digest"]) == (FILE, DIGEST)
    assert f"\r\nRepr-Digest: {DIGEST}\r\n\r\n".encode() + FILE in among.data
    assert "Repr-Digest" not in among.headers, "it is of a part, not of the body"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_a_retrieval_would_bring_is_told_without_a_use_and_without_its_node(house, opened, form, level):
    path, before = paths(house)[level], traces(house)
    told = house.ask("HEAD", path, CALLERS["user"], headers={"Accept": form})
    assert (told.status_code, told.data, opened, traces(house)) == (200, b"", [], before)
    brought = house.ask("GET", path, CALLERS["user"], headers={"Accept": form})
    assert len(brought.data) == int(told.headers["Content-Length"])
    for name in ("Content-Type", "Repr-Digest"):
        assert without_boundary(told.headers.get(name)) == without_boundary(brought.headers.get(name))
    assert (len(opened), traces(house) > before) == (1, True), "this one is a use"


def without_boundary(value: str | None) -> str:
    return (value or "").partition("boundary=")[0]


@pytest.mark.parametrize(("who", "status"), [("user", 403), ("other-provider", 404), ("anonymous", 401)])
def test_how_much_it_is_is_not_told_to_who_may_not_have_it(tmp_path, opened, who, status):
    house = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"), permitted=False)
    before = traces(house)
    for path in paths(house):
        told, refused = (house.ask(method, path, CALLERS[who]) for method in ("HEAD", "GET"))
        assert told.status_code == refused.status_code == status
        assert int(told.headers["Content-Length"]) < 1000, "the sentence's, not the object's"
    assert (opened, traces(house)) == ([], before)
    house.runtime.close()


def test_a_form_that_is_not_had_is_refused_without_a_byte(house, opened):
    told = house.ask("HEAD", paths(house)[-1], CALLERS["user"], headers={"Accept": "application/pdf"})
    assert (told.status_code, told.data, opened) == (406, b"", [])


def test_a_study_and_a_series_come_as_an_archive_of_their_files(house, opened):
    study, series, instance = paths(house)
    for path in (study, series):
        told, brought = (house.ask(method, path, CALLERS["user"], headers=ARCHIVED) for method in ("HEAD", "GET"))
        assert (brought.status_code, brought.content_type) == (200, "application/zip")
        assert int(told.headers["Content-Length"]) == int(brought.headers["Content-Length"]) == len(brought.data)
        with zipfile.ZipFile(io.BytesIO(brought.data)) as read:
            assert read.testzip() is None
            assert {name: read.read(name) for name in read.namelist()} == {
                f"{house.study}/{house.series}/{house.instance}.dcm": FILE
            }
            assert read.infolist()[0].flag_bits == 0, "its CRC-32 was kept, and stands before it"
        assert f'filename="{house.study}.zip"' in brought.headers["Content-Disposition"]
    assert len(opened) == 2
    assert house.ask("GET", instance, CALLERS["user"], headers=ARCHIVED).status_code == 406


def test_what_came_before_its_crc_was_kept_is_archived_all_the_same(house):
    with house.runtime.store.write() as connection:
        connection.execute(update(t.custody).values(crc32=None))
    told, brought = (house.ask(method, paths(house)[0], CALLERS["user"], headers=ARCHIVED) for method in ("HEAD", "GET"))
    assert int(told.headers["Content-Length"]) == len(brought.data)
    with zipfile.ZipFile(io.BytesIO(brought.data)) as read:
        assert (read.testzip(), read.read(read.namelist()[0])) == (None, FILE)


def test_an_archive_is_a_use_and_needs_the_right_to_take(tmp_path, house):
    before = traces(house)
    house.ask("GET", paths(house)[0], CALLERS["user"], headers=ARCHIVED)
    assert traces(house) > before
    refusing = build(tmp_path / "refusing", Keys.load_or_make(tmp_path / "keys.json"), permitted=False)
    refused = refusing.ask("GET", paths(refusing)[0], CALLERS["user"], headers=ARCHIVED)
    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    refusing.runtime.close()


TAG = f'"{sha256(FILE).hexdigest()}"'
ALONE = {"Accept": FORMS[0]}


@pytest.mark.parametrize(
    ("asked", "span"),
    [("bytes=0-131", range(132)), ("bytes=132-", range(132, len(FILE))), ("bytes=-7", range(len(FILE) - 7, len(FILE)))],
)
def test_a_range_of_a_single_instance_is_brought_and_is_a_use(house, asked, span):
    before = traces(house)
    part = house.ask("GET", paths(house)[-1], CALLERS["user"], headers=ALONE | {"Range": asked})
    assert (part.status_code, part.data) == (206, FILE[span.start : span.stop])
    assert part.headers["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/{len(FILE)}"
    assert (int(part.headers["Content-Length"]), part.headers["ETag"], part.headers["Accept-Ranges"]) == (len(span), TAG, "bytes")
    assert traces(house) > before


def test_a_range_past_the_end_is_refused_without_a_use(house, opened):
    before = traces(house)
    refused = house.ask("GET", paths(house)[-1], CALLERS["user"], headers=ALONE | {"Range": f"bytes={len(FILE)}-"})
    assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{len(FILE)}")
    assert (refused.json["title"], opened, traces(house)) == ("range-unsatisfiable", [], before)


@pytest.mark.parametrize(
    ("headers", "level"),
    [
        (ALONE | {"Range": "bytes=0-1,5-6"}, 2),
        (ALONE | {"Range": "lines=0-1"}, 2),
        (ALONE | {"Range": "bytes=0-1", "If-Range": '"another"'}, 2),
        ({"Range": "bytes=0-1"}, 2),
        ({"Range": "bytes=0-1"}, 0),
        (ARCHIVED | {"Range": "bytes=0-1"}, 0),
    ],
)
def test_a_range_that_is_not_served_is_passed_over_and_all_is_brought(house, headers, level):
    brought = house.ask("GET", paths(house)[level], CALLERS["user"], headers=headers)
    assert brought.status_code == 200
    assert FILE in brought.data


def test_a_range_is_brought_while_the_object_is_the_one_that_is_named(house):
    named = ALONE | {"Range": "bytes=0-1", "If-Range": TAG}
    assert house.ask("GET", paths(house)[-1], CALLERS["user"], headers=named).status_code == 206


@pytest.mark.parametrize("form", [*FORMS, "application/zip"])
def test_who_holds_what_there_is_is_told_so_without_a_use_and_without_its_node(house, opened, form):
    path = paths(house)[0 if "zip" in form else -1]
    brought = house.ask("GET", path, CALLERS["user"], headers={"Accept": form})
    before, opens = traces(house), len(opened)
    for method in ("GET", "HEAD"):
        again = house.ask(method, path, CALLERS["user"], headers={"Accept": form, "If-None-Match": brought.headers["ETag"]})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", brought.headers["ETag"])
        assert again.headers["Cache-Control"] == "private, no-cache"
    assert (len(opened), traces(house)) == (opens, before)
    other = house.ask("GET", path, CALLERS["user"], headers={"Accept": form, "If-None-Match": '"another"'})
    assert (other.status_code, len(opened)) == (200, opens + 1)
    assert (
        house.ask("GET", path, CALLERS["other-provider"], headers={"If-None-Match": brought.headers["ETag"]}).status_code == 404
    )


def test_metadata_and_pictures_have_tags(house):
    instance = paths(house)[-1]
    for path in (f"{instance}/metadata", f"{instance}/rendered", f"{instance}/thumbnail"):
        told = house.ask("GET", path, CALLERS["user"])
        again = house.ask("GET", path, CALLERS["user"], headers={"If-None-Match": told.headers["ETag"]})
        assert (told.status_code, again.status_code, again.data) == (200, 304, b"")
        assert told.headers["Cache-Control"] == "private, no-cache"


def test_more_metadata_than_an_answer_holds_is_refused_and_asked_for_in_parts(house, monkeypatch):
    path = f"{paths(house)[0]}/metadata"
    whole = len(house.ask("GET", path, CALLERS["user"]).data)
    monkeypatch.setattr(instances, "MOST_METADATA", whole // 2)
    told = house.ask("GET", path, CALLERS["user"])
    assert (told.status_code, told.json["title"]) == (413, "metadata-too-large")
