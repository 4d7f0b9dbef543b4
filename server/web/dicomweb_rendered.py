"""Rendered frames and thumbnails (PS3.18 sections 10.4.1.1.3, 10.4.1.1.4): one frame as a picture that a person can look at."""

import re
from collections.abc import Callable
from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings.dicom.accept import choose_rendered
from mappings.dicom.pixels.viewport import Viewport, read_viewport
from mappings.failures import Invalid, NotAcceptable
from server.usecases import render
from server.usecases.deliver import Wanted
from server.usecases.render import PREVIEW, Picture
from server.usecases.runtime import Caller, Runtime
from server.web.bulkheads import Bulkhead
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.dicomweb_root import INSTANCE, SERIES, STUDY, accepted, wanted
from server.web.errors import Door

THUMBNAIL = Viewport(256, 256)
_Draw = Callable[[Runtime, Caller, Wanted, Picture], bytes]
_PROFILES, _NOT_MADE = frozenset({"no", "yes", "srgb"}), frozenset({"adobergb", "rommrgb"})


def add_routes(routes: Door) -> None:
    """Those of an instance and its frames as pictures, and what stands for a study or series in a list."""
    for of in (INSTANCE, f"{INSTANCE}/frames/<int:frame>"):
        for name, view in (("rendered", rendered), ("thumbnail", thumbnail)):
            serves(routes, f"{of}/{name}", Action.PREVIEW, scope="ImagingStudy.r", bulkhead=Bulkhead.RENDER)(view)
    for of in (STUDY, SERIES):
        serves(routes, f"{of}/thumbnail", Action.PREVIEW, scope="ImagingStudy.r", bulkhead=Bulkhead.RENDER)(thumbnail_of_one)


def rendered(study: str, series: str, instance: str, frame: int = 1) -> Response:
    """One frame as a picture. Small JPEGs are previews.

    Larger ones, regions, PNG and a window of one's own need the right to view.
    """
    window = _window(request.args.get("window"))
    picture = Picture(frame, choose_rendered(accepted()), _room(PREVIEW), window, _quality(), _profile())
    return _drawn(render.render, wanted(study, series, instance), picture)


def thumbnail(study: str, series: str, instance: str, frame: int = 1) -> Response:
    """One frame as it is shown in a list of many: small, in the object's own window."""
    return _drawn(render.render, wanted(study, series, instance), Picture(frame, choose_rendered(accepted()), _room(THUMBNAIL)))


def thumbnail_of_one(study: str, series: str | None = None) -> Response:
    """The thumbnail of the object that stands for its study or series (PS3.18 section 10.4.1.1.3)."""
    return _drawn(render.render_one_of, wanted(study, series), Picture(1, choose_rendered(accepted()), _room(THUMBNAIL)))


def _drawn(draw: _Draw, asked: Wanted, picture: Picture) -> Response:
    drawn = draw(runtime(), caller(), asked, picture)
    return conditional(respond(drawn, media_type=picture.media_type), sha256(drawn).hexdigest())


def _room(usual: Viewport) -> Viewport:
    viewport = request.args.get("viewport")
    return usual if viewport is None else read_viewport(viewport)


def _window(window: str | None) -> tuple[float, float, str] | None:
    if window is None:
        return None
    try:
        centre, width, function = (*window.split(","), "linear")[:3]
        return float(centre), float(width), function.upper().replace("-", "_")
    except ValueError:
        raise Invalid("window-unreadable", "window is CENTRE,WIDTH,FUNCTION (PS3.18 8.3.5.1.4).", "window") from None


def _quality() -> int:
    quality = request.args.get("quality", "90")
    if not re.fullmatch("[1-9][0-9]{0,2}", quality) or int(quality) > 100:
        raise Invalid("quality-unreadable", "quality is a whole number from 1 to 100 (PS3.18 8.3.5.1.2).", "quality")
    return int(quality)


def _profile() -> str:
    """Which ICC profile the picture has (PS3.18 section 8.3.5.1.5)."""
    profile = request.args.get("iccprofile", "no").lower()
    if profile in _NOT_MADE:
        raise NotAcceptable("profile-not-made", "A picture has its object's own ICC profile, sRGB's, or none.", "iccprofile")
    if profile not in _PROFILES:
        raise Invalid("profile-unknown", "iccprofile is no, yes or srgb (PS3.18 8.3.5.1.5).", "iccprofile")
    return profile
