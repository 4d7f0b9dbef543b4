"""The terms of use, open to everybody: `/terms` is the newest version, `/terms/VERSION` any published one."""

from flask import Response

from consent.conditions import Action
from server.usecases.terms import read_terms
from server.web.context import conditional, respond, runtime, serves
from server.web.errors import Door, problem


def door() -> Door:
    """The two routes."""
    routes = Door("terms", problem)
    for rule in ("/terms", "/terms/<version>"):
        serves(routes, rule, Action.DISCOVER, anonymous=True)(read)
    return routes


def read(version: str | None = None) -> Response:
    """The text as it was published, its SHA-256 as ETag."""
    terms = read_terms(runtime(), version)
    response = respond(terms.text, media_type="text/plain; charset=utf-8", Content_Location=f"/terms/{terms.version}")
    return conditional(response, terms.sha256)
