"""Questions asked of a few things that are held in memory: the same conditions and pages that `adapters.sql` makes SQL of."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from mappings.fields import fold
from mappings.query import AllOf, AnyOf, Apart, Condition, Like, Linked, Not, OneOf, Order, Page, Position

Fields = Mapping[str, str]
Noun = TypeVar("Noun")


def holds(condition: Condition, fields: Fields) -> bool:
    """Whether a condition holds of what has these fields, none of them empty. Raises KeyError for any other field."""
    match condition:
        case AllOf(parts):
            return all(holds(part, fields) for part in parts)
        case AnyOf(parts):
            return any(holds(part, fields) for part in parts)
        case Not(part) | Apart(part):
            return holds(part, fields) is not isinstance(condition, Not)
        case OneOf(name, values):
            return fields[name] in values
        case Like(name, pattern):
            return re.fullmatch(_regex(pattern), fold(fields[name])) is not None
        case Linked(name):
            raise KeyError(name)
        case _:
            value = fields[condition.field]
            return (condition.low is None or str(condition.low) <= value) and (
                condition.high is None or value <= str(condition.high)
            )


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)


def page(nouns: Sequence[tuple[Fields, Noun]], where: Condition, of: Page, key: str) -> list[tuple[Position, Noun]]:
    """One page of (place, noun) of those that match, sorted as it says and then by `key`; after a place, where it has one."""
    last = of.order[-1].descending if of.order else False
    order = (*of.order, Order(key, last))
    found = [(tuple(fields[o.field] for o in order), noun) for fields, noun in nouns if holds(where, fields)]
    for position, each in reversed(list(enumerate(order))):
        found.sort(key=lambda row, at=position: row[0][at], reverse=each.descending)  # type: ignore[misc]
    start = next((n + 1 for n, (place, _) in enumerate(found) if place == of.after), 0)
    return [*found[start : start + of.limit]]
