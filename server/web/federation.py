"""EUCAIM's door: `POST /api/datasets/eucaimSearch`, as Focus calls it with `ENDPOINT_TYPE=omop`.

Its credential is the whole Authorization header, compared with a configured secret before anything of the body is read. Focus
takes exactly 200 for an answer, and a JSON object with at least one member.
"""

from flask import Response

from consent.conditions import Action
from mappings import json_text
from mappings.eucaim import PATH, encoded
from mappings.failures import Invalid, TooLarge
from server.usecases.federate import answer
from server.web.context import caller, request, respond, runtime, serves, shared_secret
from server.web.errors import Door, eucaim

MAX_BODY = 1_000_000  # bytes


def door() -> Door:
    """The federation's one route."""
    routes = Door("federation", eucaim)
    add = serves(routes, PATH, Action.DISCOVER, anonymous=True, methods=("POST",), body=MAX_BODY, credential=shared_secret)
    add(eucaim_search)
    return routes


def eucaim_search() -> Response:
    """404 without a configured secret, 401 with another one, 400: no JSON, 413: over 1 MB, 422: no AST, 429: too often."""
    question = _question()
    if not isinstance(question, dict) or "ast" not in question:
        raise Invalid("ast-missing", "The body is an object with the question in its member ast.", "ast")
    return respond(encoded(answer(runtime(), caller(), question["ast"], question.get("id"))))


def _question() -> object:
    if request.mimetype != "application/json":
        raise Invalid("not-json", "The body must be application/json.", "Content-Type")
    body = b"" if (request.content_length or 0) > MAX_BODY else request.stream.read(MAX_BODY + 1)
    if (request.content_length or 0) > MAX_BODY or len(body) > MAX_BODY:
        raise TooLarge("question-too-large", f"A question has at most {MAX_BODY} bytes.")
    try:
        return json_text.loads(body)
    except ValueError:
        raise Invalid("not-json", "The body can't be read as JSON.") from None
