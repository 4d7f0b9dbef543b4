"""The question to a FHIR R4 server, as a search of ImagingStudy whose answer is a count; and that count, read.

A server may leave out a parameter that it does not know (R4 3.1.0.3), and says in its *self* link what it searched by. Some say
none with a count (HAPI: a link is no element of a summary): of these a count is taken where they refuse what nobody knows.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from msgspec import Meta, Struct, field

from mappings.fhir.body_parts import BODY_PARTS
from mappings.fhir.patient import GENDERS
from mappings.fhir.systems import DCM, SNOMED
from mappings.peers.answer import MOST_COUNT
from mappings.peers.question import CRITERIA, OF_SERIES
from mappings.query import AllOf, OneOf, asks

PATH = "/ImagingStudy"
PROBE = f"{PATH}?accord-unknown=1&_summary=count"
"""A search by a parameter that no server knows: who refuses it leaves none out."""
Search = list[tuple[str, str]]


def to_search(where: AllOf) -> tuple[Search, tuple[str, ...]]:
    """The search parameters of criteria that all hold; and the criteria that no parameter of R4 asks for.

    Two criteria of one series can't be asked: each parameter may match another series of the study.
    """
    search: Search = []
    missing: list[str] = []
    for part in where.parts:
        asked = _parameter(part) if isinstance(part, OneOf) else None
        if asked is None:
            missing.append(next(name for field, name in CRITERIA.items() if asks(part, field)))
        else:
            search.append(asked)
    series = [CRITERIA[field] for field in OF_SERIES if any(asks(part, field) for part in where.parts)]
    return search, (*missing, *([f"{' and '.join(series)} of the same series"] if len(series) > 1 else []))


def _parameter(part: OneOf) -> tuple[str, str] | None:
    """The parameter that asks for any of these values; None where one of them has no code there."""
    name, codes = _PARAMETERS.get(part.field, ("", {}))
    told = [f"{DCM}|{value}" if name == "modality" else codes.get(str(value)) for value in part.values]
    return (name, ",".join(each for each in told if each)) if name and None not in told else None


_PARAMETERS: dict[str, tuple[str, dict[str, str]]] = {
    "modality": ("modality", {}),
    "body_part": ("bodysite", {word: f"{SNOMED}|{part.code}" for word, part in BODY_PARTS.items()}),
    "patient_sex": ("patient.gender", GENDERS),
}
"""Field → the search parameter of ImagingStudy (R4 11.19.8), and its tokens."""


def to_path(search: Search) -> str:
    """The path below the server's base, with its query."""
    return f"{PATH}?{urlencode([*search, ('_summary', 'count')])}"


class _Link(Struct):
    relation: Any = None
    url: Any = None


class _Bundle(Struct):
    kind: Literal["Bundle"] = field(name="resourceType")
    type: Literal["searchset"]
    total: Annotated[int, Meta(ge=0, le=MOST_COUNT)]
    link: Annotated[list[_Link], Meta(max_length=100)] = field(default_factory=list)


def read_count(body: bytes, search: Search, *, strict: bool) -> tuple[int, tuple[str, ...]] | None:
    """The studies that a searchset counts, and the parameters that it may not have searched by; None where it is none.

    A `strict` server refuses what it does not know.
    """
    try:
        bundle = msgspec.json.decode(body, type=_Bundle)
        links = [str(link.url) for link in bundle.link if link.relation == "self"]
        said = {name for url in links for name in _names(url)}
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None
    if strict and not links:
        return bundle.total, ()
    return bundle.total, tuple(name for name, _ in search if name not in said)


def _names(url: str) -> Sequence[str]:
    return [name for name, value in parse_qsl(urlsplit(url).query) if value]
