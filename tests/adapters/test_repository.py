"""What a researcher's client reads of a whole application, without a network: as much as it may, and nothing it was not told."""

import httpx
import pytest

from adapters import repository as reading
from adapters.repository import ALONE, Listed, Repository, retrieved
from mappings.dicom.study_row import study_row, study_uid
from mappings.failures import Forbidden, Invalid, NotFound, TooLarge, Unavailable
from tests.adapters.researchers import OPEN, SHARED, Researcher
from tests.builders import made


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    built = Researcher(tmp_path_factory.mktemp("house"))
    yield built
    built.runtime.close()


@pytest.fixture
def repository(house):
    house.restore()
    with house.connect() as client:
        yield Repository(client)


def test_studies_are_found_page_by_page(house, repository, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    found = [study_uid(study) for study in repository.studies([])]
    assert sorted(found) == sorted([*SHARED, OPEN])
    assert len(house.asked) == 2 + 2, "where a token is asked for, a token, and two pages"
    assert len(list(repository.studies([], 1))) == 1


def test_studies_are_narrowed_by_any_key_that_the_server_knows(repository):
    assert [study_uid(study) for study in repository.studies([("PatientID", "P2")])] == [SHARED[1]]
    assert list(repository.studies([("ModalitiesInStudy", "CT")])) == []


def test_a_key_that_the_server_leaves_out_is_no_narrower_question(repository):
    with pytest.raises(Invalid, match="can't be matched and were ignored: PatientWeight"):
        list(repository.studies([("PatientWeight", "80")]))


def test_a_study_is_listed_measured_and_taken_as_it_is_stored(repository):
    study = SHARED[0]
    listed = repository.listed(study)
    assert listed == [Listed(study, f"{study}.{s}", f"{study}.{s}.{n}") for s in (1, 2) for n in (1, 2, 3)]
    stored = repository.stored(listed[0])
    file = made(listed[0].instance, study=study, series=listed[0].series, PatientID="P1")
    assert repository.taken(listed[0].path, ALONE).read() == bytes(file)
    assert stored.size == len(file)
    assert 6 * len(file) < repository.size(retrieved(study)) < 6 * (len(file) + 500)


def test_what_may_not_be_had_is_said_in_the_servers_own_sentence(repository, house):
    with pytest.raises(Forbidden, match=f"Questions: {house.runtime.settings.contact}"):
        repository.size(retrieved(OPEN))
    with pytest.raises(NotFound, match="no such study here, or none for you"):
        repository.size(retrieved("1.2.99"))
    assert repository.instances("1.2.99") == []


def test_what_names_no_study_is_never_asked_for(repository, house):
    for named in ("../admin", "1.2/3", "", "1"):
        with pytest.raises(Invalid):
            repository.size(retrieved(named))
    assert house.asked == []


def test_the_dataset_of_a_study_is_told_and_described(repository):
    assert repository.dataset(SHARED[0]) == "LUNG"
    assert repository.dataset("1.2.99") is None
    assert b"Dataset LUNG" in repository.description("LUNG")
    with pytest.raises(NotFound):
        repository.description("../oauth")


def test_a_picture_is_as_large_as_its_client_may_see(repository, house):
    (first, *_) = repository.listed(SHARED[0])
    assert repository.picture(first.path, None, 4096)[:2] == b"\xff\xd8"
    (first, *_) = repository.listed(OPEN)
    assert repository.picture(first.path, 1, None)[:2] == b"\xff\xd8"
    with pytest.raises(Forbidden):
        repository.picture(first.path, None, 4096)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(200, text="<html>"), Unavailable),
        (httpx.Response(200, json={"title": "x"}), Unavailable),
        (httpx.Response(200, json=[{"0020000E": {"Value": ["../.."]}}]), Unavailable),
        (httpx.Response(200, content=b"[" + b" " * 2000), TooLarge),
        (httpx.Response(200, content=b"[" * 100_000), Unavailable),
        (httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip")), Unavailable),
    ],
)
def test_what_is_no_answer_of_an_accord_is_not_taken_for_one(repository, house, monkeypatch, answer, kind):
    monkeypatch.setattr(reading, "LARGEST_JSON", 1000 if kind is TooLarge else reading.LARGEST_JSON)
    house.before = lambda request: answer if request.url.path.endswith("/instances") else None
    with pytest.raises(kind):
        repository.listed(SHARED[0])


def test_a_server_that_does_not_say_a_digest_is_no_source(repository, house):
    (first, *_) = repository.listed(SHARED[0])
    house.before = lambda request: httpx.Response(200, headers={"Content-Length": "9"}) if request.method == "HEAD" else None
    with pytest.raises(Unavailable, match="does not say the digest"):
        repository.stored(first)


def test_what_is_only_planned_with_is_not_waited_for_long(repository, house):
    house.before = lambda request: httpx.Response(503) if request.method == "HEAD" else None
    with pytest.raises(Unavailable):
        repository.size(retrieved(SHARED[0]))
    assert house.pauses == [0.5]


def test_a_row_says_what_a_study_is_on_one_line_that_moves_no_cursor(repository):
    (found,) = repository.studies([("PatientID", "P1")])
    row = study_row(found | {"00081030": {"vr": "LO", "Value": ["\x1b[2Jof\nthe\tliver"]}})
    assert row == {
        "study": SHARED[0],
        "date": "2020-01-01",
        "modalities": "MR",
        "description": "?[2Jof?the?liver",
        "series": "2",
        "instances": "6",
        "patient": "P1",
    }
    assert study_row({"00081030": {"Value": None}, "0020000D": "x"})["study"] == ""
