"""Withdrawals over HTTP: a provider's client takes a study, or all of one pseudonym, out of its own dataset at once."""

import json
from typing import Any

from flask import Response

from consent.conditions import Action
from mappings.failures import Invalid
from server.usecases.naming import check_reason
from server.usecases.runtime import Caller
from server.usecases.withdraw import Leaving, find_patient, find_study, withdraw
from server.web.bodies import is_text, json_object
from server.web.context import caller, request, respond, runtime, serves
from server.web.errors import Door, problem

SCOPE = "ImagingStudy.d"
MOST_TEXT = 1024
"""Bytes of a text in UTF-8."""
MEMBERS = {"study": str, "dataset": str, "patient": str, "reason": str, "replace": bool, "dry_run": bool}
"""What a body may say, and of which type."""


def door() -> Door:
    """The one route."""
    routes = Door("withdrawals", problem)
    serves(routes, "/api/withdrawals", Action.WITHDRAW, scope=SCOPE, methods=("POST",))(take_out)
    return routes


def take_out() -> Response:
    """200 and what is out by now, or with `dry_run` what would be: {dataset, studies, objects, bytes, done}.

    The body names a `study`, or a `dataset` and a `patient` in it; `replace` lets replacements come. 404 for what is not the
    caller's own.
    """
    asked = _asked(json_object(request))
    leaving, done = _find(asked, caller()), not asked.get("dry_run")
    if done:
        withdraw(runtime(), caller().subject.id, leaving, replace=asked.get("replace", False), reason=asked.get("reason"))
    told = {"dataset": leaving.alias, "studies": leaving.studies, "objects": leaving.objects, "bytes": leaving.size}
    return respond(json.dumps(told | {"done": done}))


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    for name, value in body.items():
        kind = MEMBERS.get(name)
        if kind is None or not isinstance(value, kind) or (kind is str and not is_text(value, MOST_TEXT)):
            known = ", ".join(f"{member} ({'text' if of is str else 'true or false'})" for member, of in MEMBERS.items())
            raise Invalid("withdrawal-unreadable", f"A withdrawal says no more than: {known}.", "body")
    check_reason(body.get("reason"))  # also of a dry run, which tells what would be refused
    return body


def _find(asked: dict[str, Any], by: Caller) -> Leaving:
    match asked:
        case {"study": study} if not asked.keys() & {"dataset", "patient"}:
            return find_study(runtime(), study, by)
        case {"dataset": alias, "patient": patient} if "study" not in asked:
            return find_patient(runtime(), alias, patient, by)
    raise Invalid("withdrawal-of-what", "A withdrawal names a study, or a dataset and a patient in it.", "body")
