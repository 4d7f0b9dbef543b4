"""Reads EUCAIM's federated question (the AST that Focus passes on) and renders the reply its explorer draws.

What is not known matches nothing: a key, operand, type or value without a row here makes its condition false, and is named for
the log. So an answer is never wider than the question. Age is the age at the study. We hold no subject's diagnosis: one that is
asked for counts all of a dataset for which it is stated, and nothing of the others; the reply says so.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import ceil, floor, isfinite, prod
from typing import Any

from consent.disclosure import MOST_BARS, MOST_VALUES, safe_ages
from mappings import json_text, vocabulary
from mappings.failures import Invalid
from mappings.query import EVERYTHING, NOTHING, AllOf, AnyOf, Between, Condition, Level, Like, Not, OneOf, Query
from mappings.vocabulary import Meaning

MAX_DEPTH = 16  # the explorer sends four levels
MAX_NODES = 250
MAX_NAMED = 20
OLDEST = 1000  # years; larger numbers mean no more than this one, and fit every database's integers
SEARCH = "eucaimSearch"
PATH = f"/api/datasets/{SEARCH}"
MOST_AST, MOST_SEARCH = 4000, 128
"""Characters of an AST, and of the explorer's name for a search, that are recorded."""
MOST_RECORDED = MOST_AST + 6 * MOST_SEARCH + 200  # a character may be six in JSON
UNKNOWN = "SNOMEDCT261665006"


def _asked(table: Iterable[Meaning]) -> dict[str, tuple[str, ...]]:
    return {code: meaning.words for meaning in table for code in meaning.asked}


SEXES = _asked(vocabulary.SEXES) | {UNKNOWN: ("",)}
MODALITIES = _asked(vocabulary.MODALITIES) | {UNKNOWN: ("",)}
BODY_PARTS = _asked(vocabulary.BODY_PARTS) | {UNKNOWN: ("",)}
MANUFACTURERS = {code: vocabulary.patterns(meaning) for meaning in vocabulary.MANUFACTURERS for code in meaning.asked}
"""The explorer's code → what objects say, "" where they say nothing; of a manufacturer, patterns of its folded text."""

CONDITIONS = {
    "SNOMEDCT363406005": ("CLIN1000057",),
    "SNOMEDCT254837009": ("CLIN1000060",),
    "SNOMEDCT363358000": ("CLIN1000065",),
    "SNOMEDCT363484005": ("CLIN1000087",),
    "SNOMEDCT399068003": ("CLIN1000075",),
}
"""SNOMED CT → EUCAIM's hyper-ontology: colon, breast, lung, pelvis, prostate; *colon and/or rectum* is no colon alone."""
CONDITION = "condition"
STATED = "A diagnosis that is asked for counts this dataset whole, by the one condition that is stated for all of it."

LABELS = {word: meaning.label for meaning in vocabulary.SEXES for word in meaning.words}
_BODY_PART = re.compile(r"[A-Z0-9 _]{1,16}")  # the shape of CS, PS3.5 6.2: free text in it is not passed on
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(slots=True)
class _Reading:
    """One AST being read: under which minimum, what it named that nobody knows, and how many nodes it may still have."""

    minimum: int
    unknown: list[str] = field(default_factory=list)
    left: int = MAX_NODES

    def nothing(self, what: str, value: object) -> Condition:
        """Matches nothing, and is logged: as a code, or not at all."""
        if len(self.unknown) < MAX_NAMED:
            self.unknown.append(f"{what} {value if isinstance(value, str) and _CODE.fullmatch(value) else '(no code)'}")
        return NOTHING

    def years(self, low: int | None, high: int | None) -> Condition:
        """Whole years at the study, as coarse as a question may be."""
        return Between("age", *safe_ages(low, high, self.minimum))


def read_ast(ast: object, minimum: int = 1) -> tuple[Query, tuple[str, ...]]:
    """The question over studies, and what in it nobody knows (codes only, at most 20).

    Raises Invalid for what is no AST, and for more alternatives or values than `consent.disclosure` lets a question have.
    """
    reading = _Reading(minimum)
    where = _node(ast, 1, reading)
    if bars(where) > MOST_BARS:
        raise Invalid("too-many-bars", f"A question has at most {MOST_BARS} alternatives. Ask in parts.", "ast")
    return Query(Level.STUDY, where), tuple(reading.unknown)


def bars(condition: Condition) -> int:
    """How many alternatives a condition comes to when it is written as one OR of ANDs; values of one criterion are one."""
    if isinstance(condition, AllOf):
        return prod(map(bars, condition.parts))
    if isinstance(condition, AnyOf):
        parts = [part for part in condition.parts if part != NOTHING]
        criteria = {_criterion_of(part) for part in parts} - {None}
        return max(1, len(criteria) + sum(bars(part) for part in parts if _criterion_of(part) is None))
    return 1


