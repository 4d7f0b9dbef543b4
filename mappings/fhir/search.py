"""FHIR R4 search: arguments to conditions and a page, through the table of resources; links and cursors back.

Values separated by commas are alternatives, repeated parameters all hold (R4 3.1.1.4.17). What is not in the table is refused by
name, or ignored with a warning when the caller asks for lenient handling.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

import msgspec

from mappings.failures import Invalid
from mappings.fhir.parameters import Parameter
from mappings.fhir.resources import RESOURCES
from mappings.query import AllOf, AnyOf, Condition, Not, check_values

RESULT_PARAMETERS = ("_count", "_total", "_totalMethod", "_format", "_summary")
"""Parameters that shape the answer, the same for every resource."""
_TOTAL_METHOD = {"count": "accurate"}
"""fhirpy's `count()` says `_totalMethod=count` for what R4 calls `_total=accurate`."""
DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_ARGUMENTS = 40
MAX_VALUE = 4000
CURSOR = "_cursor"
_SPLIT = re.compile(r"(?<!\\),")
Arguments = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a position becomes a cursor that only we can read, and how it is opened: None where this question has not sealed it."""

    seal: Callable[[bytes, int], str]
    opened: Callable[[bytes, str], int | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as read: its condition, page and totals, and the arguments that were used (`used`) or passed over (`ignored`).

    `total` is "none", "accurate" or empty; `only_total` says that no entries are wanted; `after` is the last row already given.
    `cursor` makes of a row the cursor after it, which holds for this question and its reader only.
    """

    resource: str
    where: Condition
    count: int
    total: str
    only_total: bool
    after: int
    used: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    cursor: Callable[[int], str] = field(compare=False, repr=False)


def read(resource: str, arguments: Arguments, base: str, reader: str, sealing: Sealing, *, lenient: bool = False) -> Asked:
    """Read a search; `base`: the server's public address, `reader`: whom cursors are bound to. Raises Invalid, saying where."""
    if len(arguments) > MAX_ARGUMENTS or any(len(value) > MAX_VALUE for _, value in arguments):
        raise Invalid("too-many", f"A search takes at most {MAX_ARGUMENTS} arguments of at most {MAX_VALUE} characters.")
    check_values(sum(value.count(",") + 1 for _, value in arguments))
    if any("\0" in value for _, value in arguments):
        raise Invalid("value", "A search value has no NUL character.")
    parameters = RESOURCES[resource].parameters
    asked = [(n, v) for n, v in arguments if n.split(":")[0] in parameters]
    shaping, ignored = _shaping([(n, v) for n, v in arguments if n.split(":")[0] not in parameters], lenient=lenient)
    where = AllOf(tuple(_argument(parameters[n.split(":")[0]], n, v, base) for n, v in asked))
    count = _count(shaping.get("_count"))
    method = _TOTAL_METHOD.get(_choice(shaping, "_totalMethod", tuple(_TOTAL_METHOD)), "")
    total = (_choice(shaping, "_total", ("none", "estimate", "accurate")) or method).replace("estimate", "accurate")
    only_total = count == 0 or _choice(shaping, "_summary", ("false", "count")) == "count"
    used = (*asked, *((n, shaping[n]) for n in ("_total", "_totalMethod", "_summary") if n in shaping), ("_count", str(count)))
    question = msgspec.json.encode((resource, reader, used))
    after = _after(sealing.opened(question, shaping[CURSOR])) if CURSOR in shaping else 0
    return Asked(resource, where, count, total, only_total, after, used, tuple(ignored), partial(sealing.seal, question))


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


def _argument(parameter: Parameter, spelled: str, value: str, base: str) -> Condition:
    modifier = spelled.partition(":")[2]
    values = [_ for _ in _SPLIT.split(value) if _]
    if not values:
        raise Invalid("value", f"{parameter.name} takes one or several values.", parameter.name)
    if modifier == "not" and parameter.type == "token":
        return Not(AnyOf(tuple(parameter.read(v, base) for v in values)))
    if modifier and modifier not in parameter.targets:
        raise Invalid("modifier", f"{parameter.name} does not take the modifier :{modifier[:32]}.", spelled[:96])
    if modifier:
        values = [v if "/" in v else f"{modifier}/{v}" for v in values]
    return AnyOf(tuple(parameter.read(v, base) for v in values))


# --- links


def self_link(asked: Asked, base: str) -> str:
    """The URL of what was really asked: parameters that were ignored are not in it."""
    return f"{base}/fhir/R4/{relative_link(asked)}"


def relative_link(asked: Asked) -> str:
    """The same, from the type on."""
    return _relative(asked, asked.used if not asked.after else (*asked.used, (CURSOR, asked.cursor(asked.after))))


def next_link(asked: Asked, base: str, after: int) -> str:
    """The URL of the page after the row `after`; it holds for this question and this reader only."""
    return f"{base}/fhir/R4/{_relative(asked, (*asked.used, (CURSOR, asked.cursor(after))))}"


def _relative(asked: Asked, arguments: Arguments) -> str:
    query = "&".join(f"{quote(n, safe=':')}={quote(v, safe='')}" for n, v in arguments)
    return asked.resource + (f"?{query}" if query else "")


def _after(position: int | None) -> int:
    if position is None:
        raise Invalid("cursor", "This is no next link of this search. Follow next links as they are, or start again.", CURSOR)
    return position
