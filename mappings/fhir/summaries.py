"""Parts of resources (R4 3.1.1.5.8 and 9): `_summary` and `_elements`, cut from the bytes that are served.

What stays, stays byte for byte: only the outermost members are told apart, and those of the few elements that a summary shortens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from mappings.failures import Invalid
from mappings.fhir.resource_row import Resource

Raw = dict[str, msgspec.Raw]
Cut = Callable[[bytes], bytes]
SUMMARIES = ("true", "text", "data", "count", "false")
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_EVERY = frozenset({"implicitRules"})
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_members: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)
_items: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Subset:
    """What is wanted of each resource: a `_summary`, or the `_elements` of a type (empty: of any) besides the mandatory ones."""

    summary: str = ""
    elements: frozenset[str] = frozenset()


WHOLE = Subset()


def read_subset(summary: str, elements: str | None) -> Subset:
    """The subset that a search asks for. Raises Invalid."""
    if elements is None:
        return Subset(summary)
    names = frozenset(name.strip() for name in elements.split(","))
    if not all(name.isascii() and name.isalnum() for name in names):
        raise Invalid(
            "value", "_elements takes the names of elements at the top of a resource, separated by commas.", "_elements"
        )
    if summary not in ("", "false"):
        raise Invalid("value", "A search takes one of _summary and _elements.", "_elements")
    return Subset(elements=names)


def cutting(resource: Resource, subset: Subset) -> Cut | None:
    """How each resource of a type is cut; None where it stays whole (`data`: nothing served has a narrative)."""
    if subset.elements:
        return lambda document: _cut(document, subset.elements | resource.mandatory, {})
    if subset.summary == "true":
        return lambda document: _cut(document, resource.summary | resource.mandatory | _EVERY, resource.within)
    if subset.summary == "text":
        return lambda document: _cut(document, resource.mandatory | {"text"}, {})
    return None


def _cut(document: bytes, kept: frozenset[str], within: Mapping[str, frozenset[str]]) -> bytes:
    members = _members.decode(document)
    left: dict[str, object] = {name: value for name, value in members.items() if name in kept or name in _ALWAYS}
    meta = msgspec.json.decode(members["meta"], type=Raw) if "meta" in members else {}
    tags = msgspec.json.decode(meta["tag"], type=list[msgspec.Raw]) if "tag" in meta else []
    left["meta"] = {**meta, "tag": [*tags, _SUBSETTED]}
    for element in within.keys() & left.keys():
        items = _items.decode(members[element])
        left[element] = [{name: value for name, value in item.items() if name in within[element]} for item in items]
    return msgspec.json.encode(_ordered(left))


def _ordered(members: dict[str, object]) -> dict[str, object]:
    """Type, id and meta first, as `serial.document` has them."""
    return {name: members[name] for name in ("resourceType", "id", "meta") if name in members} | members
