"""Health: whether this process lives, and whether it is ready; which node or disk is the trouble is for the operator."""

import json

from flask import Response

from adapters.nodes.watch import Watch
from consent.conditions import Action
from server.usecases import health
from server.web.context import caller, respond, runtime, serves
from server.web.errors import Door, problem


def door() -> Door:
    """`/health/live`, `/health/ready`."""
    routes, watch = Door("operations", problem), Watch()

    @serves(routes, "/health/live", Action.DISCOVER, anonymous=True, waits=False)
    def live() -> Response:
        return respond(b'{"status":"alive"}')

    @serves(routes, "/health/ready", Action.DISCOVER, anonymous=True)
    def ready() -> Response:
        readiness = health.check_readiness(runtime(), caller(), watch)
        return respond(json.dumps(readiness.document).encode(), 200 if readiness.ok else 503)

    return routes
