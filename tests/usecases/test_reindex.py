"""What an earlier release indexed is indexed again by a job, as if it came today; reads go on, and what can't be read waits."""

import json
from threading import Event

from pydicom import Dataset
from sqlalchemy import delete, select, update

from adapters.nodes.folder import FolderNode
from adapters.sql import index, jobs
from adapters.sql import tables as t
from consent.stop import Cause
from consent.subject import Role
from mappings.failures import Unavailable
from server.usecases import document, examine, reindex, search
from server.usecases.deliver import Wanted
from server.usecases.take import take
from server.worker.jobs import KINDS, work_off
from server.worker.loop import chores
from tests import builders
from tests.builders import made

KEPT = (t.study, t.series, t.instance, t.coded, t.request)
OWN = {"id", "touched", "dirty_since", "version", "updated", "document", "published"}


def fill(runtime, study, count=2):
    """Two series of a study."""
    code, asked = Dataset(), Dataset()
    code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning = "DCM", "P1", "Procedure"
    asked.RequestedProcedureID = "R1"
    words = {"ProcedureCodeSequence": [code], "RequestAttributesSequence": [asked], "ImageType": ["ORIGINAL", "PRIMARY"]}
    batch = builders.batch(runtime)
    for series in (1, 2):
        for number in range(1, count + 1):
            uid = f"{study}.{series}.{number}"
            named = {"InstanceNumber": number, "SeriesDescription": f"{series}", "ImageComments": "x" * 5000}
            file = made(uid, study=study, series=f"{study}.{series}", **words | named)
            assert take(runtime, batch, uid, file).outcome == "pass"


def kept(runtime):
    """Everything that the index keeps, but its own moments and row numbers."""
    with runtime.store.read() as connection:
        return {
            table.name: sorted(
                repr({c.name: value for c, value in zip(table.c, row, strict=True) if c.name not in OWN})
                for row in connection.execute(select(table))
            )
            for table in KEPT
        }


def age(runtime, *studies):
    """Make of what is kept what the first release kept of it."""
    with runtime.store.write() as connection:
        of = select(t.study.c.id).where(t.study.c.study_uid.in_(studies))
        for row in connection.execute(select(t.study.c.id, t.study.c.header).where(t.study.c.id.in_(of))).all():
            connection.execute(
                update(t.study).where(t.study.c.id == row.id).values(header=first(row.header), form=0, fragment=b"{}")
            )
        for row in connection.execute(select(t.series.c.id, t.series.c.header).where(t.series.c.study.in_(of))).all():
            connection.execute(update(t.series).where(t.series.c.id == row.id).values(header=first(row.header), fragment=b"{}"))
        old = {"metadata": b"{}", "summary": b"{}", "title": None}
        connection.execute(update(t.instance).where(t.instance.c.study.in_(of)).values(**old))
        for table in (t.coded, t.request):
            connection.execute(delete(table).where(table.c.study.in_(of)))


def first(stored: str) -> str:
    header = json.loads(stored)
    return json.dumps({name: value for name, value in header.items() if name not in ("v", "codes", "requests", "procedures")})


def work(runtime, leaving=None) -> str:
    """Let what is due be done; what the job said at its end."""
    work_off(runtime, reindex.KIND, KINDS[reindex.KIND], leaving or Event())
    with runtime.store.read() as connection:
        return next(row.outcome for row in jobs.newest(connection) if row.kind == reindex.KIND)


def places(runtime, study):
    with runtime.store.read() as connection:
        return set(connection.execute(select(t.custody.c.place).where(t.custody.c.study_uid == study)).scalars())


def told(runtime, study="1.2.3"):
    caller = builders.caller(Role.PROVIDER, party="hospital-a")
    return search.metadata(runtime, caller, Wanted(study))


def test_what_is_of_an_older_form_is_made_as_if_it_came_today(anywhere, clock):
    fill(anywhere, "1.2.3")
    fill(anywhere, "1.2.4")
    clock.on(10)
    assert document.rebuild(anywhere) == 2
    before = kept(anywhere)
    age(anywhere, "1.2.3")
    assert kept(anywhere) != before
    assert reindex.ask_missing(anywhere) == 1
    assert work(anywhere) == "1 studies indexed again, 0 left as they are."
    assert kept(anywhere) == before
    clock.on(10)
    assert document.rebuild(anywhere) == 1, "what its document says is other than it was"
    assert reindex.ask_missing(anywhere) == 0


