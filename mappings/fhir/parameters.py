"""How the values of FHIR search parameters are read into conditions (R4 3.1.1.4): a maker of parameters for each type.

What a code, an id or a key asks for is a `Match`; a parameter knows besides what holds of rows that have a value at all
(`:missing`), the fields it can be sorted by and chained over, and where the references stand that it follows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mappings.failures import Invalid
from mappings.fhir import moments
from mappings.fhir.systems import keys_of
from mappings.fields import fold
from mappings.query import EVERYTHING, NOTHING, AnyOf, Between, Condition, Like, OneOf

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ESCAPED = re.compile(r"\\([\\,|$])")
_BAR = re.compile(r"(?<!\\)\|")
_NUMBER = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?([+-]?[0-9]{1,6})(\.0{1,6})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Context:
    """What values are read with: the server's public address, and the moment of the question."""

    base: str
    now: datetime


Read = Callable[[str, Context], Condition]
"""How a value is read; raises Invalid."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a code or an id asks for, and what `every` row with one has; `field` is the one whose values they are, if any."""

    read: Callable[[str], Condition]
    every: Condition
    field: str = ""

    def __call__(self, code: str) -> Condition:
        """What this code or id asks for."""
        return self.read(code)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: name, type, a sentence, how a value is read, and what holds of rows that have one (`present`).

    `modifiers` read a value otherwise; `targets` are the types that a reference points to, and what their ids ask for; `path`
    is where those references stand in a document; `sort` is the field it is sorted by.
    """

    name: str
    type: str
    text: str
    read: Read
    present: Condition = EVERYTHING
    modifiers: Mapping[str, Read] = field(default_factory=dict)
    targets: Mapping[str, Match] = field(default_factory=dict)
    path: str = ""
    sort: str = ""


# --- what codes and keys ask for


def told(name: str) -> Condition:
    """The field is not empty."""
    return Between(name, None, None)


def equals(name: str) -> Match:
    """The field equals the code."""
    return Match(lambda code: OneOf(name, (code,)), told(name), name)


def one_of(name: str, words: Mapping[str, tuple[str, ...]]) -> Match:
    """The field equals one of the words that the code stands for."""
    every = OneOf(name, tuple(word for each in words.values() for word in each))
    return Match(lambda code: OneOf(name, words[code]) if code in words else NOTHING, every)


def key_of(name: str) -> Match:
    """The field is a key that was written as this FHIR id."""
    return Match(lambda identity: OneOf(name, keys_of(identity)), told(name), name)


def identity_of(name: str) -> Match:
    """The same, for ids from anywhere: what is no id (R4 2.24.0.1) is nobody's."""
    return Match(lambda identity: OneOf(name, keys_of(identity)) if _ID.fullmatch(identity) else NOTHING, told(name), name)


def always_if(*words: str) -> Match:
    """What holds of every row, for the words that say so."""
    return Match(lambda code: EVERYTHING if code in words else NOTHING, EVERYTHING)


NEVER = Match(lambda _code: NOTHING, NOTHING)
"""What no row says."""


# --- tokens (R4 3.1.1.4.10): code, system|code, |code, system|


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its system (None where none was said, empty where it has none), its code (empty: any), the server's address."""

    system: str | None
    code: str
    base: str


@dataclass(frozen=True, slots=True)
class Coded:
    """What a token asks for (None where its system is another), and what rows with such a code have."""

    read: Callable[[Token], Condition | None]
    every: Condition


def coded(system: str, match: Match) -> Coded:
    """Codes of one system ("": of none; `{base}` is the server's address)."""

    def asked(token: Token) -> Condition | None:
        if token.system not in (None, system.replace("{base}", token.base)):
            return None
        return match(token.code) if token.code else match.every

    return Coded(asked, match.every)


def unsystemed(match: Match) -> Coded:
    """Codes that no system may stand before."""
    return Coded(lambda token: match(token.code) if token.system is None else None, match.every)


Typed = Mapping[tuple[str, str], Match]
"""The type of an identifier (system, code) → what its value asks for."""


def token(name: str, text: str, *systems: Coded, sort: str = "", types: Typed | None = None) -> Parameter:
    """A token of one of these systems; an identifier also by its type (`:of-type`)."""

    def read(value: str, context: Context) -> Condition:
        asked = _token(value, context.base)
        if not asked.code and not asked.system:
            raise Invalid("value", f"{name} takes a code, also as system|code.", name)
        return AnyOf(tuple(condition for coded in systems if (condition := coded.read(asked)) not in (None, NOTHING)))

    modifiers: dict[str, Read] = {"of-type": _of_type(name, types)} if types else {}
    return Parameter(name, "token", text, read, AnyOf(tuple(each.every for each in systems)), modifiers, sort=sort)


