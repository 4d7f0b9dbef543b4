"""FHIR R4 search: arguments to conditions, an order and a page, through the table of resources; links and cursors back.

Values separated by commas are alternatives, repeated parameters all hold (R4 3.1.1.4.17), each of rows of its own. What is not in
the table is refused by name, or ignored with a warning when the caller asks for lenient handling.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

import msgspec

from mappings.failures import Invalid
from mappings.fhir import chains
from mappings.fhir.chains import Asking, Granted, everything
from mappings.fhir.includes import Include, read_includes
from mappings.fhir.parameters import Context
from mappings.fhir.resource_row import Resource
from mappings.fhir.resources import RESOURCES
from mappings.fhir.serial import instant
from mappings.fhir.summaries import SUMMARIES, Subset, read_subset
from mappings.query import AllOf, Apart, Condition, Order, Position, check_values

INCLUDES = ("_include", "_include:iterate", "_include:recurse", "_revinclude", "_revinclude:iterate", "_revinclude:recurse")
RESULT_PARAMETERS = ("_count", "_total", "_totalMethod", "_format", "_pretty", "_summary", "_elements", "_sort")
"""Parameters that shape the answer, the same for every resource; beside the includes, which may be repeated."""
_TOTAL_METHOD = {"count": "accurate"}
"""fhirpy's `count()` says `_totalMethod=count` for what R4 calls `_total=accurate`."""
DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_ARGUMENTS = 40
MAX_VALUE = 4000
MAX_SORTS = 3
CURSOR = "_cursor"
_SPLIT = re.compile(r"(?<!\\),")
Arguments = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: after the match at `after`; or, of what the match with id `match` brings along, within its includes.

    `include` is the number of the include that goes on, after `included` rows of it were given up to that position.
    """

    after: Position
    match: str = ""
    include: int = 0
    included: Position = ()


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a place becomes a cursor that only we can read, and how it is opened: None where this question has not sealed it."""

    seal: Callable[[bytes, bytes], str]
    opened: Callable[[bytes, str], bytes | None]


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and with what: public address, moment, whom cursors are bound to and how, and what scopes leave of a type."""

    base: str
    now: datetime
    key: str
    sealing: Sealing
    granted: Granted = everything


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as read: its condition, order, page and totals, and the arguments that were `used` or passed over (`ignored`).

    `total` is "none", "accurate" or empty; `only_total` says that no entries are wanted. `cursor` makes of a place the cursor of
    what follows, which holds for this question and its reader only.
    """

    resource: str
    where: Condition
    order: tuple[Order, ...]
    count: int
    total: str
    only_total: bool
    subset: Subset
    includes: tuple[Include, ...]
    place: Place
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    cursor: Callable[[Place], str] = field(compare=False, repr=False)


def read(resource: str, arguments: Arguments, reader: Reader, *, lenient: bool = False) -> Asked:
    """Read a search. Raises Invalid, saying where; Forbidden where a chain or an include goes to what no scope covers."""
    _check(arguments)
    row = RESOURCES[resource]
    asked = [(n, v) for n, v in arguments if chains.is_known(row, n)]
    if row.is_growing and not any(n in ("_lastUpdated", CURSOR) for n, _ in arguments):
        asked.append(("_lastUpdated", f"le{instant(reader.now)}"))  # each page adds one, so without an end there would be none
    followed = [(n, v) for n, v in arguments if n in INCLUDES]
    shaping, ignored = _shaping(
        [(n, v) for n, v in arguments if n not in INCLUDES and not chains.is_known(row, n)], lenient=lenient
    )
    count = _count(shaping.get("_count"))
    method = _TOTAL_METHOD.get(_choice(shaping, "_totalMethod", tuple(_TOTAL_METHOD)), "")
    summary = _choice(shaping, "_summary", SUMMARIES)
    shapes = ((n, shaping[n]) for n in ("_total", "_totalMethod", "_summary", "_elements", "_sort", "_pretty") if n in shaping)
    used = (*asked, *followed, *shapes, ("_count", str(count)))
    question = msgspec.json.encode((resource, reader.key, used))
    return Asked(
        resource=resource,
        where=conditions(row, asked, reader),
        order=_order(row, shaping.get("_sort", "")),
        count=count,
        total=(_choice(shaping, "_total", ("none", "estimate", "accurate")) or method).replace("estimate", "accurate"),
        only_total=count == 0 or summary == "count",
        subset=read_subset(summary, shaping.get("_elements")),
        includes=read_includes(row, followed, reader.granted),
        place=_place(reader.sealing.opened(question, shaping[CURSOR])) if CURSOR in shaping else Place(()),
        used=used,
        ignored=tuple(ignored),
        cursor=lambda place: reader.sealing.seal(question, msgspec.json.encode(place)),
    )


