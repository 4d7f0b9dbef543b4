"""FHIR documents of studies: fresh within ten seconds, and few rebuilds whatever the associations' pattern."""

import json

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import event, select, update

from adapters.sql import index
from adapters.sql import tables as t
from server.usecases import document
from server.usecases.batch import close_batch
from server.usecases.take import take
from tests import builders
from tests.builders import made


def associate(runtime, number):
    """One association that brings one image of the one study."""
    batch = builders.batch(runtime)
    assert str(take(runtime, batch, "a", made(f"1.2.3.1.{number}")).outcome) == "pass"
    close_batch(runtime, batch.id)


def documents(runtime):
    """Study UID → its document, None before the first."""
    with runtime.store.read() as connection:
        return {r.study_uid: r.document and json.loads(r.document) for r in connection.execute(select(t.study))}


class Worker:
    """Rebuilds every half second, as the worker does, and counts."""

    def __init__(self, runtime, clock):
        self.runtime, self.clock, self.rebuilds, self.oldest, self.beat = runtime, clock, 0, 0.0, 0.0

    def work(self, seconds):
        """Let this time pass."""
        while seconds > 1e-9:
            step = min(seconds, 0.5 - self.beat)
            self.clock.on(step)
            seconds, self.beat = seconds - step, self.beat + step
            if self.beat >= 0.5 - 1e-9:
                self.beat = 0.0
                self.oldest = max(self.oldest, self._waiting())
                self.rebuilds += document.rebuild(self.runtime)

    def _waiting(self):
        with self.runtime.store.read() as connection:
            since = connection.execute(select(t.study.c.dirty_since).where(t.study.c.dirty_since.is_not(None))).scalar()
        return 0.0 if since is None else self.clock().timestamp() - since / 1e6


@pytest.mark.parametrize(
    ("apart", "most"),
    [(0.1, 4), (1.0, 30)],
    ids=["ten a second", "one a second"],
)
def test_two_hundred_associations_of_one_image_each_cost_a_rebuild_in_seven_seconds_at_most(built, clock, apart, most):
    worker = Worker(built, clock)
    for number in range(200):
        associate(built, number)
        worker.work(apart)
    worker.work(12)
    assert worker.rebuilds <= most
    assert worker.oldest <= 10
    assert documents(built)["1.2.3"]["numberOfInstances"] == 200


def test_rebuilds_grow_with_time_and_not_with_associations(built, clock):
    """Twice as many associations in the same time cost the same; twice the time costs twice."""
    made_by = {}
    for n, (count, apart) in enumerate([(20, 1.0), (40, 0.5), (40, 1.0)]):
        worker = Worker(built, clock)
        for number in range(count):
            batch = builders.batch(built)
            take(built, batch, "a", made(f"1.2.{n}.1.{number}", study=f"1.2.{n}"))
            worker.work(apart)
        worker.work(12)
        made_by[count, apart] = worker.rebuilds
    assert made_by[20, 1.0] == made_by[40, 0.5]
    assert made_by[40, 1.0] <= 2 * made_by[20, 1.0]


def test_a_document_is_made_when_its_study_has_been_quiet_for_a_moment(built, clock):
    associate(built, 1)
    assert (document.rebuild(built), documents(built)) == (0, {"1.2.3": None})
    clock.on(1.6)
    assert document.rebuild(built) == 1
    assert documents(built)["1.2.3"]["meta"]["versionId"] == "1"
    clock.on(60)
    assert document.rebuild(built) == 0


def test_a_study_that_changes_while_its_document_is_made_stays_due(built, clock, monkeypatch):
    associate(built, 1)
    clock.on(2)
    seen = index.study

    def meanwhile(connection, key, now):
        found = seen(connection, key, now)
        monkeypatch.setattr(index, "study", seen)
        associate(built, 2)
        return found

    monkeypatch.setattr(index, "study", meanwhile)
    assert document.rebuild(built) == 0
    clock.on(2)
    assert document.rebuild(built) == 1
    assert documents(built)["1.2.3"]["numberOfInstances"] == 2


