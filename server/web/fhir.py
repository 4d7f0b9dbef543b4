"""The FHIR R4 door: `metadata`; read, search and history of every type in the table of resources; in JSON, or in XML of it."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from consent.conditions import Action
from mappings.failures import Invalid, UnsupportedMedia
from mappings.fhir.concept_maps import MAX_BODY, read_translation
from mappings.fhir.operation import arguments_of
from mappings.fhir.resource_row import R4, Resource
from mappings.fhir.resources import served_in
from mappings.fhir.summaries import SUMMARIES, Subset, read_subset
from mappings.negotiation import preferences
from mappings.smart import ANY
from server.usecases.follow import read_history
from server.usecases.read import Served, metadata, read_resource, search_resources, translated
from server.usecases.sources import source_of
from server.usecases.versions import CONSENT, read_version, read_versions
from server.web.bodies import json_object
from server.web.context import caller, conditional, request, runtime, serves
from server.web.errors import Door
from server.web.fhir_answer import answer, refused, taken

_FORM = "application/x-www-form-urlencoded"
_SHAPES = ("_format", "_pretty", "_summary", "_elements")
"""What a read may be asked for beside the resource."""
Arguments = list[tuple[str, str]]


def door() -> Door:
    """Every route of the FHIR face, each with its action and scope."""
    routes = Door("fhir", refused, root="/fhir/", url_prefix="/fhir/R4")
    serves(routes, "/metadata", Action.DISCOVER, anonymous=True)(_metadata)
    serves(routes, "/_history", Action.DISCOVER, scope=f"{ANY}.s", narrows=True)(_history())
    for row in served_in(R4):
        action = source_of(row.name).action
        for rule, method, letter, view in _rules(row):
            scope = None if row.is_public else f"{row.name}.{letter}"
            serves(routes, rule, action, scope=scope, anonymous=row.is_public, methods=(method,), narrows=True)(view)
    for rule in ("/ConceptMap/$translate", "/ConceptMap/<identity>/$translate"):
        serves(routes, rule, Action.DISCOVER, anonymous=True)(_translate)
        serves(routes, rule, Action.DISCOVER, anonymous=True, methods=("POST",), body=MAX_BODY)(_translate_posted)
    return routes


def _rules(row: Resource) -> Iterator[tuple[str, str, str, Callable[..., Any]]]:
    """The routes of a type: rule, method, letter of the scope, and view."""
    name = row.name
    yield f"/{name}", "GET", "s", _search(name)
    yield f"/{name}/_search", "POST", "s", _search_by_form(name)
    yield f"/{name}/<identity>", "GET", "r", _read(name)
    if row.is_of_patients:
        yield f"/Patient/<patient>/{name}", "GET", "s", _search_compartment(name)
        yield f"/Patient/<patient>/{name}/_search", "POST", "s", _search_compartment_by_form(name)
    if row.is_harvested:
        yield f"/{name}/_history", "GET", "s", _history(name)
        yield f"/{name}/<identity>/_history", "GET", "r", _versions if name == CONSENT else _history_of_one(name)
    if name == CONSENT:
        yield f"/{name}/<identity>/_history/<version>", "GET", "r", _version


def _translate(identity: str = "") -> Any:
    taken(request.values)
    asked = [(name, value) for name, value in request.args.items(multi=True) if name not in _SHAPES]
    return answer(translated(runtime(), caller(), read_translation(asked, identity)))


def _translate_posted(identity: str = "") -> Any:
    taken(request.args)
    request.max_content_length = MAX_BODY
    asked = read_translation(arguments_of(json_object(request)), identity)
    return answer(translated(runtime(), caller(), asked))


def _metadata() -> Any:
    taken(request.values)
    return answer(metadata(runtime(), caller(), version("accord")))


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
    taken(request.values)
    asked = [(name, value) for name, value in arguments if name != "_format"]
    handling = _handling()
    found = answer(search_resources(runtime(), caller(), resource, asked, lenient=handling == "lenient"))
    if handling:
        found.headers["Preference-Applied"] = f"handling={handling}"
    return found


def _handling() -> str:
    """How parameters that are not known are to be handled, where the caller says so (R4 3.1.1.1.1): strict or lenient."""
    said = preferences(", ".join(request.headers.getlist("Prefer"))).get("handling", "")
    return said if said in ("strict", "lenient") else ""


def _read(resource: str) -> Callable[[str], Any]:
    def view(identity: str) -> Any:
        taken(request.values)
        if unknown := [name for name in request.args if name not in _SHAPES]:
            raise Invalid("unknown-parameter", f"A read takes no parameter {unknown[0][:64]}.", unknown[0][:64])
        return _conditional(read_resource(runtime(), caller(), resource, identity, _subset()))

    view.__name__ = f"read_{resource}"
    return view


def _history(resource: str | None = None) -> Callable[[], Any]:
    def view() -> Any:
        return _happened(resource)

    view.__name__ = f"history_{resource or 'of_all'}"
    return view


def _history_of_one(resource: str) -> Callable[[str], Any]:
    def view(identity: str) -> Any:
        return _happened(resource, identity)

    view.__name__ = f"history_of_one_{resource}"
    return view


def _versions(identity: str) -> Any:
    taken(request.values)
    asked = [(name, value) for name, value in request.args.items(multi=True) if name != "_format"]
    return answer(read_versions(runtime(), caller(), asked, identity))


def _version(identity: str, version: str) -> Any:
    taken(request.values)
    response = answer(read_version(runtime(), caller(), identity, version))
    response.set_etag(version, weak=True)
    return response


def _happened(resource: str | None, identity: str | None = None) -> Any:
    taken(request.values)
    asked = [(name, value) for name, value in request.args.items(multi=True) if name != "_format"]
    return answer(read_history(runtime(), caller(), asked, resource, identity))


def _subset() -> Subset:
    summary = request.args.get("_summary", "")
    if summary not in ("", *SUMMARIES) or summary == "count":
        raise Invalid("value", "The _summary of a read is one of: true, text, data, false.", "_summary")
    return read_subset(summary, request.args.get("_elements"))


def _conditional(read: Served) -> Any:
    response = answer(read.body)
    if read.is_versioned:  # what else changes without a moment of its own: an agreement's end comes with the clock
        response.last_modified = read.modified
    response = conditional(response, read.etag, weak=True)
    if read.modified is not None:  # Werkzeug would say now
        response.last_modified = read.modified
    return response
