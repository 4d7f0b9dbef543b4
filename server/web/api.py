"""The frame of `/api/…`: a route is a row that names its act, the types of its body and answer, its scope and its status.

What a row says is all that its OpenAPI document is made of, so neither can differ from what is served. A view is handed what its
row declares, already read, and returns its answer; who may do it, its use case asks (`consent.person.may`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import msgspec
from flask import Response
from msgspec import Struct

from consent.conditions import Action
from consent.person import Act
from mappings.api.shapes import read_body, read_query
from mappings.failures import Invalid, TooLarge
from server.web.bulkheads import Bulkhead
from server.web.context import request, respond, serves
from server.web.errors import Door, problem

MOST_BODY = 65_536
"""Bytes of a body, unless a row says otherwise."""
View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what it does (its view's docstring), by which act, from what, to what; `body` and `answer` None: there is none."""

    method: str
    rule: str
    does: str
    answer: type[Struct] | None
    body: type[Struct] | None = None
    query: type[Struct] | None = None
    status: int = 200
    act: Act | None = None
    scope: str | None = None


class Api(Door):
    """A door of `/api/…` and its rows, in the order they were added."""

    def __init__(self, name: str) -> None:
        super().__init__(name, problem)
        self.operations: list[Operation] = []

    def row(
        self,
        method: str,
        rule: str,
        answer: type[Struct] | None,
        *,
        scope: str | None = None,
        act: Act | None = None,
        action: Action | None = None,
        body: type[Struct] | None = None,
        query: type[Struct] | None = None,
        status: int = 200,
        anonymous: bool = False,
        most: int = MOST_BODY,
        bulkhead: Bulkhead | None = None,
    ) -> Callable[[View], View]:
        """Add a view as a route: `act` of the table of roles, `scope` that a token needs, such as `Consent.s`.

        The view is called with what its path names, and `asked=` its body or query where there is one. Anybody may ask what is
        `anonymous`. `action` of the matrix is *discover* for what reads and *govern* for what acts, unless a row says otherwise.
        """

        def add(view: View) -> View:
            does = (view.__doc__ or "").partition("\n")[0]
            operation = Operation(method, rule, does, answer, body, query, status, act, None if anonymous else scope)
            self.operations.append(operation)
            done = action or (Action.DISCOVER if method == "GET" else Action.GOVERN)
            known = {"scope": scope, "anonymous": anonymous, "body": most, "bulkhead": bulkhead}
            serves(self, rule, done, methods=(method,), **known)(_answering(operation, view, most))  # type: ignore[arg-type]
            return view

        return add


def _answering(row: Operation, view: View, most: int) -> View:
    @wraps(view)
    def answer(**named: str) -> Response:
        if row.body is not None:
            named["asked"] = read_body(_json(most), row.body)  # type: ignore[assignment]
        elif row.query is not None:
            named["asked"] = read_query(request.args.to_dict(), row.query)  # type: ignore[assignment]
        told = view(**named)
        if isinstance(told, Response):  # which its caller asked for in another form
            return told
        return respond(b"" if told is None else msgspec.json.encode(told), row.status)

    return answer


def _json(most: int) -> bytes:
    if (request.content_length or 0) > most:  # which `Bodies` has not touched
        raise TooLarge("body-too-large", f"A body has at most {most} bytes here.")
    if request.mimetype != "application/json":
        raise Invalid("not-json", "The body must be a JSON object, sent as application/json.", "Content-Type")
    return request.get_data(cache=False)
