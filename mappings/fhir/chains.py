"""Search parameters by name, and over references: chains (R4 3.1.1.4.13) and reverse chains (`_has`, 3.1.1.4.14).

Studies and patients are rows of one index, so that a step between them is no step at all; any other is a link to what the caller
may see of another source. Each type that is asked on the way is narrowed by the caller's scopes as if it had been searched.
"""

from dataclasses import dataclass
from typing import Protocol

from mappings.failures import Invalid
from mappings.fhir.parameters import Context, Match, Parameter
from mappings.fhir.resource_row import Resource
from mappings.fhir.resources import RESOURCES
from mappings.query import EVERYTHING, AllOf, AnyOf, Apart, Condition, Level, Linked, Not

MOST_HOPS = 2
HAS = "_has"
LEVELS = {"patients": Level.PATIENT, "studies": Level.STUDY}
"""Sources that are rows of one index."""


class Granted(Protocol):
    """What a caller's scopes leave of a type that it searches or reads (`letter`); raises Forbidden where that is nothing."""

    def __call__(self, resource: str, letter: str = "s") -> Condition:
        """What is left of it."""


def everything(resource: str, letter: str = "s") -> Condition:  # noqa: ARG001 - a `Granted`
    """All of every type."""
    return EVERYTHING


@dataclass(frozen=True, slots=True)
class Asking:
    """With what arguments are read: the context of their values, what is granted of other types, and how many hops are left."""

    context: Context
    granted: Granted
    hops: int = MOST_HOPS

    def further(self, spelled: str) -> "Asking":
        """The same, one hop on. Raises Invalid where that is one too many."""
        if not self.hops:
            raise Invalid("chain", f"A search follows at most {MOST_HOPS} references.", spelled[:96])
        return Asking(self.context, self.granted, self.hops - 1)


def is_known(resource: Resource, spelled: str) -> bool:
    """Whether the type has the parameter that an argument's name begins with; `_has` is every type's."""
    name = spelled.partition(".")[0].partition(":")[0]
    return name == HAS or name in resource.parameters


def asked(resource: Resource, spelled: str, values: list[str], asking: Asking) -> Condition:
    """What one argument asks: `name`, `name:modifier`, `name.chained`, `name:Type.chained` or `_has:Type:reference:name`."""
    first, dot, rest = spelled.partition(".")
    if first.startswith(f"{HAS}:") or first == HAS:
        return _having(resource, spelled, values, asking)
    name, _, modifier = first.partition(":")
    parameter = resource.parameters.get(name)
    if parameter is None:
        raise Invalid("unknown-parameter", f"{resource.name} has no search parameter {name[:64]}; see metadata.", spelled[:96])
    if dot:
        return _chained(resource, parameter, modifier, rest, values, asking.further(spelled))
    return _plain(parameter, modifier, values, asking.context, spelled)


def _plain(parameter: Parameter, modifier: str, values: list[str], context: Context, spelled: str) -> Condition:
    if modifier == "missing":
        return _missing(parameter, values)
    read = parameter.read
    if modifier in parameter.targets:
        values = [v if "/" in v else f"{modifier}/{v}" for v in values]
    elif modifier in parameter.modifiers:
        read = parameter.modifiers[modifier]
    elif modifier and not (modifier == "not" and parameter.type == "token"):
        raise Invalid("modifier", f"{parameter.name} does not take the modifier :{modifier[:32]}.", spelled[:96])
    any_of = AnyOf(tuple(read(value, context) for value in values))
    return Not(any_of) if modifier == "not" else any_of


def _missing(parameter: Parameter, values: list[str]) -> Condition:
    if values not in (["true"], ["false"]):
        raise Invalid("value", f"{parameter.name}:missing takes true or false.", parameter.name)
    return Not(parameter.present) if values == ["true"] else parameter.present


def _chained(resource: Resource, parameter: Parameter, kind: str, rest: str, values: list[str], asking: Asking) -> Condition:
    """What is asked of the target of a reference; of every type that has such a parameter where none is named."""
    if kind and kind not in parameter.targets:
        raise Invalid("chain", f"{parameter.name} points to no {kind[:64]}.", parameter.name)
    kinds = [kind] if kind else [name for name in parameter.targets if is_known(RESOURCES[name], rest)]
    if not kinds:
        raise Invalid(
            "chain", f"{parameter.name}.{rest[:64]} is no chain: what it points to has no such parameter.", parameter.name
        )
    steps = ((parameter.targets[name], RESOURCES[name]) for name in kinds)
    return AnyOf(tuple(_step(resource, match, target, _of(target, rest, values, asking)) for match, target in steps))


def _of(resource: Resource, spelled: str, values: list[str], asking: Asking) -> Condition:
    return AllOf((asked(resource, spelled, values, asking), asking.granted(resource.name)))


def _step(resource: Resource, match: Match, target: Resource, where: Condition) -> Condition:
    if resource.source in LEVELS and target.source in LEVELS:
        return Apart(where)
    return _link(match.field, target, target.identity.field, where)


def _having(resource: Resource, spelled: str, values: list[str], asking: Asking) -> Condition:
    """`_has:Type:reference:name`: what refers to this, and of which the rest holds."""
    if asking.hops < MOST_HOPS:
        raise Invalid("chain", "A _has stands at the beginning of a parameter's name.", spelled[:96])
    _, kind, name, rest = [*spelled.split(":", 3), "", "", ""][:4]
    parameter = RESOURCES[kind].parameters.get(name) if kind in RESOURCES else None
    if parameter is None or resource.name not in parameter.targets or not rest:
        raise Invalid("chain", f"_has is _has:Type:reference:parameter, of a reference to {resource.name}.", spelled[:96])
    where = _of(RESOURCES[kind], rest, values, asking.further(spelled))
    source = RESOURCES[kind].source
    if resource.source in LEVELS and source in LEVELS:
        return Apart(where, LEVELS[source])
    return _link(resource.identity.field, RESOURCES[kind], parameter.targets[resource.name].field, where)


def _link(field: str, resource: Resource, key: str, where: Condition) -> Condition:
    if not field or not key:
        raise Invalid("chain", f"No chain goes that way to {resource.name}; search it by itself.", resource.name)
    return Linked(field, resource.source, key, where)
