"""What is kept as bytes is of a form, and every release reads and grows what any other one kept."""

import json
from dataclasses import MISSING, field, fields, make_dataclass

import pytest
from sqlalchemy import select

from adapters.sql import index
from adapters.sql import tables as t
from mappings.dicom import header
from mappings.dicom.header import Header
from server.usecases import document
from server.usecases.take import take
from tests import builders
from tests.builders import made

REMOVED = {"issuer_of_patient_id"}
ADDED = {"protocol_name": (0x00181030, "LO")}
FIRST = index.FORM
WORDS = {"SeriesDescription": "axial", "Laterality": "L", "ProtocolName": "T1"}


@pytest.fixture
def next_release(monkeypatch):
    """Call it: from then on this is a release whose headers have one field more and another fewer."""

    def begin():
        kept = [(f.name, f.type, f) for f in fields(Header) if f.name not in REMOVED]
        known = [(n, kind, field() if f.default is MISSING else field(default=f.default)) for n, kind, f in kept]
        new = [(name, str | None, field(default=None)) for name in ADDED]
        later = make_dataclass("Header", [*known, *new], frozen=True, slots=True)
        monkeypatch.setattr(header, "Header", later)
        monkeypatch.setattr(index, "Header", later)
        monkeypatch.setattr(header, "FIELDS", {n: f for n, f in header.FIELDS.items() if n not in REMOVED} | ADDED)
        monkeypatch.setattr(header, "_WANTED", header._WANTED | {tag for tag, _ in ADDED.values()})
        monkeypatch.setattr(index, "FORM", index.FORM + 1)

    return begin


def add_instance(runtime, number, **elements):
    taken = take(runtime, builders.batch(runtime), "a", made(f"1.2.3.1.{number}", **WORDS | elements))
    assert str(taken.outcome) == "pass"


def headers(runtime):
    """Series UID → its header as it is kept."""
    with runtime.store.read() as connection:
        return {r.series_uid: json.loads(r.header) for r in connection.execute(select(t.series))}


def forms(runtime):
    """Study UID → its form."""
    with runtime.store.read() as connection:
        return dict(connection.execute(select(t.study.c.study_uid, t.study.c.form)).all())


def rebuilt(runtime, clock):
    """The study's document, made again, and the series' fragments."""
    clock.on(10)
    assert document.rebuild(runtime) == 1
    with runtime.store.read() as connection:
        told = json.loads(connection.execute(select(t.study.c.document)).scalar_one())
        return told, [r.fragment for r in connection.execute(select(t.series.c.fragment).order_by(t.series.c.id))]


def grown(runtime, clock, begin):
    """Two images of a series by one release, the third and another series by the next."""
    add_instance(runtime, 1)
    add_instance(runtime, 2)
    before, (fragment,) = rebuilt(runtime, clock)
    begin()
    add_instance(runtime, 3)
    add_instance(runtime, 4, SeriesInstanceUID="1.2.3.2")
    after, fragments = rebuilt(runtime, clock)
    assert fragments[0] == fragment.replace(b'"Value":[2]', b'"Value":[3]') != fragment
    assert [s["numberOfInstances"] for s in after["series"]] == [3, 1]
    assert {**after["series"][0], "instance": [], "numberOfInstances": 0} == {
        **before["series"][0],
        "instance": [],
        "numberOfInstances": 0,
    }


def test_a_field_may_be_absent_only_when_its_default_is_unknown():
    """The first five are in every header there ever was; what is added later has to be None in an older one."""
    names = [f.name for f in fields(Header)]
    assert {f.name for f in fields(Header) if f.default is MISSING} == set(names[:5])
    assert {f.default for f in fields(Header)[5:]} == {None}


def test_the_next_release_reads_and_grows_what_this_one_kept(anywhere, clock, next_release):
    grown(anywhere, clock, next_release)
    first, second = headers(anywhere)["1.2.3.1"], headers(anywhere)["1.2.3.2"]
    assert ("protocol_name" in first, second["protocol_name"]) == (False, "T1")
    assert second.keys() ^ first.keys() == {*ADDED, *REMOVED}


def test_this_release_reads_and_grows_what_the_next_one_kept(anywhere, clock, next_release, monkeypatch):
    next_release()
    grown(anywhere, clock, monkeypatch.undo)
    first, second = headers(anywhere)["1.2.3.1"], headers(anywhere)["1.2.3.2"]
    assert (first["protocol_name"], "protocol_name" in second) == ("T1", False)


def test_a_header_says_its_form(anywhere, next_release):
    add_instance(anywhere, 1)
    next_release()
    add_instance(anywhere, 2, SeriesInstanceUID="1.2.3.2")
    assert {uid: h["v"] for uid, h in headers(anywhere).items()} == {"1.2.3.1": FIRST, "1.2.3.2": FIRST + 1}


def test_a_study_says_the_lowest_form_of_what_is_kept_of_it(anywhere, next_release, monkeypatch):
    add_instance(anywhere, 1)
    next_release()
    add_instance(anywhere, 2)
    for study in ("1.2.4", "1.2.5"):
        add_instance(anywhere, study, SOPInstanceUID=f"{study}.1", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1")
    assert forms(anywhere) == {"1.2.3": FIRST, "1.2.4": FIRST + 1, "1.2.5": FIRST + 1}
    monkeypatch.undo()
    add_instance(anywhere, "5.2", SOPInstanceUID="1.2.5.2", StudyInstanceUID="1.2.5", SeriesInstanceUID="1.2.5.1")
    assert forms(anywhere) == {"1.2.3": FIRST, "1.2.4": FIRST + 1, "1.2.5": FIRST}
