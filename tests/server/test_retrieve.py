"""WADO-RS through its door: each object comes with its digest, and who only asks how much it would be leaves no trace."""

from base64 import b64encode
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from adapters.identity import Keys
from adapters.nodes.folder import FolderNode
from adapters.sql import tables as t
from tests import builders
from tests.house import CALLERS, SAMPLE, House, build

FORMS = ("application/dicom; transfer-syntax=*", 'multipart/related; type="application/dicom"; transfer-syntax=*')
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
