"""Rendered frames (PS3.18 section 10.4.1.1.3): one frame of an instance as a picture that a person can look at."""

import re
from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings.dicom.accept import choose_rendered
from mappings.dicom.pixels.viewport import read_viewport
from mappings.failures import Invalid
from server.usecases import render
from server.usecases.render import PREVIEW, Picture
from server.web.bulkheads import Bulkhead
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.dicomweb_root import INSTANCE, accepted, wanted
from server.web.errors import Door


def add_routes(routes: Door) -> None:
    """Those of an instance and its frames as pictures."""
    for rule in (f"{INSTANCE}/rendered", f"{INSTANCE}/frames/<int:frame>/rendered"):
        serves(routes, rule, Action.PREVIEW, scope="ImagingStudy.r", bulkhead=Bulkhead.RENDER)(rendered)


def rendered(study: str, series: str, instance: str, frame: int = 1) -> Response:
    """One frame as a picture. Small JPEGs are previews.

    Larger ones, regions, PNG and a window of one's own need the right to view.
    """
    media_type = choose_rendered(accepted())
    viewport = request.args.get("viewport")
    room = PREVIEW if viewport is None else read_viewport(viewport)
    picture = Picture(frame, media_type, room, _window(request.args.get("window")), _quality())
    drawn = render.render(runtime(), caller(), wanted(study, series, instance), picture)
    return conditional(respond(drawn, media_type=media_type), sha256(drawn).hexdigest())


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
