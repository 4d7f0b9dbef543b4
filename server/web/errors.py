"""How the HTTP door tells of failures: each blueprint declares its dialect once, and every failure of its routes is told in it.

A path that is not there speaks the dialect of the door under whose root it lies; below no root, it is problem+json.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException

from mappings import failures as f
from mappings.failures import Failure
from mappings.fhir.outcome import outcome
from mappings.smart import ANY
from server import faults
from server.faults import Fault
from server.web.context import request, request_id, respond

log = logging.getLogger("accord.web")


@dataclass(frozen=True, slots=True)
class Told:
    """A failure in somebody's dialect."""

    status: int
    body: bytes
    media_type: str = "application/problem+json"
    headers: Mapping[str, str] = field(default_factory=dict)


Dialect = Callable[[Failure, Fault, str], Told]
"""A failure, what each dialect calls its kind, and the request's id → how its callers are told."""


def problem(failure: Failure, fault: Fault, request: str) -> Told:
    """Problem details (RFC 9457): our own dialect, and beside its status DICOMweb's (PS3.18 section 8.5)."""
    return Told(fault.http, faults.problem(failure, fault.http, request), headers=_challenge(failure))


def operation_outcome(failure: Failure, fault: Fault, _request: str) -> Told:
    """FHIR's OperationOutcome (R4 section 3.1.0.1.9)."""
    told = outcome(fault.issue, failure.sentence, failure.where)
    return Told(fault.http, told, "application/fhir+json", _challenge(failure))


def eucaim(failure: Failure, fault: Fault, request: str) -> Told:
    """EUCAIM's providers say 422 of JSON that is not the question, where the rest of us says 400."""
    if isinstance(failure, f.Invalid) and failure.code != "not-json":
        return Told(422, faults.problem(failure, 422, request))
    return problem(failure, fault, request)


OAUTH: dict[type[Failure], tuple[str, int]] = {
    f.Unauthenticated: ("invalid_client", 401),
    f.Forbidden: ("unauthorized_client", 400),
    f.Invalid: ("invalid_request", 400),
    f.UnsupportedMedia: ("invalid_request", 400),
    f.TooLarge: ("invalid_request", 413),
    f.TooSlow: ("invalid_request", 408),
}
"""Our failures as RFC 6749 section 5.2 names them; one whose place is `scope` is `invalid_scope`. Others are no OAuth matter."""


_GRANTS = {
    "authorization-pending": "authorization_pending",
    "slow-down": "slow_down",
    "access-denied": "access_denied",
    "device-expired": "expired_token",
    "grant-spent": "invalid_grant",
}
"""Codes that RFC 8628 section 3.5 and RFC 6749 section 5.2 have a word of their own for."""


def oauth(failure: Failure, fault: Fault, request: str) -> Told:
    """RFC 6749 section 5.2, our stable code beside its sentence."""
    if type(failure) not in OAUTH:
        return problem(failure, fault, request)
    error, status = OAUTH[type(failure)]
    error = _GRANTS.get(failure.code, error)
    sentence = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in failure.sentence)
    named = {"error": "invalid_scope" if failure.where == "scope" else error, "error_description": sentence, "code": failure.code}
    private = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Told(status, json.dumps(named).encode(), "application/json", private | (_challenge(failure) if status == 401 else {}))


def _challenge(failure: Failure) -> dict[str, str]:
    """RFC 6750 section 3: a request without a token is told of no error; one whose scopes are too few, of those it needs."""
    if failure.code == "insufficient-scope":
        where = str(failure.where).replace(ANY, "*")
        return {"WWW-Authenticate": f'Bearer realm="accord", error="insufficient_scope", scope="system/{where}"'}
    if not isinstance(failure, f.Unauthenticated):
        return {}
    lacking = "" if failure.code == "token-missing" else ', error="invalid_token"'
    return {"WWW-Authenticate": f'Bearer realm="accord"{lacking}'}


class Door(Blueprint):
    """A blueprint with its dialect, which paths below `root` speak too when they are not there."""

    def __init__(self, name: str, dialect: Dialect, *, root: str | None = None, url_prefix: str | None = None) -> None:
        super().__init__(name, __name__, url_prefix=url_prefix)
        self.dialect, self.root = dialect, root


def install(app: Flask, *doors: Door) -> None:
    """Register these doors, and tell of every failure in their dialects."""
    for door in doors:
        app.register_blueprint(door)
    by_name = {door.name: door.dialect for door in doors}
    by_root = {door.root: door.dialect for door in doors if door.root}

    def dialect() -> Dialect:
        if request.blueprint in by_name:
            return by_name[request.blueprint]
        return next((spoken for root, spoken in by_root.items() if request.path.startswith(root)), problem)

    app.register_error_handler(Exception, lambda error: _failed(error, dialect()))


_HTTP: dict[int, tuple[type[Failure], str]] = {
    400: (f.Invalid, "The request can't be read."),
    404: (f.NotFound, "There is nothing at this path."),
    405: (f.MethodNotAllowed, "This path does not take that method; Allow says which it takes."),
    406: (f.NotAcceptable, "Nothing that is accepted can be made here."),
    413: (f.TooLarge, "The body is larger than is taken here."),
    415: (f.UnsupportedMedia, "A body of this type is not taken here."),
}
"""The framework's refusals in our own words: its sentences are for browsers."""


def _failed(error: Exception, dialect: Dialect) -> Response:
    reference = request_id()
    allowed = getattr(error, "valid_methods", None)
    if isinstance(error, HTTPException):
        known = _HTTP.get(error.code or 500)
        error = known[0](f"http-{error.code}", known[1]) if known else error
    fault = faults.fault(error)
    if fault is faults.UNKNOWN:
        log.error("unexpected", exc_info=error, extra={"request": reference})
    failure = faults.failure_of(error, reference)
    told = dialect(failure, fault, reference)
    response = respond(told.body, told.status, told.media_type)
    response.headers.update(told.headers)
    if allowed:  # RFC 9110 section 15.5.6: a 405 says which methods there are
        response.headers["Allow"] = ", ".join(sorted(allowed))
    if isinstance(failure, f.Unsatisfiable):  # RFC 9110 section 15.5.17
        response.headers["Content-Range"] = f"bytes */{failure.size}"
    if isinstance(failure, f.Busy | f.Throttled | f.Unavailable):
        response.headers["Retry-After"] = str(failure.retry_after)
    return response