def test_only_its_form_is_other_and_nobody_is_told_of_a_change(anywhere, clock):
    fill(anywhere, "1.2.3")
    clock.on(10)
    assert document.rebuild(anywhere) == 1
    with anywhere.store.write() as connection:
        connection.execute(update(t.study).values(form=index.FORM - 1))
        connection.execute(update(t.instance).values(metadata=b"{}"))
    reindex.ask_missing(anywhere)
    work(anywhere)
    clock.on(10)
    assert document.rebuild(anywhere) == 0
    assert b"x" * 5000 in told(anywhere)[0], "it is in the metadata by now"


def test_a_study_whose_node_does_not_give_it_waits_and_the_rest_is_done(anywhere, clock, monkeypatch):
    for study in ("1.2.3", "1.2.4", "1.2.5"):
        fill(anywhere, study, 1)
    age(anywhere, "1.2.3", "1.2.4", "1.2.5")
    really, asleep = FolderNode.open, places(anywhere, "1.2.4")

    def open_(self, place, *more):
        if place in asleep:
            raise Unavailable("node-unavailable", "It is asleep.")
        return really(self, place, *more)

    monkeypatch.setattr(FolderNode, "open", open_)
    reindex.ask_missing(anywhere)
    assert work(anywhere) == "2 studies indexed again, 1 left as they are."
    assert reindex.ask_missing(anywhere) == 0, "not before tomorrow"
    monkeypatch.undo()
    clock.on(24 * 3600 + 1)
    assert reindex.ask_missing(anywhere) == 1
    assert work(anywhere) == "1 studies indexed again, 0 left as they are."


def test_a_job_that_is_stopped_goes_on_where_it_was_and_reads_go_on(anywhere, monkeypatch):
    for study in ("1.2.3", "1.2.4"):
        fill(anywhere, study, 1)
    age(anywhere, "1.2.3", "1.2.4")
    leaving, read, really = Event(), [], reindex.read_back

    def read_back(runtime, copy):
        read.append(copy.place)
        if len(read) == 3:
            leaving.set()
        assert told(anywhere), "whoever reads is not kept waiting"
        return really(runtime, copy)

    monkeypatch.setattr(reindex, "read_back", read_back)
    reindex.ask_missing(anywhere)
    assert work(anywhere, leaving) == "Its worker was stopped."
    assert work(anywhere) == "1 studies indexed again, 0 left as they are."
    assert (len(read), len(set(read))) == (5, 4), "the study that was begun is read again, the other is not"


def test_what_came_meanwhile_keeps_a_study_in_its_form(anywhere, monkeypatch):
    fill(anywhere, "1.2.3", 1)
    age(anywhere, "1.2.3")
    really, came = reindex.read_back, []

    def read_back(runtime, copy):
        if not came:
            came.append(take(runtime, builders.batch(runtime), "late", made("1.2.3.1.9", study="1.2.3", series="1.2.3.1")))
        return really(runtime, copy)

    monkeypatch.setattr(reindex, "read_back", read_back)
    reindex.ask_missing(anywhere)
    assert work(anywhere) == "1 studies indexed again, 1 left as they are."


def test_a_study_that_is_withdrawn_meanwhile_is_let_go(anywhere, monkeypatch):
    fill(anywhere, "1.2.3", 1)
    age(anywhere, "1.2.3")
    really = reindex.read_back

    def read_back(runtime, copy):
        with runtime.store.write() as connection:
            index.remove_study(connection, "1.2.3", Cause.PROVIDER)
        return really(runtime, copy)

    monkeypatch.setattr(reindex, "read_back", read_back)
    reindex.ask_missing(anywhere)
    assert work(anywhere) == "1 studies indexed again, 0 left as they are."
    assert kept(anywhere)["instance"] == []


def test_the_operator_is_told_how_many_wait_and_a_worker_asks(anywhere):
    fill(anywhere, "1.2.3", 1)
    assert (reindex.find_old(anywhere), reindex.ask_missing(anywhere)) == ([], 0)
    age(anywhere, "1.2.3")
    assert reindex.find_old(anywhere) == ["Studies that an earlier release indexed, which a job reads again: 1."]
    assert any(checked.check == "index" for checked in examine.examine(anywhere))
    assert reindex.ask_missing in [chore.run for chore in chores()]
