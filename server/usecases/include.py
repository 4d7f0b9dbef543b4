"""What the matches of a search bring along: what they refer to, and what refers to them, as the agreements let this caller.

A page brings at most a thousand resources along. It has fewer matches where theirs are more; and where one match alone has more,
its `next` link goes on with them, so that nothing is left out unsaid.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mappings.failures import Invalid
from mappings.fhir import bundle
from mappings.fhir.bundle import Brought, Document, Row
from mappings.fhir.includes import Include, referred
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Asked, Place
from mappings.fhir.serial import identity
from mappings.query import AllOf, AnyOf, Page, Position
from server.usecases.sources import Asking, source_of, written_as

MOST_INCLUDED = 1000
ROUNDS = 3
"""How far references are followed from what was brought along itself."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Of one include, as many as there was room for; `rest` is where the others begin, None where there are none."""

    documents: list[Document]
    rest: Position | None


@dataclass(frozen=True, slots=True)
class _Others:
    """What some matches bring along; `rest` is the include that is not finished, and where it goes on."""

    documents: list[Document]
    rest: tuple[int, Position] | None


def bring(asking: Asking, asked: Asked, rows: Sequence[Row]) -> Brought:
    """The page of these matches (one more than was asked for where there is), with what they bring along."""
    shown = list(bundle.within(rows[: asked.count]))
    others = _others(asking, asked, shown)
    while others.rest is not None and len(shown) > 1:
        shown = shown[: len(shown) // 2]
        others = _others(asking, asked, shown)
    following = Place(shown[-1][0]) if len(shown) < len(rows) else None
    if others.rest is not None:
        following = Place(shown[0][0], identity(shown[0][1]).decode(), *others.rest)
    return Brought(shown, others.documents, following)


def go_on(asking: Asking, asked: Asked, rows: Sequence[Row]) -> Brought:
    """The page after one on which a single match brought too much along: the rest of that."""
    place = asked.place
    others = _others(asking, asked, rows, place.include, place.included)
    following = Place(place.after) if others.rest is None else Place(place.after, place.match, *others.rest)
    return Brought([], others.documents, following)


def _others(asking: Asking, asked: Asked, matches: Sequence[Row], first: int = 0, after: Position = ()) -> _Others:
    have = {(asked.resource, identity(document)) for _, document, _ in matches}
    others: list[Document] = []
    documents = [document for _, document, _ in matches]
    for number, include in enumerate(asked.includes):
        if number < first or include.start != asked.resource:
            continue
        part = _part(asking, include, documents, after if number == first else (), MOST_INCLUDED - len(others))
        others += _new(part.documents, have)
        if part.rest is not None:
            return _Others(others, (number, part.rest))
    return _Others(others, None if _iterated(asking, asked, others, have, alone=len(matches) < 2) else (0, ()))


def _iterated(asking: Asking, asked: Asked, others: list[Document], have: set[Any], *, alone: bool) -> bool:
    """Add what the others bring along in turn; False where that is too much. Raises Invalid where fewer matches do not help."""
    fresh, includes = others, [include for include in asked.includes if include.iterate]
    for _ in range(ROUNDS):
        brought: list[Document] = []
        for include in includes:
            documents = [each.bytes for each in fresh if each.type == include.start]
            part = _part(asking, include, documents, (), MOST_INCLUDED - len(others) - len(brought))
            brought += _new(part.documents, have)
            if part.rest is not None and alone:
                raise Invalid(
                    "too-many", "What this brings along in turn is more than a page holds: search it by itself.", "_include"
                )
            if part.rest is not None:
                return False
        if not brought:
            break
        others += brought
        fresh = brought
    return True


def _new(documents: Iterable[Document], have: set[Any]) -> list[Document]:
    """Those that are not on the page yet."""
    new = {(each.type, identity(each.bytes)): each for each in documents}
    kept = [each for key, each in new.items() if key not in have]
    have |= new.keys()
    return kept


def _part(asking: Asking, include: Include, documents: Sequence[bytes], after: Position, room: int) -> _Part:
    if not documents:
        return _Part([], None)
    return (_referring if include.reverse else _referred)(asking, include, documents, after, room)


def _referred(asking: Asking, include: Include, documents: Sequence[bytes], after: Position, room: int) -> _Part:
    """What these documents refer to; a place is a number in the list of that."""
    start = int(after[0]) if after else 0
    ids = referred(map(msgspec.json.decode, documents), include)
    wanted = ids[start : start + room]
    rows = _rows(asking, include, [RESOURCES[include.brings].identity(each) for each in wanted], Page(len(wanted)))
    return _Part(_brought(include, rows), (start + room,) if len(ids) > start + room else None)


def _referring(asking: Asking, include: Include, documents: Sequence[bytes], after: Position, room: int) -> _Part:
    """What refers to these documents."""
    match = include.parameter.targets[include.target]
    asked = [match(identity(document).decode()) for document in documents]
    rows = _rows(asking, include, asked, Page(room + 1, after=after))
    kept = list(bundle.within(rows[:room]))
    rest = (kept[-1][0] if kept else after) if len(kept) < len(rows) else None
    return _Part(_brought(include, kept), rest)


def _brought(include: Include, rows: Iterable[Row]) -> list[Document]:
    return [Document(include.brings, document, owner) for _, document, owner in rows]


def _rows(asking: Asking, include: Include, any_of: list[Any], page: Page) -> list[Row]:
    if not any_of:
        return []
    where = AllOf((AnyOf(tuple(any_of)), include.granted))
    return written_as(RESOURCES[include.brings], source_of(include.brings).page(asking, where, page), asking.runtime)