def _criterion_of(condition: Condition) -> str | None:
    """The field that a condition's values are of; None where it speaks of several, or joins conditions."""
    if isinstance(condition, Not):
        return _criterion_of(condition.part)
    if isinstance(condition, AnyOf):
        named = {_criterion_of(part) for part in condition.parts}
        return named.pop() if len(named) == 1 else None
    return condition.field if isinstance(condition, OneOf | Like | Between) else None


def _node(node: object, depth: int, reading: _Reading) -> Condition:
    if depth > MAX_DEPTH or reading.left == 0:
        raise Invalid("ast-too-large", f"The ast is deeper than {MAX_DEPTH} levels or has more than {MAX_NODES} nodes.", "ast")
    reading.left -= 1
    if isinstance(node, Mapping) and "operand" in node:
        return _operation(node, depth, reading)
    if isinstance(node, Mapping) and {"key", "type", "value"} <= node.keys():
        _check_values([node])
        return _criterion(node["key"], node["type"], node["value"], reading)
    raise Invalid("ast-malformed", "A node of the ast is an object with operand and children or with key, type, value.", "ast")


def _operation(node: Mapping[str, Any], depth: int, reading: _Reading) -> Condition:
    """Without children it asks for everything, whatever the operand; conditions on series under one AND hold on one series."""
    children = node.get("children")
    if not isinstance(children, list):
        raise Invalid("ast-malformed", "The children of an operation are an array.", "ast.children")
    parts = tuple(_node(child, depth + 1, reading) for child in children)
    _check_values(_leaves(node))
    if node["operand"] == "AND":
        return AllOf(parts)
    if node["operand"] == "OR":
        return AnyOf(parts) if parts else EVERYTHING
    return reading.nothing("operand", node["operand"])


