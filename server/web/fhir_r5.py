"""The FHIR R5 door, which reads and searches as the R4 one does and answers in R5 (JSON)."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from consent.conditions import Action
from mappings.failures import Invalid
from mappings.fhir.accept import FHIR_JSON, accepted
from mappings.fhir.r5 import as_r5
from mappings.fhir.resource_row import R5
from mappings.fhir.resources import served_in
from server.usecases.read import metadata, read_resource, search_resources
from server.usecases.sources import source_of
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, operation_outcome

_INCLUDES = ("_include", "_revinclude")
_SHAPES = ("_summary", "_elements")


def door() -> Door:
    """Every route of the R5 face, each with the action and scope of its like in R4."""
    routes = Door("fhir_r5", operation_outcome, root="/fhir/R5/", url_prefix="/fhir/R5")
    serves(routes, "/metadata", Action.DISCOVER, anonymous=True)(_metadata)
    for row in served_in(R5):
        action = source_of(row.name).action
        serves(routes, f"/{row.name}", action, scope=f"{row.name}.s", narrows=True)(_search(row.name))
        serves(routes, f"/{row.name}/<identity>", action, scope=f"{row.name}.r", narrows=True)(_read(row.name))
    return routes


def _metadata() -> Any:
    kind = _acceptable()
    return respond(metadata(runtime(), caller(), version("accord"), R5), media_type=kind)


def _search(resource: str) -> Callable[[], Any]:
    def view() -> Any:
        _acceptable()
        asked = [(name, value) for name, value in request.args.items(multi=True) if name != "_format"]
        for name, _ in asked:
            _check(name)
        return _answer(search_resources(runtime(), caller(), resource, asked))

    view.__name__ = f"search_{resource}"
    return view


def _check(name: str) -> None:
    """What would bring another type along, or cut elements that R5 calls otherwise."""
    if name.partition(":")[0] in (*_INCLUDES, *_SHAPES):
        raise Invalid("unknown-parameter", f"{name[:64]} is read under /fhir/R4 only.", name[:64])


def _read(resource: str) -> Callable[[str], Any]:
    def view(identity: str) -> Any:
        _acceptable()
        if unknown := [name for name in request.args if name != "_format"]:
            raise Invalid("unknown-parameter", f"A read takes no parameter {unknown[0][:64]} here.", unknown[0][:64])
        read = read_resource(runtime(), caller(), resource, identity)
        response = conditional(_answer(read.body), read.etag, weak=True)
        if read.modified is not None:
            response.last_modified = read.modified
        return response

    view.__name__ = f"read_{resource}"
    return view


def _answer(served: bytes) -> Any:
    return respond(as_r5(served, runtime().settings.base_url), media_type=_acceptable())


def _acceptable() -> str:
    return accepted(request.headers.get("Accept", ""), request.args.get("_format"), "5.0", (FHIR_JSON,))
