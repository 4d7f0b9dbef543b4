"""How the FHIR doors answer: JSON or XML of it, pretty or not, as their callers take it; refusals too."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from mappings.failures import Failure, Invalid
from mappings.fhir.accept import accepted, is_xml
from mappings.fhir.as_xml import as_xml
from server.faults import Fault
from server.web.context import request, respond
from server.web.errors import Told, operation_outcome


def answer(body: bytes) -> Any:
    """A response of a resource's JSON, as this request takes it."""
    pretty, kind = request.values.get("_pretty", "false"), taken(request.values)
    if pretty not in ("true", "false"):
        raise Invalid("value", "_pretty takes true or false.", "_pretty")
    return respond(_written(body, kind, pretty=pretty == "true"), media_type=kind)


def _written(body: bytes, kind: str, *, pretty: bool) -> bytes:
    if is_xml(kind):
        return as_xml(body, pretty=pretty)
    return msgspec.json.format(body, indent=2) if pretty else body


def taken(values: Mapping[str, str]) -> str:
    """What is answered in. Raises NotAcceptable where the caller takes nothing that there is; so it is asked first."""
    return accepted(request.headers.get("Accept", ""), values.get("_format"))


def refused(failure: Failure, fault: Fault, asked: str) -> Told:
    """A refusal in what its caller takes; in JSON where that can't be told or is nothing we have."""
    told = operation_outcome(failure, fault, asked)
    try:
        kind = taken(request.args)
    except Failure:
        return told
    return replace(told, body=_written(told.body, kind, pretty=False), media_type=kind)
