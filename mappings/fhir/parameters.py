"""How the values of FHIR search parameters are read into conditions (R4 3.1.1.4): a maker of parameters for each type.

`base` is everywhere the server's public address.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mappings.failures import Invalid
from mappings.fhir import moments
from mappings.fhir.systems import keys_of
from mappings.fields import fold
from mappings.query import NOTHING, AnyOf, Condition, Like, OneOf

Match = Callable[[str], Condition]
"""What a code or a key asks for."""
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ESCAPED = re.compile(r"\\([\\,|$])")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: name, type, a sentence, and how a value is read (`base` beside it; raises Invalid).

    `targets` are the types that a reference may point to, and what each asks for.
    """

    name: str
    type: str
    text: str
    read: Callable[[str, str], Condition]
    targets: Mapping[str, Match] = field(default_factory=dict)


# --- what codes and keys ask for


def equals(name: str) -> Match:
    """The field equals the code."""
    return lambda code: OneOf(name, (code,))


def one_of(name: str, words: Mapping[str, tuple[str, ...]]) -> Match:
    """The field equals one of the words that the code stands for."""
    return lambda code: OneOf(name, words[code]) if code in words else NOTHING


def key_of(name: str) -> Match:
    """The field is a key that was written as this FHIR id."""
    return lambda identity: OneOf(name, keys_of(identity))


def identity_of(name: str) -> Match:
    """The same, for ids from anywhere: what is no id (R4 2.24.0.1) is nobody's."""
    return lambda identity: OneOf(name, keys_of(identity)) if _ID.fullmatch(identity) else NOTHING


# --- tokens (R4 3.1.1.4.10): code, system|code, |code, system|


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its system (None where none was said, empty where it has none), its code, and the server's address."""

    system: str | None
    code: str
    base: str


Coded = Callable[[Token], Condition | None]
"""What a token asks for; None where its system is another."""


def coded(system: str, match: Match) -> Coded:
    """Codes of one system ("": of none; `{base}` is the server's address)."""
    return lambda token: match(token.code) if token.system in (None, system.replace("{base}", token.base)) else None


def unsystemed(match: Match) -> Coded:
    """Codes that no system may stand before."""
    return lambda token: match(token.code) if token.system is None else None


def token(name: str, text: str, *systems: Coded) -> Parameter:
    """A token of one of these systems."""

    def read(value: str, base: str) -> Condition:
        asked = _token(value, base)
        if not asked.code:
            raise Invalid("value", f"{name} takes a code, also as system|code.", name)
        return AnyOf(tuple(condition for coded in systems if (condition := coded(asked)) not in (None, NOTHING)))

    return Parameter(name, "token", text, read)


def _token(value: str, base: str) -> Token:
    before, bar, after = re.sub(r"(?<!\\)\|", "\0", value, count=1).partition("\0")
    system, code = (before, after) if bar else (None, before)
    return Token(None if system is None else _unescaped(system), _unescaped(code), base)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


# --- references, dates and strings


def reference(name: str, text: str, **targets: Match) -> Parameter:
    """A reference to one of these types: relative, absolute under `base`, or an id alone where there is only one type."""

    def read(value: str, base: str) -> Condition:
        kind, slash, key = value.removeprefix(f"{base}/fhir/R4/").rpartition("/")
        kind = kind if slash else next(iter(targets)) if len(targets) == 1 else ""
        if kind in targets and key:
            return targets[kind](key)
        if "://" in value:
            return NOTHING
        raise Invalid("value", f"{name} points to one of: {', '.join(f'{t}/id' for t in targets)}.", name)

    return Parameter(name, "reference", text, read, targets)


def span(name: str, text: str, *asked: str) -> Parameter:
    """A date asked of a span of time, by the fields of its start and of its end."""
    begins, ends = asked
    return Parameter(name, "date", text, lambda value, _base: moments.spans((begins, ends), value, name))


def moment(name: str, text: str, asked: str) -> Parameter:
    """A date asked of a field of moments."""
    return Parameter(name, "date", text, lambda value, _base: moments.instants(asked, value, name))


def string(name: str, text: str, asked: str) -> Parameter:
    """The start of a text, whatever its case and accents; our patterns' own wildcards stand for any one character."""
    return Parameter(name, "string", text, lambda value, _base: Like(asked, re.sub(r"[*?]", "?", fold(_unescaped(value))) + "*"))
