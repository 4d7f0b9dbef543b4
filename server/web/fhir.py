"""The FHIR R4 door: `metadata`, and read and search of every type in the table of resources."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from consent.conditions import Action
from mappings.failures import Invalid, UnsupportedMedia
from mappings.fhir.accept import FHIR_JSON, check_accept
from mappings.fhir.resources import R4, served_in
from mappings.negotiation import preferences
from server.usecases.read import metadata, read_resource, search_resources
from server.usecases.sources import source_of
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, operation_outcome

_FORM = "application/x-www-form-urlencoded"


def door() -> Door:
    """Every route of the FHIR face, each with its action and scope."""
    routes = Door("fhir", operation_outcome, root="/fhir/", url_prefix="/fhir/R4")
    serves(routes, "/metadata", Action.DISCOVER, anonymous=True)(_metadata)
    for resource in [row.name for row in served_in(R4)]:
        for rule, method, letter, view in (
            (f"/{resource}", "GET", "s", _search(resource)),
            (f"/{resource}/_search", "POST", "s", _search_by_form(resource)),
            (f"/{resource}/<identity>", "GET", "r", _read(resource)),
        ):
            serves(routes, rule, source_of(resource).action, scope=f"{resource}.{letter}", methods=(method,), narrows=True)(view)
    return routes


def _metadata() -> Any:
    _acceptable()
    return respond(metadata(runtime(), caller(), version("accord")), media_type=FHIR_JSON)


def _search(resource: str) -> Callable[[], Any]:
    def view() -> Any:
        return _found(resource, list(request.args.items(multi=True)))

    view.__name__ = f"search_{resource}"
    return view


def _search_by_form(resource: str) -> Callable[[], Any]:
    def view() -> Any:
        if request.mimetype != _FORM and request.content_length:
            raise UnsupportedMedia("media-type", f"A posted search is {_FORM}.", "Content-Type")
        return _found(resource, [*request.args.items(multi=True), *request.form.items(multi=True)])

    view.__name__ = f"search_by_form_{resource}"
    return view


def _found(resource: str, arguments: list[tuple[str, str]]) -> Any:
    _acceptable()
    asked = [(name, value) for name, value in arguments if name != "_format"]
    handling = _handling()
    found = respond(search_resources(runtime(), caller(), resource, asked, lenient=handling == "lenient"), media_type=FHIR_JSON)
    if handling:
        found.headers["Preference-Applied"] = f"handling={handling}"
    return found


def _handling() -> str:
    """How parameters that are not known are to be handled, where the caller says so (R4 3.1.1.1.1): strict or lenient."""
    said = preferences(", ".join(request.headers.getlist("Prefer"))).get("handling", "")
    return said if said in ("strict", "lenient") else ""


def _read(resource: str) -> Callable[[str], Any]:
    def view(identity: str) -> Any:
        _acceptable()
        if unknown := [name for name in request.args if name != "_format"]:
            raise Invalid("unknown-parameter", f"A read takes no parameter {unknown[0][:64]}.", unknown[0][:64])
        resource_read = read_resource(runtime(), caller(), resource, identity)
        response = conditional(respond(resource_read.body, media_type=FHIR_JSON), resource_read.etag, weak=True)
        if resource_read.modified is not None:  # Werkzeug would say now
            response.last_modified = resource_read.modified  # said, and not compared: an agreement's end comes with the clock
        return response

    view.__name__ = f"read_{resource}"
    return view


def _acceptable() -> None:
    check_accept(request.headers.get("Accept", ""), request.values.get("_format"))
