"""The terms of use, open to everybody: `/terms` is the newest version, `/terms/VERSION` any published one."""

from flask import Blueprint, Response

from consent.conditions import Action
from server.usecases.terms import read_terms
from server.web.context import answered, hall, serves


def blueprint() -> Blueprint:
    """The two routes."""
    routes = Blueprint("terms", __name__)
    for rule in ("/terms", "/terms/<version>"):
        serves(routes, rule, Action.DISCOVER, anonymous=True)(read)
    return routes


def read(version: str | None = None) -> Response:
    """The text as it was published, its SHA-256 as ETag."""
    found = read_terms(hall(), version)
    headers = {"ETag": f'"{found.sha256}"', "Content_Location": f"/terms/{found.version}"}
    return answered(found.text, 200, "text/plain; charset=utf-8", **headers)
