"""The FHIR R4 door: `metadata`, and read and search of every type in the table of resources; in JSON, or in XML of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any
from xml.dom.minidom import parseString

import msgspec

from consent.conditions import Action
from mappings.failures import Failure, Invalid, UnsupportedMedia
from mappings.fhir.accept import FHIR_JSON, FHIR_XML, accepted
from mappings.fhir.as_xml import as_xml
from mappings.fhir.resources import R4, served_in
from mappings.fhir.summaries import SUMMARIES, Subset, read_subset
from mappings.negotiation import preferences
from server.faults import Fault
from server.usecases.read import Served, metadata, read_resource, search_resources
from server.usecases.sources import source_of
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, Told, operation_outcome

_FORM = "application/x-www-form-urlencoded"
_SHAPES = ("_format", "_pretty", "_summary", "_elements")
"""What a read may be asked for beside the resource."""
Arguments = list[tuple[str, str]]


def door() -> Door:
    """Every route of the FHIR face, each with its action and scope."""
    routes = Door("fhir", _refused, root="/fhir/", url_prefix="/fhir/R4")
    serves(routes, "/metadata", Action.DISCOVER, anonymous=True)(_metadata)
    for row in served_in(R4):
        rules: list[tuple[str, str, str, Callable[..., Any]]] = [
            (f"/{row.name}", "GET", "s", _search(row.name)),
            (f"/{row.name}/_search", "POST", "s", _search_by_form(row.name)),
            (f"/{row.name}/<identity>", "GET", "r", _read(row.name)),
        ]
        if row.is_of_patients:
            rules += [
                (f"/Patient/<patient>/{row.name}", "GET", "s", _search_compartment(row.name)),
                (f"/Patient/<patient>/{row.name}/_search", "POST", "s", _search_compartment_by_form(row.name)),
            ]
        for rule, method, letter, view in rules:
            scope, action = f"{row.name}.{letter}", source_of(row.name).action
            serves(routes, rule, action, scope=scope, methods=(method,), narrows=True)(view)
    return routes


def _metadata() -> Any:
    _kind(request.values)
    return _answer(metadata(runtime(), caller(), version("accord")))


def _search(resource: str) -> Callable[[], Any]:
    def view() -> Any:
        return _found(resource, list(request.args.items(multi=True)))

    view.__name__ = f"search_{resource}"
    return view


def _search_by_form(resource: str) -> Callable[[], Any]:
    def view() -> Any:
        return _found(resource, _form_arguments())

    view.__name__ = f"search_by_form_{resource}"
    return view


def _search_compartment(resource: str) -> Callable[[str], Any]:
    """Searching what is about one patient (R4 3.1.1.4.1.1)."""

    def view(patient: str) -> Any:
        return _found(resource, [("patient", f"Patient/{patient}"), *request.args.items(multi=True)])

    view.__name__ = f"search_compartment_{resource}"
    return view


def _search_compartment_by_form(resource: str) -> Callable[[str], Any]:
    def view(patient: str) -> Any:
        return _found(resource, [("patient", f"Patient/{patient}"), *_form_arguments()])

    view.__name__ = f"search_compartment_by_form_{resource}"
    return view


def _form_arguments() -> Arguments:
    if request.mimetype != _FORM and request.content_length:
        raise UnsupportedMedia("media-type", f"A posted search is {_FORM}.", "Content-Type")
    return [*request.args.items(multi=True), *request.form.items(multi=True)]


def _found(resource: str, arguments: Arguments) -> Any:
    _kind(request.values)
    asked = [(name, value) for name, value in arguments if name != "_format"]
    handling = _handling()
    found = _answer(search_resources(runtime(), caller(), resource, asked, lenient=handling == "lenient"))
    if handling:
        found.headers["Preference-Applied"] = f"handling={handling}"
    return found


def _handling() -> str:
    """How parameters that are not known are to be handled, where the caller says so (R4 3.1.1.1.1): strict or lenient."""
    said = preferences(", ".join(request.headers.getlist("Prefer"))).get("handling", "")
    return said if said in ("strict", "lenient") else ""


def _read(resource: str) -> Callable[[str], Any]:
    def view(identity: str) -> Any:
        _kind(request.values)
        if unknown := [name for name in request.args if name not in _SHAPES]:
            raise Invalid("unknown-parameter", f"A read takes no parameter {unknown[0][:64]}.", unknown[0][:64])
        return _conditional(read_resource(runtime(), caller(), resource, identity, _subset()))

    view.__name__ = f"read_{resource}"
    return view


def _subset() -> Subset:
    summary = request.args.get("_summary", "")
    if summary not in ("", *SUMMARIES) or summary == "count":
        raise Invalid("value", "The _summary of a read is one of: true, text, data, false.", "_summary")
    return read_subset(summary, request.args.get("_elements"))


def _conditional(read: Served) -> Any:
    response = _answer(read.body)
    if read.is_versioned:  # what else changes without a moment of its own: an agreement's end comes with the clock
        response.last_modified = read.modified
    response = conditional(response, read.etag, weak=True)
    if read.modified is not None:  # Werkzeug would say now
        response.last_modified = read.modified
    return response


def _answer(body: bytes) -> Any:
    pretty, kind = request.values.get("_pretty", "false"), _kind(request.values)
    if pretty not in ("true", "false"):
        raise Invalid("value", "_pretty takes true or false.", "_pretty")
    return respond(_written(body, kind, pretty=pretty == "true"), media_type=kind)


def _written(body: bytes, kind: str, *, pretty: bool) -> bytes:
    if kind == FHIR_JSON:
        return msgspec.json.format(body, indent=2) if pretty else body
    written = as_xml(body)
    return parseString(written).toprettyxml(indent="  ", encoding="UTF-8") if pretty else written  # noqa: S318 - of our own


def _kind(values: Mapping[str, str]) -> str:
    """What is answered in. Raises NotAcceptable where the caller takes nothing that there is; so it is asked first."""
    return accepted(request.headers.get("Accept", ""), values.get("_format"))


def _refused(failure: Failure, fault: Fault, asked: str) -> Told:
    """A refusal in what its caller takes; in JSON where that can't be told or is nothing we have."""
    told = operation_outcome(failure, fault, asked)
    try:
        is_xml = _kind(request.args) == FHIR_XML
    except Failure:
        return told
    return replace(told, body=as_xml(told.body), media_type=FHIR_XML) if is_xml else told
