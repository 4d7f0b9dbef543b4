"""The question to a repository that answers EUCAIM's federated search, as an AST; and its reply, read.

`mappings.eucaim` reads the same AST where we are asked: what is written here is read back there as the same question.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from mappings.eucaim import BODY_PARTS, CONDITION, CONDITIONS, MANUFACTURERS, MODALITIES, SEXES
from mappings.peers.answer import MOST_COUNT, MOST_DATASETS, Counted
from mappings.peers.question import CRITERIA, MAKERS, made_by
from mappings.query import AllOf, AnyOf, Between, Condition, OneOf

Json = dict[str, Any]
MOST_NAME = 200
"""Characters of a dataset's name that are kept."""
_AGE = "SNOMEDCT423493009"


def _coded(table: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Value → its first code."""
    return {values[0]: code for code, values in reversed(list(table.items()))}


_CODES: dict[str, tuple[str, dict[str, str]]] = {
    "patient_sex": ("SNOMEDCT263495000", _coded(SEXES)),
    "modality": ("RID10311", _coded(MODALITIES)),
    "body_part": ("SNOMEDCT123037004", _coded(BODY_PARTS)),
    CONDITION: ("SNOMEDCT439401001", _coded(CONDITIONS)),
}
"""Field → EUCAIM's key of the criterion, and its codes."""
_MAKERS = {
    made_by(maker): next(code for code, patterns in MANUFACTURERS.items() if patterns == of) for maker, of in MAKERS.items()
}


def to_ast(where: AllOf) -> tuple[Json, tuple[str, ...]]:
    """The AST of criteria that all hold, shaped as the explorer sends one; and the criteria that EUCAIM has no code for."""
    missing: list[str] = []
    bar = [_criterion(part, missing) for part in where.parts]
    return _some([{"operand": "AND", "children": bar}] if bar else []), tuple(missing)


def _criterion(part: Condition, missing: list[str]) -> Json:
    if isinstance(part, Between):
        return _some([{"key": _AGE, "type": "BETWEEN", "value": {"min": part.low, "max": part.high}}])
    if isinstance(part, AnyOf):
        return _some([_leaf("C25392", _MAKERS[maker]) for maker in part.parts])
    assert isinstance(part, OneOf)  # noqa: S101 - a question is made of nothing else
    key, codes = _CODES[part.field]
    missing += [f"{CRITERIA[part.field]} {value}" for value in part.values if value not in codes]
    return _some([_leaf(key, codes[str(value)]) for value in part.values if value in codes])


def _some(children: list[Json]) -> Json:
    return {"operand": "OR", "children": children}


def _leaf(key: str, value: str) -> Json:
    return {"key": key, "type": "EQUALS", "value": value}


def to_body(ast: Json, query: str) -> bytes:
    """The body of a question that is called `query`."""
    return json.dumps({"ast": ast, "id": query}).encode()


class _Member(Struct):
    id: Annotated[str, Meta(min_length=1, max_length=MOST_NAME)]
    name: Any = ""
    studies_count: Any = None
    subjects_count: Any = None


class _Reply(Struct):
    collections: Annotated[list[_Member], Meta(max_length=MOST_DATASETS)]


def read_reply(body: bytes) -> list[Counted] | None:
    """The datasets of a reply; None where it is none. What is no count (a text, a null, less than nothing) is not told."""
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return [_counted(member) for member in reply.collections]


def _counted(member: _Member) -> Counted:
    name = str(member.name or "")[:MOST_NAME]
    return Counted(member.id, name, _count(member.studies_count), _count(member.subjects_count))


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_COUNT else None
