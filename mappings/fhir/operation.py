"""The arguments of an operation where they come as a Parameters resource (R4 3.2.0), as a URL would have them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mappings.failures import Invalid

_HALVES = re.compile("[\ud800-\udfff]")
Arguments = list[tuple[str, str]]


def arguments_of(parameters: Mapping[str, Any]) -> Arguments:
    """The arguments: of a Coding, or of a CodeableConcept's first, its `system` and `code`. Raises Invalid where it is none."""
    given = parameters.get("parameter", [])
    if parameters.get("resourceType") != "Parameters" or not isinstance(given, list):
        raise Invalid("not-parameters", "The body of an operation is a Parameters resource.", "Parameters")
    return [pair for one in given for pair in _given(one)]


def _given(parameter: object) -> Iterator[tuple[str, str]]:
    told = parameter if isinstance(parameter, dict) else {}
    values = [(str(name), value) for name, value in told.items() if str(name).startswith("value")]
    pairs = list(_said(told.get("name"), *values[0])) if len(values) == 1 else []
    if not pairs or not all(isinstance(part, str) and not _HALVES.search(part) for pair in pairs for part in pair):
        sentence = "Each parameter has a name and one value: a text, a boolean, an instant, a reference or a Coding."
        raise Invalid("not-parameters", sentence, "parameter")
    yield from pairs


def _said(name: object, kind: str, value: Any) -> Iterator[tuple[Any, Any]]:
    if kind == "valueCodeableConcept" and isinstance(value, dict):
        codings = value.get("coding")
        kind, value = "valueCoding", codings[0] if isinstance(codings, list) and codings else None
    if kind == "valueCoding":
        yield from ((member, value[member]) for member in ("system", "code") if isinstance(value, dict) and member in value)
    elif isinstance(value, dict):
        yield name, value.get("reference")
    else:
        yield name, str(value).lower() if isinstance(value, bool) else value