def _leaves(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What an operation is about, and alternatives within it where it is one of alternatives; all of them are read already."""
    for child in node["children"]:
        if "operand" not in child:
            yield child
        elif child["operand"] == node["operand"] == "OR":
            yield from _leaves(child)


def _check_values(leaves: Iterable[Mapping[str, Any]]) -> None:
    """Raises Invalid where the leaves of one operation name more values of one criterion than a question may."""
    named: Counter[str] = Counter()
    for leaf in leaves:
        named[str(leaf["key"])] += len(leaf["value"]) if isinstance(leaf["value"], list) else 1
    if any(count > MOST_VALUES for count in named.values()):
        raise Invalid("too-many", f"A criterion has at most {MOST_VALUES} values. Ask in parts.", "ast")


def _criterion(key: object, kind: object, value: object, reading: _Reading) -> Condition:
    reader = CRITERIA.get(key) if isinstance(key, str) else None
    return reading.nothing("key", key) if reader is None else reader(kind, value, reading)


Reader = Callable[[object, object, _Reading], Condition]


def _coded(name: str, table: Mapping[str, tuple[str, ...]], among: Callable[[str, tuple[str, ...]], Condition]) -> Reader:
    """A criterion whose values are codes of `table`. CONTAINS asks for the code as EQUALS does: a code has no part."""

    def read(kind: object, value: object, reading: _Reading) -> Condition:
        if kind not in ("EQUALS", "NOT_EQUALS", "IN", "CONTAINS"):
            return reading.nothing("type", kind)
        codes: Sequence[object] = value if isinstance(value, list) and kind == "IN" else (value,)
        words: dict[str, None] = {}
        for code in codes:
            if isinstance(code, str) and code in table:
                words |= dict.fromkeys(table[code])
            else:
                reading.nothing("value", code)
        if not words:
            return NOTHING
        condition = among(name, tuple(words))
        return Not(condition) if kind == "NOT_EQUALS" else condition

    return read


def _patterns(name: str, patterns: tuple[str, ...]) -> Condition:
    return AnyOf(tuple(Like(name, pattern) for pattern in patterns))


def _diagnosis(kind: object, value: object, reading: _Reading) -> Condition:
    """The condition stated for a whole dataset; where none is, it is unknown, and so not another one either."""
    condition = _coded(CONDITION, CONDITIONS, OneOf)(kind, value, reading)
    return AllOf((Like(CONDITION, "CLIN*"), condition)) if isinstance(condition, Not) else condition


def _age(kind: object, value: object, reading: _Reading) -> Condition:
    """Whole years at the study. A range with max 0 below its min has no upper end: that is how the explorer says "from 40"."""
    table = _RANGES if isinstance(value, Mapping) else _NUMBERS
    if not isinstance(kind, str) or kind not in table:
        return reading.nothing("type", kind)
    if not isinstance(value, Mapping):
        number = _number(value)
        return reading.nothing("value", value) if number is None else _NUMBERS[kind](reading, number)
    low, high = (_number(value.get(end)) for end in ("min", "max"))
    if low is None and high is None:
        return reading.nothing("value", value)
    if low is not None and high == 0 and low > 0:
        high = None
    return _RANGES[kind](reading, None if low is None else ceil(low), None if high is None else floor(high))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        return None
    return max(-OLDEST, min(OLDEST, value))


_NUMBERS: dict[str, Callable[[_Reading, float], Condition]] = {
    "EQUALS": lambda reading, years: reading.years(ceil(years), floor(years)),
    "NOT_EQUALS": lambda reading, years: Not(reading.years(ceil(years), floor(years))),
    "LOWER_THAN": lambda reading, years: reading.years(None, ceil(years) - 1),
    "GREATER_THAN": lambda reading, years: reading.years(floor(years) + 1, None),
}
_RANGES: dict[str, Callable[[_Reading, int | None, int | None], Condition]] = {
    "BETWEEN": _Reading.years,
    "LOWER_THAN": lambda reading, _low, high: reading.years(
        None, high
    ),  # some senders put the range here: its end counts, included
    "GREATER_THAN": lambda reading, low, _high: reading.years(low, None),
}

CRITERIA: dict[str, Reader] = {
    "SNOMEDCT263495000": _coded("patient_sex", SEXES, OneOf),
    "SNOMEDCT423493009": _age,
    "RID10311": _coded("modality", MODALITIES, OneOf),
    "SNOMEDCT123037004": _coded("body_part", BODY_PARTS, OneOf),
    "C25392": _coded("manufacturer", MANUFACTURERS, _patterns),
    "SNOMEDCT439401001": _diagnosis,
}
"""The criteria of the explorer's catalogue that can be answered."""


NOBODY = {
    "operand": "OR",
    "children": [{"key": "SNOMEDCT423493009", "type": "BETWEEN", "value": {"min": 2.0, "max": 1.0}}],
}
"""A question that nobody matches, whatever is held: it costs no budget, and nothing is kept for it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is told of one dataset: counts and ages that are safe already, sexes, modalities and body parts as DICOM has them."""

    studies: int
    subjects: int
    youngest: int | None
    oldest: int | None
    sexes: tuple[str, ...]
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """One dataset's answer."""

    id: str
    name: str
    description: str
    found: Found


def collection_id(alias: str, identifier: str | None) -> str:
    """What the explorer links to: the last part of the dataset's URI in EUCAIM's catalogue, or the alias until it has one."""
    return re.split(r"[/#]", identifier.rstrip("/#"))[-1] if identifier else alias


def to_reply(collections: Iterable[Collection], said: str = "") -> dict[str, object]:
    """The reply with every member always there: the explorer breaks on an absent one, and Focus itself adds `provider`.

    `said` is what must be known of this answer's counts; it stands before each description.
    """
    return {"collections": [_to_member(collection, said) for collection in collections]}


def _to_member(collection: Collection, said: str) -> dict[str, object]:
    return {
        "id": collection.id,
        "name": collection.name,
        "description": f"{said} {collection.description}".strip(),
        "studies_count": collection.found.studies,
        "subjects_count": collection.found.subjects,
        "age_range": {"min": collection.found.youngest, "max": collection.found.oldest},
        "gender": sorted({LABELS.get(sex, "Unknown") for sex in collection.found.sexes}),
        "modality": list(collection.found.modalities),
        "body_parts": _parts(collection.found.body_parts),
    }


def _parts(words: Iterable[str]) -> list[str]:
    """As DICOM has them, and no free text."""
    return sorted({vocabulary.first_word(vocabulary.BODY_PARTS, word) for word in words if _BODY_PART.fullmatch(word)})


def recorded(ast: object, search: object) -> str:
    """What the record of accesses says was asked: the AST's digest, the explorer's name of its search, and the AST itself.

    The digest is SHA-256 over the AST as sorted compact ASCII JSON. A longer AST than 4 kB is left out whole, a longer name too.
    """
    text = json.dumps(ast, sort_keys=True, separators=(",", ":"))
    said = {"sha256": sha256(text.encode()).hexdigest()}
    if isinstance(search, str) and len(search) <= MOST_SEARCH:
        said["id"] = search
    if len(text) > MOST_AST:
        return f"{SEARCH} {json.dumps(said)}"
    return f'{SEARCH} {json.dumps(said)[:-1]}, "ast": {text}}}'


def read_recorded(target: str) -> object:
    """The AST that was recorded so; None where none was, or where this records something else."""
    name, _, said = target.partition(" ")
    try:
        return json_text.loads(said.encode()).get("ast") if name == SEARCH and said else None
    except ValueError:
        return None


def unusable(body: bytes) -> str | None:
    """Why Focus or the explorer can't use this answer, in words; None where they can."""
    try:
        reply = json_text.loads(body)
    except ValueError:
        return "its answer is no JSON"
    if not isinstance(reply, dict) or not isinstance(reply.get("collections"), list):
        return "its answer holds no collections"
    return None if body.isascii() else "its answer holds letters that the explorer shows as others"


def encoded(reply: Mapping[str, object]) -> bytes:
    """JSON in ASCII: the explorer decodes with `atob`, which shows UTF-8 as other letters."""
    return json.dumps(reply, allow_nan=False).encode("ascii")
