"""A node is unlinked while a long search, an export and a stream are under way: what came out, until when."""

from dataclasses import replace
from threading import Event

import pytest

from adapters.sql import exports
from mappings.failures import Gone
from mappings.query import Level, Query
from server.usecases import export, search
from server.usecases.deliver import Wanted, deliver
from server.usecases.give_export import give_file
from server.usecases.node import move_node
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.deposits import deposit
from tests.usecases.test_write_export import CALLER, ask, entries, filled, read, small, write

__all__ = ["filled", "small"]
STUDY = "1.2.0"


@pytest.fixture
def under_way(filled, small, monkeypatch):
    """Seven studies, one of two objects; and a search of which a page was read, a stream of which an object was."""
    assert deposit(filled, builders.made(f"{STUDY}.1.2", study=STUDY, PatientID="P0")) == ("pass", "declared")
    monkeypatch.setattr(search, "PAGE", 2)
    pages, files = search.pages(filled, CALLER, Query(Level.STUDY)), iter(deliver(filled, CALLER, Wanted(STUDY), len))
    assert (len(list(next(pages))), b"".join(next(files)[1])[128:132]) == (2, b"DICM")
    return filled, pages, files


def unlink(runtime):
    move_node(runtime, builders.ACTOR, "central", "unlink")


def rows(runtime, key):
    """How many resources of studies an export's files hold, whether they are given or not."""
    with runtime.store.read() as connection:
        return sum(file.count for file in exports.files(connection, exports.find(connection, key)) if file.type == "ImagingStudy")


@pytest.mark.parametrize("kept", [1, 2, 4])
def test_nothing_comes_out_behind_the_page_the_object_and_the_file_that_were_under_way(under_way, kept):
    """The export has so many of its four files by then; none of them is ever given."""
    runtime, pages, files = under_way
    key, points = ask(runtime, "ImagingStudy"), []

    def reached(point):
        points.append(point)
        if point == "export part kept" and points.count(point) == kept:
            unlink(runtime)

    work_off(replace(runtime, reached=reached), export.KIND, KINDS[export.KIND], Event())
    assert [len(page) for page in pages if page] == []
    with pytest.raises(Gone, match="stopped"):
        next(files)
    assert points.count("export part kept") == kept
    assert (rows(runtime, key), set(read(runtime, key)), entries(runtime)) == (0, {"OperationOutcome"}, [])


def test_of_an_export_that_is_written_no_further_file_is_given(filled, small):
    key = ask(filled, "ImagingStudy")
    write(filled)
    give_file(filled, CALLER, key, 1).source.close()
    unlink(filled)
    for number in (1, 2, 3, 4):
        with pytest.raises(Gone, match="may not be given any more"):
            give_file(filled, CALLER, key, number)
    assert [entry["dataset"] for entry in entries(filled)] == ["LUNG"], "the record says what came out before"
