"""The HTTP door put together: blueprints, failures in the caller's dialect, one log line for each request.

Made by a factory that Granian calls in each of its processes; nothing happens at import.
"""

import logging
import time
from functools import partial

from flask import Flask, Response, g, request

from adapters.identity import Keys
from server.usecases.identify import identify
from server.usecases.runtime import Runtime
from server.web import (
    account,
    announced,
    api_access,
    api_agreements,
    api_datasets,
    api_document,
    api_documents,
    api_federation,
    api_people,
    api_stops,
    batches,
    bulk_data,
    catalogue,
    context,
    demo,
    dicomweb,
    errors,
    federation,
    fhir,
    fhir_r5,
    ledger,
    oauth,
    operations,
    origins,
    sign_in,
    terms,
    withdrawals,
)
from server.web.bulkheads import Bulkhead, bulkheads_of
from server.web.dicomweb_root import Uid
from server.web.gzipped import gzipped

log = logging.getLogger("accord.web")


def create(runtime: Runtime, keys: Keys) -> Flask:
    """The application of one process."""
    app = Flask("accord", static_folder=None)
    app.url_map.converters["uid"] = Uid
    app.url_map.merge_slashes = False  # or a path with two is answered by a redirect to whatever Host the request names
    app.config.update(MAX_FORM_MEMORY_SIZE=context.SMALL_BODY, MAX_FORM_PARTS=100)
    announced.install(app)
    origins.install(app, runtime.settings.allowed_origins)
    context.install(app, runtime, partial(identify, runtime, keys=keys), bulkheads_of(runtime.settings))
    doors = (dicomweb, fhir, fhir_r5, bulk_data, federation, catalogue, batches, withdrawals, terms, ledger, operations)
    pages = (sign_in, account, demo)
    api = [
        module.door()
        for module in (
            *(api_access, api_agreements, api_datasets, api_documents),
            *(api_federation, api_people, api_stops),
        )
    ]
    described = api_document.door(row for door in api for row in door.operations)
    others = (oauth.door(runtime, keys), dicomweb.dataset_door(), described)
    errors.install(app, *others, *api, *(module.door() for module in (*doors, *pages)))
    app.before_request(_limit)
    app.after_request(_finish)
    return app


def _limit() -> None:
    """Only uploads may be large; the rest is read into memory."""
    route = context.declared_here()
    if route is None or route.bulkhead is not Bulkhead.UPLOAD:
        request.max_content_length = context.SMALL_BODY


def _finish(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "private, no-cache" if "ETag" in response.headers else "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Request-Id"] = g.get("request_id", "")
    response.headers.setdefault("Vary", "Accept, Authorization")
    response = gzipped(response)
    _log(response)
    return response


def _log(response: Response) -> None:
    caller = g.get("caller")
    fields = {
        "request": g.get("request_id"),
        "method": request.method,
        "route": str(request.url_rule) if request.url_rule else None,
        "status": response.status_code,
        "ms": round((time.monotonic() - g.started) * 1000, 1),
        "subject": caller.subject.id if caller else None,
    }
    log.info("request", extra=fields)
