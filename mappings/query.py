"""The one question every searching dialect is read into: a level, a tree of conditions over named fields, and a page.

QIDO-RS, C-FIND, FHIR search and EUCAIM's AST become a `Query`; `adapters.sql.search` alone turns it into SQL, narrowed to
what its caller may see. A field is named by its row in `mappings.fields`. Conditions on series that stand in one `AllOf` hold on
the same series.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mappings.failures import Invalid

MOST_VALUES = 4096
"""Values in one question, over all its conditions: one list of them is one look-up each."""
MOST_CONDITIONS = 500
"""Conditions in one question: a pattern, a range, or the values of one field. Each costs as much again as the question."""
LINK_WEIGHS = 100
"""What a link to another source weighs, in conditions: it is a question of its own."""
MOST_DEEP = 900
"""How deep a question may nest as SQL, where a list of alternatives nests once for each: SQLite bears a thousand."""


class Level(StrEnum):
    """What is asked for. Patients, studies, series and instances nest in that order."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of the values (none of them: matches nothing)."""

    field: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """The field's text matches a pattern of `*` and `?`, both folded; see `mappings.fields.fold`."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """The field lies between two bounds, both included; None leaves an end open. Empty fields never match."""

    field: str
    low: str | int | None
    high: str | int | None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts it always holds."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds; without parts nothing does."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; an empty field counts as not equal."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class Apart:
    """The part holds on rows of its own, not on those that its siblings speak of; with a level, on some row there or below."""

    part: "Condition"
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """The field equals the `key` of some row of another source that the caller may see and of which `where` holds."""

    field: str
    source: str
    key: str
    where: "Condition"


Condition = OneOf | Like | Between | AllOf | AnyOf | Not | Apart | Linked
EVERYTHING = AllOf()
NOTHING = AnyOf()


Position = tuple[int | str, ...]
"""Where a row stands in its order: the values it is sorted by, its own key last."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sorted by a field; rows without it come before all others, or after them where it is descending."""

    field: str
    descending: bool = False


REMAINING = "additional results that can be requested"
"""What is said of a page that is not the last, in the standard's words (PS3.18 §8.3.4.4): who reads on may pass them over."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: at most `limit` answers, after the row at `after` (a keyset: one cost at any depth) or `offset` rows on."""

    limit: int = 100
    offset: int = 0
    after: Position = ()
    order: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `aliases`, when given, are the only datasets asked.

    An answer carries the attributes of the levels `above` as well, and those of its first instance that `include` names by tag.
    """

    level: Level
    where: Condition = EVERYTHING
    page: Page = field(default_factory=Page)
    aliases: frozenset[str] | None = None
    above: tuple[Level, ...] = ()
    include: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Size:
    """What a condition weighs: the patterns, ranges and lists of values in it, and the values of those lists."""

    conditions: int
    values: int


def size(condition: Condition) -> Size:
    """What a condition weighs."""
    if isinstance(condition, AllOf | AnyOf):
        parts = [size(part) for part in condition.parts]
        return Size(sum(part.conditions for part in parts), sum(part.values for part in parts))
    if isinstance(condition, Not | Apart):
        return size(condition.part)
    if isinstance(condition, Linked):
        inner = size(condition.where)
        return Size(inner.conditions + LINK_WEIGHS, inner.values)
    return Size(1, len(condition.values) if isinstance(condition, OneOf) else 0)


def check_size(condition: Condition) -> None:
    """Raises Invalid (`too-many`) where a question, in whatever dialect, names more or nests deeper than any may.

    This bounds what a question weighs, not what answering it takes: that has a deadline of its own.
    """
    weighed = size(condition)
    check_values(weighed.values)
    if weighed.conditions > MOST_CONDITIONS:
        raise _too_many(f"{weighed.conditions} patterns, ranges and fields where {MOST_CONDITIONS} are the most")
    if _deep(condition) > MOST_DEEP:
        raise _too_many("too many alternatives within each other")


def is_nothing(condition: Condition) -> bool:
    """Whether nothing can match, whatever is held; so its answer tells nothing of it."""
    if isinstance(condition, AllOf):
        return any(map(is_nothing, condition.parts))
    if isinstance(condition, AnyOf):
        return all(map(is_nothing, condition.parts))
    if isinstance(condition, Between):
        return isinstance(condition.low, int) and isinstance(condition.high, int) and condition.low > condition.high
    return isinstance(condition, OneOf) and not condition.values


def asks(condition: Condition, field: str) -> bool:
    """Whether some part of a condition is on this field."""
    if isinstance(condition, AllOf | AnyOf):
        return any(asks(part, field) for part in condition.parts)
    return asks(condition.part, field) if isinstance(condition, Not | Apart) else condition.field == field


def canonical(condition: Condition) -> str:
    """One text for all conditions that differ only in order, in repetition and in how alternatives nest.

    What must all be true within what must all be true is another question: it is matched in a series of its own.
    """
    if isinstance(condition, AllOf | AnyOf):
        parts = sorted({canonical(part) for part in _alternatives(condition)})
        return parts[0] if len(parts) == 1 else f"{type(condition).__name__}({', '.join(parts)})"
    if isinstance(condition, Not):
        return f"Not({canonical(condition.part)})"
    return repr(
        OneOf(condition.field, tuple(sorted(set(condition.values), key=str))) if isinstance(condition, OneOf) else condition
    )


def _alternatives(condition: AllOf | AnyOf) -> Iterator[Condition]:
    for part in condition.parts:
        if isinstance(condition, AnyOf) and isinstance(part, AnyOf):
            yield from _alternatives(part)
        else:
            yield part


def check_values(named: int) -> None:
    """The same for values, by a reader who counts them before it reads them."""
    if named > MOST_VALUES:
        raise _too_many(f"{named} values where {MOST_VALUES} are the most")


def _too_many(what: str) -> Invalid:
    return Invalid("too-many", f"This search names too much at once: {what}. Ask in parts.")


def _deep(condition: Condition) -> int:
    """A parser nests `a OR b OR c` to the left; a pattern is at most two such alternatives, a range three conditions."""
    if isinstance(condition, AllOf | AnyOf):
        widths = (2 if isinstance(part, Like) else 1 for part in condition.parts)
        return sum(widths) + max(map(_deep, condition.parts), default=0)
    if isinstance(condition, Not | Apart):
        return 2 + _deep(condition.part)
    return 3 + _deep(condition.where) if isinstance(condition, Linked) else 3
