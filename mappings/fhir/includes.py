"""`_include` and `_revinclude` (R4 3.1.1.5.4): which references are followed from what was found, and to it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mappings.failures import Forbidden, Invalid
from mappings.fhir.chains import Granted
from mappings.fhir.parameters import Parameter
from mappings.fhir.resource_row import Resource
from mappings.fhir.resources import RESOURCES
from mappings.query import Condition

MOST_INCLUDES = 12
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Include:
    """One reference that is followed: the type that has it, its parameter, the type at its other end, and which way.

    `iterate`: also from what was included. `granted` is what the caller's scopes leave of the type that is brought along.
    """

    source: str
    parameter: Parameter
    target: str
    reverse: bool
    iterate: bool
    granted: Condition

    @property
    def start(self) -> str:
        """The type that it is followed from."""
        return self.target if self.reverse else self.source

    @property
    def brings(self) -> str:
        """The type that it brings along."""
        return self.source if self.reverse else self.target


def read_includes(row: Resource, arguments: Sequence[tuple[str, str]], granted: Granted) -> tuple[Include, ...]:
    """The includes that a search of this type asks for. Raises Invalid, and Forbidden where no scope covers one that is named."""
    read = [each for name, value in arguments for each in _read(row, name, value, granted)]
    unique = tuple({(i.source, i.parameter.name, i.target, i.reverse): i for i in read}.values())
    if len(unique) > MOST_INCLUDES:
        raise Invalid("too-many", f"A search follows at most {MOST_INCLUDES} references.", "_include")
    return unique


def _read(row: Resource, name: str, value: str, granted: Granted) -> Iterator[Include]:
    reverse, iterate = name.startswith("_rev"), ":" in name
    if value == EVERY and not reverse:
        value = f"{row.name}:{EVERY}"
    source, _, rest = value.partition(":")
    spelled, _, target = rest.partition(":")
    if source not in RESOURCES or not rest or (not iterate and not reverse and source != row.name):
        raise Invalid("value", f"{name} takes Type:parameter or Type:parameter:Target of the types that are searched.", name)
    pairs = list(_pairs(RESOURCES[source], spelled, target))
    if reverse and not iterate:
        pairs = [(parameter, kind) for parameter, kind in pairs if kind == row.name]
    if not pairs:
        raise Invalid("value", f"{source} has no reference {spelled[:64]} that can be followed so.", name)
    for parameter, kind in pairs:
        try:
            left = granted(source if reverse else kind)
        except Forbidden:
            if spelled != EVERY:
                raise
            continue
        yield Include(source, parameter, kind, reverse, iterate, left)


def _pairs(source: Resource, spelled: str, target: str) -> Iterator[tuple[Parameter, str]]:
    followed: set[tuple[str, str]] = set()
    for parameter in source.references.values():
        for kind in parameter.targets:
            if spelled in (EVERY, parameter.name) and target in ("", kind) and (parameter.path, kind) not in followed:
                followed.add((parameter.path, kind))
                yield parameter, kind


def referred(documents: Iterable[Any], include: Include) -> list[str]:
    """The ids of the type that an include brings along, as these documents (decoded) refer to it, each once, in order."""
    prefix = f"{include.target}/"
    found = (text for document in documents for text in _texts(document, include.parameter.path.split(".")))
    return list(dict.fromkeys(text.removeprefix(prefix) for text in found if text.startswith(prefix)))


def _texts(value: Any, path: Sequence[str]) -> Iterator[str]:
    """Every `reference` at a path, through lists."""
    if isinstance(value, list):
        for each in value:
            yield from _texts(each, path)
    elif isinstance(value, dict):
        if not path:
            yield from (value["reference"],) if "reference" in value else ()
        else:
            yield from _texts(value.get(path[0]), path[1:])
