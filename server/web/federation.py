"""EUCAIM's door: `POST /api/datasets/eucaimSearch`, as Focus calls it with `ENDPOINT_TYPE=omop`.

Its credential is the whole Authorization header, compared with a configured secret before anything of the body is read. Focus
takes exactly 200 for an answer, and a JSON object with at least one member.
"""

import json

from flask import Blueprint, Response

from consent.conditions import Action
from mappings.eucaim import encoded
from mappings.failures import Invalid, TooLarge
from server.faults import problem
from server.usecases.federate import answer
from server.web.context import answered, caller, hall, request, serves, shared_secret

PATH = "/api/datasets/eucaimSearch"
MAX_BODY = 1_000_000  # bytes


def blueprint() -> Blueprint:
    """The federation's one route."""
    federation = Blueprint("federation", __name__)
    add = serves(federation, PATH, Action.DISCOVER, anonymous=True, methods=("POST",), credential=shared_secret)
    add(eucaim_search)
    return federation


def eucaim_search() -> Response:
    """404 without a configured secret, 401 with another one, 400 for what is no JSON, 413 over 1 MB, 422 for what is no AST."""
    question = _question()
    try:
        reply = answer(hall(), caller(), _ast(question))
    except Invalid as failure:  # JSON, but not the question: EUCAIM's providers say 422 where the rest of us says 400
        return answered(problem(failure, 422, caller().request), 422, "application/problem+json")
    return answered(encoded(reply))


def _ast(question: object) -> object:
    if not isinstance(question, dict) or "ast" not in question:
        raise Invalid("ast-missing", "The body is an object with the question in its member ast.", "ast")
    return question["ast"]


def _question() -> object:
    if request.mimetype != "application/json":
        raise Invalid("not-json", "The body must be application/json.", "Content-Type")
    body = b"" if (request.content_length or 0) > MAX_BODY else request.stream.read(MAX_BODY + 1)
    if (request.content_length or 0) > MAX_BODY or len(body) > MAX_BODY:
        raise TooLarge("question-too-large", f"A question has at most {MAX_BODY} bytes.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("not-json", "The body can't be read as JSON.") from None