def test_one_busy_study_does_not_keep_others_waiting(built, clock):
    worker = Worker(built, clock)
    take(built, builders.batch(built), "a", made("1.2.9.1.1", study="1.2.9"))
    for number in range(6):
        associate(built, number)
        worker.work(1)
    assert documents(built)["1.2.9"] is not None


def test_the_cost_of_taking_an_image_does_not_grow_with_its_study(built):
    """Statements are counted: the fiftieth image of a study runs as many as the second."""
    ran = []

    def take(number):
        ran.append(0)
        associate(built, number)

    event.listen(built.store.engine, "before_cursor_execute", lambda *_args: ran.__setitem__(-1, ran[-1] + 1))
    for number in range(50):
        take(number)
    assert ran[49] <= ran[1]


def test_two_workers_that_rebuild_one_study_at_once_count_one_version(doors, clock, monkeypatch):
    one, other = doors
    associate(one, 1)
    clock.on(10)
    made_of = document.document

    def meanwhile(study):
        monkeypatch.setattr(document, "document", made_of)
        assert document.rebuild(other) == 1
        return made_of(study)

    monkeypatch.setattr(document, "document", meanwhile)
    assert document.rebuild(one) == 0
    with one.store.read() as connection:
        version = connection.execute(select(t.study.c.version)).scalar_one()
    assert documents(one)["1.2.3"]["meta"]["versionId"] == str(version) == "1"


def coded(scheme, value, meaning):
    item = Dataset()
    item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning = scheme, value, meaning
    return item


def test_a_document_says_what_its_objects_say_of_themselves(built, clock):
    batch = builders.batch(built)
    said = {"ProcedureCodeSequence": [coded("SCT", "241615005", "MRI of breast")], "SeriesInstanceUID": "1.2.3.1"}
    images = (
        {"ImageType": ["ORIGINAL", "PRIMARY"], "ImageLaterality": "L"},
        {"ContentLabel": "SUBTRACTION", "ImageLaterality": "L"},
        {},
    )
    for number, elements in enumerate(images):
        taken = take(built, batch, "a", made(f"1.2.3.1.{number}", InstanceNumber=number, **said, **elements))
        assert str(taken.outcome) == "pass"
    clock.on(2)
    assert document.rebuild(built) == 1
    told = documents(built)["1.2.3"]
    titles = [instance.get("title") for instance in told["series"][0]["instance"]]
    assert titles == ["ORIGINAL\\PRIMARY", "SUBTRACTION", None]
    assert told["procedureCode"][0]["coding"][0]["code"] == "241615005"
    assert told["series"][0]["performer"][0]["actor"]["reference"] == "Organization/hospital-a"


@pytest.mark.parametrize(("sides", "told"), [("LL", "Left"), ("LR", "Bilateral"), ("U", None)])
def test_the_side_of_a_series_is_that_of_all_its_images(built, clock, sides, told):
    for number, side in enumerate(sides):
        take(built, builders.batch(built), "a", made(f"1.2.3.1.{number}", ImageLaterality=side))
    clock.on(2)
    assert document.rebuild(built) == 1
    (series,) = documents(built)["1.2.3"]["series"]
    assert series.get("laterality", {}).get("display") == told


def test_studies_that_changed_at_one_moment_are_published_in_the_order_they_came(anywhere, clock):
    """Their stamps are what a history is ordered by: it may not tell how a database happens to lay out its rows."""
    batch = builders.batch(anywhere)
    studies = [f"1.2.{number}" for number in (9, 3, 7, 5)]
    for study in studies:
        assert str(take(anywhere, batch, "a", made(f"{study}.1", study=study)).outcome) == "pass"
    with anywhere.store.write() as connection:  # laid out anew, in another order
        for study in (studies[2], studies[0]):
            connection.execute(update(t.study).where(t.study.c.study_uid == study).values(age=1))
    clock.on(10)
    assert document.rebuild(anywhere) == 4
    with anywhere.store.read() as connection:
        assert list(connection.execute(select(t.study.c.study_uid).order_by(t.study.c.updated)).scalars()) == studies
