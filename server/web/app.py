"""The HTTP door put together: blueprints, failures in the caller's dialect, one log line for each request.

Made by a factory that Granian calls in each of its processes; nothing happens at import.
"""

import logging
import time
from functools import partial

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from adapters.identity import Keys
from mappings import failures
from mappings.failures import Failure
from mappings.fhir.outcome import outcome
from server import faults
from server.usecases.hall import Hall
from server.usecases.identify import identify
from server.web import batches, catalogue, context, dicomweb, federation, fhir, oauth, operations, terms
from server.web.bulkheads import Bulkhead, bulkheads_of

log = logging.getLogger("accord.web")
MAX_BODY = 2_000_000
_HTTP: dict[int, type[Failure]] = {
    400: failures.Invalid,
    404: failures.NotFound,
    405: failures.MethodNotAllowed,
    406: failures.NotAcceptable,
    413: failures.TooLarge,
    415: failures.UnsupportedMedia,
}


def create(hall: Hall, keys: Keys) -> Flask:
    """The application of one process."""
    app = Flask("accord", static_folder=None)
    app.config.update(MAX_FORM_MEMORY_SIZE=MAX_BODY, MAX_FORM_PARTS=100)
    context.install(app, hall, partial(identify, hall, keys=keys), bulkheads_of(hall.settings))
    blueprints = (dicomweb, fhir, federation, catalogue, batches, terms, operations)
    for made in (oauth.blueprint(hall, keys), *(module.blueprint() for module in blueprints)):
        app.register_blueprint(made)
    app.before_request(_limit)
    app.register_error_handler(Exception, _failed)
    app.after_request(_finish)
    return app


def _limit() -> None:
    """Only uploads may be large; the rest is read into memory."""
    g.started = time.monotonic()
    route = context.declared_here()
    if route is None or route.bulkhead is not Bulkhead.UPLOAD:
        request.max_content_length = MAX_BODY


def _failed(error: Exception) -> Response:
    reference = g.get("request_id", "")
    allowed = getattr(error, "valid_methods", None)
    if isinstance(error, HTTPException):
        kind = _HTTP.get(error.code or 500)
        error = kind(f"http-{error.code}", error.description or error.name) if kind else error
    fault = faults.fault(error)
    if fault is faults.UNKNOWN:
        log.error("unexpected", exc_info=error, extra={"request": reference})
    failure = faults.said(error, reference)
    response = _dialect(failure, fault, reference)
    if allowed:  # RFC 9110 section 15.5.6: a 405 says which methods there are
        response.headers["Allow"] = ", ".join(sorted(allowed))
    if isinstance(failure, failures.Busy):
        response.headers["Retry-After"] = str(failure.retry_after)
    if isinstance(failure, failures.Unavailable):
        response.headers["Retry-After"] = "10"
    if isinstance(failure, failures.Unauthenticated):
        response.headers["WWW-Authenticate"] = _challenge(failure)
    return response


def _challenge(failure: Failure) -> str:
    """RFC 6750 section 3: a request without a token is told of no error."""
    return 'Bearer realm="accord"' + ("" if failure.code == "token-missing" else ', error="invalid_token"')


def _dialect(failure: Failure, fault: faults.Fault, reference: str) -> Response:
    if request.path.startswith("/fhir/"):
        return context.answered(outcome(fault.issue, failure.sentence, failure.where), fault.http, "application/fhir+json")
    return context.answered(faults.problem(failure, fault.http, reference), fault.http, "application/problem+json")


def _finish(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = g.get("request_id", "")
    response.headers.setdefault("Vary", "Accept, Authorization")
    _log(response)
    return response


def _log(response: Response) -> None:
    caller = g.get("caller")
    said = {
        "request": g.get("request_id"),
        "method": request.method,
        "route": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "ms": round((time.monotonic() - g.get("started", time.monotonic())) * 1000, 1),
        "subject": caller.subject.id if caller else None,
    }
    log.info("request", extra=said)
