"""Browsers on other origins (CORS, WHATWG Fetch section 3.2): which may read what is answered here, and what they may send.

Nothing is told to an origin that is not named in the settings, and credentials of the browser's own are never asked for: whoever
asks proves itself by its token.
"""

from flask import Flask, Response

from server.web.context import request, respond, start

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUESTED = ("Authorization", "Accept", "Range", "Content-Type", "If-None-Match", "Prefer")
EXPOSED = (
    "Content-Range",
    "Deprecation",
    "ETag",
    "Link",
    "Location",
    "Content-Location",
    "Retry-After",
    "Sunset",
    "Warning",
    "WWW-Authenticate",
    "X-Progress",
    "X-Total-Count",
)
_KEPT_SECONDS = 600


def install(app: Flask, origins: frozenset[str]) -> None:
    """Let these origins read what this app answers. Their preflights are answered before anybody is identified."""
    if not origins:
        return

    def preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        return _allowed() if request.headers.get("Origin") in origins else None

    def share(response: Response) -> Response:
        response.headers["Vary"] = ", ".join((*response.headers.getlist("Vary"), "Origin"))
        if (origin := request.headers.get("Origin", "")) in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
        return response

    app.before_request(preflight)
    app.after_request(share)


def _allowed() -> Response:
    start()
    return respond(
        b"",
        204,
        Access_Control_Allow_Methods=", ".join(METHODS),
        Access_Control_Allow_Headers=", ".join(REQUESTED),
        Access_Control_Max_Age=str(_KEPT_SECONDS),
    )
