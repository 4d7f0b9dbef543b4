"""A searchset Bundle (R4 3.1.1.3), joined from resources that are bytes already."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

import msgspec

from mappings.fhir.outcome import outcome
from mappings.fhir.resources import RESOURCES
from mappings.fhir.search import Asked, Place, next_link, self_link
from mappings.fhir.serial import identity
from mappings.fhir.summaries import Cut, cutting
from mappings.query import Position

PAGE_BYTES = 8 * 2**20
"""A page ends before it is larger: a short page with a next link is a whole answer."""


Row = tuple[Position, bytes, int | None]
"""A match: its place, its bytes, and the party whose data it is; None where it is nobody's."""


@dataclass(frozen=True, slots=True)
class Document:
    """One resource: its type, its bytes, and the party whose data it is."""

    type: str
    bytes: bytes
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Brought:
    """A page: its matches, what they bring along, and the place that the next page begins after."""

    matches: Sequence[Row]
    others: Sequence[Document]
    following: Place | None


def page(asked: Asked, base: str, brought: Brought, total: int | None) -> bytes:
    """The Bundle's JSON of a page."""
    links = [("self", self_link(asked, base))]
    if brought.following is not None:
        links.append(("next", next_link(asked, base, brought.following)))
    cuts = {name: cutting(RESOURCES[name], asked.subset) for name in {asked.resource, *(d.type for d in brought.others)}}
    matches = _cut((document for _, document, _ in brought.matches), cuts[asked.resource])
    entries = _entries(matches, f"{base}/fhir/R4/{asked.resource}", b"match")
    for each in brought.others:
        entries += _entries(_cut((each.bytes,), cuts[each.type]), f"{base}/fhir/R4/{each.type}", b"include")
    for name in asked.ignored:
        entries += _warning(outcome("not-supported", "This parameter was ignored.", name[:64], "warning"), base)
    return _joined("searchset", entries, links, total)


def _cut(documents: Iterable[bytes], cut: Cut | None) -> Iterable[bytes]:
    return documents if cut is None else map(cut, documents)


def within(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that fit a page's bytes, at least one."""
    size = 0
    for place, (_, document, _) in enumerate(rows):
        size += len(document)
        if place and size >= PAGE_BYTES:
            return rows[:place]
    return rows


def fits(rows: Sequence[Row]) -> bool:
    """Whether the rows fit a page's bytes."""
    return sum(len(document) for _, document, _ in rows) < PAGE_BYTES


def _entries(documents: Iterable[bytes], resource_base: str, mode: bytes) -> list[bytes]:
    """The entries of resources under `resource_base` (…/fhir/R4/Type), in pieces: every document is copied once, by one join."""
    start, end = f',{{"fullUrl":"{resource_base}/'.encode(), b',"search":{"mode":"' + mode + b'"}}'
    entries: list[bytes] = []
    for document in documents:
        entries += (start, identity(document), b'","resource":', document, end)
    return entries


def _warning(told: bytes, base: str) -> tuple[bytes, ...]:
    name = uuid5(NAMESPACE_URL, f"{base} {told.decode()}").urn
    return (f',{{"fullUrl":"{name}","resource":'.encode(), told, b',"search":{"mode":"outcome"}}')


def _joined(kind: str, entries: list[bytes], links: Sequence[tuple[str, str]], total: int | None) -> bytes:
    head: dict[str, object] = {"resourceType": "Bundle", "type": kind} | ({} if total is None else {"total": total})
    opened = msgspec.json.encode(head | {"link": [{"relation": r, "url": u} for r, u in links]})[:-1]
    if not entries:
        return opened + b"}"
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((opened, b',"entry":[', *entries, b"]}"))
