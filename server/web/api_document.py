"""The OpenAPI 3.1 document of `/api/…`, made of its rows once, when the application is."""

import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec
from flask import Response
from msgspec import Struct

from consent.conditions import Action
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.api import batches as b
from mappings.api.shapes import Problem
from server.web.api import Operation
from server.web.context import conditional, respond, serves
from server.web.errors import Door, problem

PATH = "/api/openapi.json"
_ONE = "/api/batches/<key>"
_PUSH = "ImagingStudy.c"
EARLIER = (
    Operation("POST", "/api/batches", "Open a batch.", b.BatchTold, b.BatchAsked, status=201, scope=_PUSH),
    Operation("GET", "/api/batches", "List the caller's newest batches.", b.BatchesTold, scope=_PUSH),
    Operation("GET", _ONE, "Read a batch's report.", b.ReportTold, scope=_PUSH),
    Operation("PATCH", _ONE, "Close a batch.", b.BatchTold, b.CloseAsked, scope=_PUSH),
    Operation("POST", f"{_ONE}/known", "Ask which files need not be sent.", b.KnownTold, b.KnownAsked, scope=_PUSH),
    Operation(
        "POST",
        "/api/withdrawals",
        "Take a study, or all of one pseudonym, out.",
        b.WithdrawalTold,
        b.WithdrawalAsked,
        scope="ImagingStudy.d",
    ),
)
"""Routes that were there before the frame. `eucaimSearch` is in no document of ours: its form is EUCAIM's."""


def door(operations: Iterable[Operation]) -> Door:
    """The document's one route, open to everybody."""
    routes = Door("api-document", problem)
    document = msgspec.json.encode(described((*EARLIER, *operations)))
    digest = sha256(document).hexdigest()

    @serves(routes, PATH, Action.DISCOVER, anonymous=True)
    def read() -> Response:
        return conditional(respond(document), digest)

    return routes


def described(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document (OpenAPI 3.1.0) of these rows, without an address: it holds wherever it is read."""
    rows = tuple(operations)
    types: dict[type[Struct], None] = {Problem: None}
    for row in rows:
        types |= dict.fromkeys(t for t in (row.body, row.query, row.answer) if t is not None)
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(_NAMED.sub(r"{\1}", row.rule), {})[row.method.lower()] = _operation(row, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Accord", "version": "1", "description": NEVER_FOR_DIAGNOSIS},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
    }


_NAMED = re.compile(r"<(?:\w+:)?(\w+)>")
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token of `/oauth/token`."},
}


def _operation(row: Operation, components: dict[str, Any]) -> dict[str, Any]:
    named = [_parameter("path", name, {"type": "string"}, required=True) for name in _NAMED.findall(row.rule)]
    said: dict[str, Any] = {
        "summary": row.does,
        "operationId": "-".join((row.method.lower(), *re.findall(r"\w+", row.rule)[1:])),
        "parameters": [*named, *_queried(row, components)],
        "responses": {str(row.status): _answered(row), "default": _PROBLEM},
        "security": [{"bearer": []}] if row.scope else [{}],
    }
    if row.scope:
        said["description"] = f"Needs the scope `system/{row.scope}`."
    if row.act is not None:
        said["x-accord-act"] = row.act
    if row.body is not None:
        said["requestBody"] = {"required": True, "content": _json(row.body)}
    return said


def _queried(row: Operation, components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if row.query is not None:
        schema = components[row.query.__name__]
        for name, of in schema["properties"].items():
            yield _parameter("query", name, of, required=name in schema.get("required", ()))


def _parameter(place: str, name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    return {"in": place, "name": name, "required": required, "schema": schema}


def _answered(row: Operation) -> dict[str, Any]:
    return {"description": row.does, **({"content": _json(row.answer)} if row.answer is not None else {})}


def _json(of: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{of.__name__}"}}}


_PROBLEM = {
    "description": "It was refused: a stable code, and a sentence that helps (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
