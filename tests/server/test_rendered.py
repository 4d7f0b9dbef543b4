"""What a picture's parameters may say, anything else being the asker's mistake, and what a thumbnail is."""

import pytest
from flask import Flask

from adapters.identity import Keys
from mappings.failures import Invalid, NotAcceptable
from server.usecases import render
from server.usecases.agreement import move_agreement
from server.usecases.batch import close_batch
from server.usecases.render import Picture
from server.usecases.take import take
from server.web import dicomweb_rendered
from server.web.dicomweb_rendered import THUMBNAIL
from tests import builders
from tests.builders import made
from tests.house import CALLERS, build


@pytest.mark.parametrize("quality", ["²", "٣", "0", "101", "-1", "", "1e2", "9" * 5000])
def test_a_quality_is_a_number_from_1_to_100(quality):
    with Flask("test").test_request_context(query_string={"quality": quality}), pytest.raises(Invalid):
        dicomweb_rendered._quality()


@pytest.mark.parametrize(("of", "frame"), [("", 1), ("/frames/7", 7)])
def test_a_thumbnail_is_a_small_picture_in_the_window_of_its_object(tmp_path, monkeypatch, of, frame):
    house, asked = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json")), []
    monkeypatch.setattr(render, "render", lambda *given: asked.append(given[-1]) or b"a picture")
    path = f"/dicom-web/studies/{house.study}/series/{house.series}/instances/{house.instance}{of}/thumbnail"
    told = house.ask("GET", f"{path}?window=40,400,linear", CALLERS["user"])
    assert (told.status_code, told.content_type, told.data) == (200, "image/jpeg", b"a picture")
    assert asked == [Picture(frame, viewport=THUMBNAIL)]
    house.runtime.close()


SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"


@pytest.fixture
def house(tmp_path):
    """A house with a study of two images, five that come out of their order, and more that are drawn over these."""
    opened = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    batch = builders.batch(opened.runtime)
    for series, numbers, sop_class in ((1, (1, 2), None), (2, (5, 1, 4, None, 2), None), (3, range(1, 8), SEG)):
        for at, number in enumerate(numbers):
            named = {"InstanceNumber": number} | ({"SOPClassUID": sop_class} if sop_class else {})
            file = made(f"1.2.9.{series}.{number or 99}", study="1.2.9", series=f"1.2.9.{series}", **named)
            assert take(opened.runtime, batch, f"{series}/{at}", file).outcome == "pass"
    close_batch(opened.runtime, batch.id)
    yield opened
    opened.runtime.close()


@pytest.mark.parametrize(
    ("of", "shown"),
    [("", "1.2.9.2/1.2.9.2.4"), ("/series/1.2.9.1", "1.2.9.1/1.2.9.1.2"), ("/series/1.2.9.3", "1.2.9.3/1.2.9.3.4")],
)
def test_a_study_and_a_series_are_shown_by_the_middle_of_their_most_images(house, of, shown):
    told = house.ask("GET", f"/dicom-web/studies/1.2.9{of}/thumbnail", CALLERS["user"])
    series, instance = shown.split("/")
    own = house.ask("GET", f"/dicom-web/studies/1.2.9/series/{series}/instances/{instance}/thumbnail", CALLERS["user"])
    assert (told.status_code, told.content_type, told.data) == (200, "image/jpeg", own.data)
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        rows = connection.exec_driver_sql("SELECT action, target, count FROM access ORDER BY id DESC LIMIT 2").all()
    assert [tuple(row) for row in rows] == [("preview", f"1.2.9/{shown}", 1)] * 2, "recorded as what was seen"


def test_a_picture_is_drawn_once_and_decided_and_recorded_each_time(house, monkeypatch):
    path, drawn = "/dicom-web/studies/1.2.9/series/1.2.9.1/instances/1.2.9.1.1/rendered", []
    draw = house.runtime.pictures.draw
    monkeypatch.setattr(type(house.runtime.pictures), "draw", lambda _pool, *given: drawn.append(given) or draw(*given))
    first, again = (house.ask("GET", path, CALLERS["user"]) for _ in range(2))
    assert (again.status_code, again.data, len(drawn)) == (200, first.data, 1)
    assert house.ask("GET", f"{path}?quality=50", CALLERS["user"]).data != first.data
    house.runtime.accesses.flush()
    with house.runtime.store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM access WHERE action = 'preview'").scalar_one() == 3
    move_agreement(house.runtime, builders.ACTOR, "DSA-LUNG", "suspend")
    assert house.ask("GET", path, CALLERS["user"]).status_code == 410


def test_a_study_without_an_image_is_shown_by_nothing(house):
    batch = builders.batch(house.runtime)
    report = made("1.2.8.1.1", study="1.2.8", SOPClassUID=SR, PixelData=None)
    assert take(house.runtime, batch, "1", report).outcome == "pass"
    refused = house.ask("GET", "/dicom-web/studies/1.2.8/thumbnail", CALLERS["user"])
    assert (refused.status_code, refused.json["title"]) == (406, "no-pixels")


@pytest.mark.parametrize(
    ("asked", "refusal"), [("adobergb", NotAcceptable), ("rommrgb", NotAcceptable), ("x", Invalid), ("", Invalid)]
)
def test_a_profile_is_the_objects_or_srgbs(asked, refusal):
    with Flask("test").test_request_context(query_string={"iccprofile": asked}), pytest.raises(refusal):
        dicomweb_rendered._profile()


def test_a_profile_that_is_asked_for_is_the_pictures(house, monkeypatch):
    asked = []
    monkeypatch.setattr(render, "render", lambda *given: asked.append(given[-1]) or b"a picture")
    path = f"/dicom-web/studies/{house.study}/series/{house.series}/instances/{house.instance}/rendered"
    for profile in ("no", "yes", "sRGB"):
        assert house.ask("GET", f"{path}?iccprofile={profile}", CALLERS["user"]).status_code == 200
    assert [picture.profile for picture in asked] == ["no", "yes", "srgb"]
