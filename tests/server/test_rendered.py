"""What a picture's parameters may say, anything else being the asker's mistake, and what a thumbnail is."""

import pytest
from flask import Flask

from adapters.identity import Keys
from mappings.failures import Invalid
from server.usecases import render
from server.usecases.render import Picture
from server.web import dicomweb_rendered
from server.web.dicomweb_rendered import THUMBNAIL
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
