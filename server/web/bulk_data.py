"""Bulk Data Access 2.0 beside the FHIR door: an export is asked for, polled, fetched file by file, and deleted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Response
from werkzeug.http import http_date

from adapters.export_files import chunks
from consent.conditions import Action
from mappings.failures import Invalid, MethodNotAllowed, UnsupportedMedia
from mappings.fhir.accept import accepted
from mappings.fhir.bulk import NDJSON, read_kickoff
from mappings.fhir.operation import arguments_of
from mappings.negotiation import preferences
from mappings.smart import ANY
from server.usecases.export import Progress, ask_export, delete_export, look_at_export, url
from server.usecases.give_export import give_file
from server.web.bodies import json_object
from server.web.bulkheads import Bulkhead
from server.web.context import caller, request, respond, runtime, serves, staying
from server.web.errors import Door
from server.web.fhir_answer import refused

SCOPE = f"{ANY}.rs"
_FORM = "application/x-www-form-urlencoded"
_LEVELS = {"": "/$export", "Patient": "/Patient/$export", "Group": "/Group/<identity>/$export"}
_SOON, _LATER = 1, 10
"""Seconds after which to look again: at an export just asked for, and at one that takes long."""


def door() -> Door:
    """The routes of exports, each with its action and scope."""
    routes = Door("bulk_data", refused, url_prefix="/fhir/R4")
    for level, rule in _LEVELS.items():
        for method in ("GET", "POST"):
            serves(routes, rule, Action.EXPORT, scope=SCOPE, methods=(method,), narrows=True)(_kick_off(level, method))
    one = "/$export/<key>"
    serves(routes, one, Action.EXPORT, scope=SCOPE, narrows=True)(status)
    serves(routes, one, Action.EXPORT, scope=SCOPE, methods=("DELETE",), narrows=True)(delete)
    serves(routes, f"{one}/<int:number>", Action.EXPORT, scope=SCOPE, bulkhead=Bulkhead.STREAM, narrows=True)(file)
    return routes


def _kick_off(level: str, method: str) -> Callable[..., Any]:
    def view(identity: str = "") -> Response:
        if request.method == "HEAD":
            raise MethodNotAllowed("http-405", "An export is asked for by GET or POST.")
        accepted(request.headers.get("Accept", ""), request.args.get("_format"))
        preferred = preferences(", ".join(request.headers.getlist("Prefer")))
        if "respond-async" not in preferred:
            raise Invalid("prefer-missing", "An export is answered later: say Prefer: respond-async.", "Prefer")
        arguments = [(name, value) for name, value in _arguments() if name != "_format"]
        kickoff = read_kickoff(level, identity, arguments, lenient=preferred.get("handling") == "lenient")
        asked = f"{runtime().settings.base_url}{request.full_path.rstrip('?')}"
        key = ask_export(runtime(), caller(), kickoff, asked)
        return respond(b"", 202, Content_Location=url(runtime(), key))

    view.__name__ = f"export_{level or 'system'}_{method}"
    return view


def _arguments() -> list[tuple[str, str]]:
    """What is asked for in the URL, and in a body that is a Parameters resource or a form."""
    given = list(request.args.items(multi=True))
    if request.method == "GET" or not request.content_length:
        return given
    if request.mimetype == _FORM:
        return [*given, *request.form.items(multi=True)]
    if not request.is_json:
        raise UnsupportedMedia("media-type", "Parameters are sent as application/fhir+json.", "Content-Type")
    return [*given, *arguments_of(json_object(request))]


def status(key: str) -> Response:
    """202 and how far it is, or 200 and the manifest."""
    found = look_at_export(runtime(), caller(), key)
    if isinstance(found, Progress):
        told = f"{found.given} resources so far" if found.begun else "waiting for its turn"
        again = _SOON if found.age < timedelta(seconds=_LATER) else _LATER
        return respond(b"", 202, X_Progress=told, Retry_After=str(again))
    return respond(found.manifest, Expires=http_date(found.expires))


def delete(key: str) -> Response:
    """202: nobody finds it any more."""
    delete_export(runtime(), caller(), key)
    return respond(b"", 202)


def file(key: str, number: int) -> Response:
    """A file, in gzip as it lies where that is accepted."""
    unpacked, taken = not request.accept_encodings["gzip"], request.method != "HEAD"
    with staying() as leave:
        given = give_file(runtime(), caller(), key, number, taken=taken)
        length = given.size if unpacked else given.packed
        response = respond(chunks(given.source, unpacked=unpacked), media_type=NDJSON, Content_Length=str(length))
        response.call_on_close(given.source.close)
        response.call_on_close(leave)
    if not unpacked:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept, Accept-Encoding, Authorization"
    return response
