"""Whether a person may use datasets, asked by the platform's workspaces: `POST /api/datasetAccessCheck`."""

import msgspec
from flask import Response

from consent.conditions import Action
from mappings.api.access import AccessAsked
from server.usecases.access_check import denied
from server.web.api import Api
from server.web.context import caller, respond, runtime


def door() -> Api:
    """The one route."""
    routes = Api("access")
    known = {"scope": "ImagingStudy.s", "action": Action.DISCOVER, "status": 204}
    routes.row("POST", "/api/datasetAccessCheck", None, body=AccessAsked, **known)(check)  # type: ignore[arg-type]
    return routes


def check(asked: AccessAsked) -> Response | None:
    """Say whether a person may use these datasets: 204, or 403 with an array of those that it may not."""
    refused = denied(runtime(), caller(), asked.user, asked.datasets)
    return respond(msgspec.json.encode(refused), 403) if refused else None