def _of_type(name: str, types: Typed) -> Read:
    def read(value: str, _context: Context) -> Condition:
        parts = [_unescaped(part) for part in _BAR.split(value)]
        if len(parts) != 3 or not all(parts):  # system, code and value
            raise Invalid("value", f"{name}:of-type takes system|code|value.", name)
        match = types.get((parts[0], parts[1]))
        return match(parts[2]) if match else NOTHING

    return read


def _token(value: str, base: str) -> Token:
    before, bar, after = _BAR.sub("\0", value, count=1).partition("\0")
    system, code = (before, after) if bar else (None, before)
    return Token(None if system is None else _unescaped(system), _unescaped(code), base)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


# --- references, dates, numbers and strings


def reference(
    name: str, text: str, *, path: str = "", identified: Coded | None = None, always: bool = False, **targets: Match
) -> Parameter:
    """A reference to one of these types: relative, absolute under `base`, or an id alone where there is only one type.

    One that is `identified` names its target by an identifier alone (`:identifier`); `always`: no row is without.
    """

    def read(value: str, context: Context) -> Condition:
        kind, slash, key = value.removeprefix(f"{context.base}/fhir/R4/").rpartition("/")
        kind = kind if slash else next(iter(targets)) if len(targets) == 1 else ""
        if kind in targets and key:
            return targets[kind](key)
        if "://" in value or not targets:
            return NOTHING
        raise Invalid("value", f"{name} points to one of: {', '.join(f'{t}/id' for t in targets)}.", name)

    by_identifier = token(name, text, identified) if identified else None
    every = [match.every for match in targets.values()] + ([identified.every] if identified else [])
    modifiers = {"identifier": by_identifier.read} if by_identifier else {}
    present = EVERYTHING if always else AnyOf(tuple(every))
    return Parameter(name, "reference", text, read, present, modifiers, targets, path)


def span(name: str, text: str, *asked: str) -> Parameter:
    """A date asked of a span of time, by the fields of its start and of its end."""
    begins, ends = asked

    def read(value: str, context: Context) -> Condition:
        return moments.spans((begins, ends), value, name, context.now)

    return Parameter(name, "date", text, read, told(begins), sort=begins)


def moment(name: str, text: str, asked: str) -> Parameter:
    """A date asked of a field of moments."""
    return Parameter(name, "date", text, lambda value, c: moments.instants(asked, value, name, c.now), told(asked), sort=asked)


def number(name: str, text: str, asked: str) -> Parameter:
    """A whole number asked of a field of whole numbers."""

    def read(value: str, _context: Context) -> Condition:
        match = _NUMBER.fullmatch(value)
        if not match:
            raise Invalid("value", f"{name} takes a whole number such as 45, ge45 or lt60.", name)
        return _compared(asked, match[1] or "eq", int(match[2]))

    return Parameter(name, "number", text, read, told(asked), sort=asked)


def _compared(asked: str, prefix: str, value: int) -> Condition:
    """R4 3.1.1.4.6; `ap` is within a tenth."""
    below, above, same = Between(asked, None, value - 1), Between(asked, value + 1, None), OneOf(asked, (value,))
    if prefix == "ap":
        return Between(asked, value - abs(value) // 10, value + abs(value) // 10)
    compared: dict[str, tuple[Condition, ...]] = {
        "eq": (same,),
        "ne": (below, above),
        "ge": (same, above),
        "le": (same, below),
        "gt": (above,),
        "sa": (above,),
        "lt": (below,),
        "eb": (below,),
    }
    return AnyOf(compared[prefix])


def string(name: str, text: str, asked: str, sort: str = "") -> Parameter:
    """The start of a text that every row has, whatever its case and accents (`:contains`: any part, `:exact`: as it is written).

    Our patterns' own wildcards stand for any one character.
    """

    def pattern(value: str) -> str:
        return re.sub(r"[*?]", "?", fold(_unescaped(value)))

    modifiers: dict[str, Read] = {
        "contains": lambda value, _c: Like(asked, f"*{pattern(value)}*"),
        "exact": lambda value, _c: OneOf(asked, (_unescaped(value),)),
    }
    return Parameter(name, "string", text, lambda value, _c: Like(asked, pattern(value) + "*"), EVERYTHING, modifiers, sort=sort)


def uri(name: str, text: str, asked: str) -> Parameter:
    """A URI, the whole of it (R4 3.1.1.4.14)."""
    return Parameter(name, "uri", text, lambda value, _c: OneOf(asked, (_unescaped(value),)), told(asked), sort=asked)


def also(name: str, parameter: Parameter) -> Parameter:
    """The same parameter under another name that clients know it by."""
    return replace(parameter, name=name)