def conditions(row: Resource, arguments: Arguments, reader: Reader) -> Condition:
    """What these arguments ask of a type, all of it; each of rows of its own."""
    asking = Asking(Context(reader.base, reader.now), reader.granted)
    return AllOf(tuple(Apart(chains.asked(row, n, _values(n, v), asking)) for n, v in arguments))


def _check(arguments: Arguments) -> None:
    if len(arguments) > MAX_ARGUMENTS or any(len(value) > MAX_VALUE for _, value in arguments):
        raise Invalid("too-many", f"A search takes at most {MAX_ARGUMENTS} arguments of at most {MAX_VALUE} characters.")
    check_values(sum(value.count(",") + 1 for _, value in arguments))
    if any("\0" in value for _, value in arguments):
        raise Invalid("value", "A search value has no NUL character.")


def _values(spelled: str, value: str) -> list[str]:
    values = [_ for _ in _SPLIT.split(value) if _]
    if not values:
        raise Invalid("value", f"{spelled[:96]} takes one or several values.", spelled[:96])
    return values


def _shaping(arguments: Arguments, *, lenient: bool) -> tuple[dict[str, str], list[str]]:
    shapers = {*RESULT_PARAMETERS, CURSOR}
    unknown = [n for n, _ in arguments if n not in shapers]
    if unknown and not lenient:
        name = unknown[0][:64]
        raise Invalid("unknown-parameter", f"There is no search parameter {name} here; see metadata for those there are.", name)
    shaping = {n: v for n, v in arguments if n in shapers}
    if len(shaping) + len(unknown) < len(arguments):
        raise Invalid("repeated", "A parameter that shapes the answer may be given once.")
    return shaping, unknown


def _choice(shaping: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    value = shaping.get(name, "")
    if value not in ("", *choices):
        raise Invalid("value", f"{name} takes one of: {', '.join(choices)}.", name)
    return value


def _count(value: str | None) -> int:
    if value is None:
        return DEFAULT_COUNT
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise Invalid("value", "_count takes a whole number from 0.", "_count")
    return min(int(value), MAX_COUNT)


def _order(row: Resource, sort: str) -> tuple[Order, ...]:
    """R4 3.1.1.5.1: the parameters to sort by, `-` before those that descend."""
    if not sort:
        return ()
    sortable = {name: parameter.sort for name, parameter in row.parameters.items() if parameter.sort}
    keys = sort.split(",")
    fields = [sortable.get(key.removeprefix("-"), "") for key in keys]
    if len(keys) > MAX_SORTS or not all(fields) or len(set(fields)) < len(fields):
        raise Invalid(
            "sort", f"{row.name} is sorted by up to {MAX_SORTS} of: {', '.join(sortable)} (descending with a -).", "_sort"
        )
    return tuple(Order(name, key.startswith("-")) for name, key in zip(fields, keys, strict=True))


# --- links


def self_link(asked: Asked, base: str) -> str:
    """The URL of what was really asked: parameters that were ignored are not in it."""
    return f"{base}/fhir/R4/{relative_link(asked)}"


def relative_link(asked: Asked) -> str:
    """The same, from the type on."""
    started = asked.place != Place(())
    return _relative(asked, (*asked.used, (CURSOR, asked.cursor(asked.place))) if started else asked.used)


def next_link(asked: Asked, base: str, place: Place) -> str:
    """The URL of the page after this place; it holds for this question and this reader only."""
    return f"{base}/fhir/R4/{_relative(asked, (*asked.used, (CURSOR, asked.cursor(place))))}"


def _relative(asked: Asked, arguments: Arguments) -> str:
    query = "&".join(f"{quote(n, safe=':')}={quote(v, safe='')}" for n, v in arguments)
    return asked.resource + (f"?{query}" if query else "")


def _place(opened: bytes | None) -> Place:
    if opened is None:
        raise Invalid("cursor", "This is no next link of this search. Follow next links as they are, or start again.", CURSOR)
    return msgspec.json.decode(opened, type=Place)
