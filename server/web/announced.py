"""What is announced of an address, in the fields of its answers: Deprecation, Sunset, and Retry-After while it is away."""

from functools import partial
from math import ceil

from flask import Flask, Response
from werkzeug.http import http_date

from consent.announcement import away_until, ending
from server.usecases.announced import Announcements
from server.web.context import request, runtime


def install(app: Flask) -> None:
    """Have every answer of this app say what is announced of its address."""
    app.after_request(partial(_tell, Announcements()))


def _tell(announcements: Announcements, response: Response) -> Response:
    """RFC 9745 section 2, RFC 8594 section 3; a 503 in an announced outage says its end (RFC 9110 section 10.2.3)."""
    known, now = announcements.current(runtime()), runtime().clock()
    ends = ending(request.path, now, known)
    if ends is not None:
        response.headers["Deprecation"] = f"@{int(ends.at.timestamp())}"
        response.headers["Sunset"] = http_date(ends.effective)
    back = away_until(request.path, now, known) if response.status_code == 503 else None
    if back is not None:
        response.headers["Retry-After"] = str(ceil((back - now).total_seconds()))
    return response
