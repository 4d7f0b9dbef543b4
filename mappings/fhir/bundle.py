"""A searchset Bundle (R4 3.1.1.3), joined from resources that are bytes already."""

from collections.abc import Iterable, Sequence
from uuid import NAMESPACE_URL, uuid5

import msgspec

from mappings.fhir.outcome import outcome
from mappings.fhir.search import Asked, next_link, self_link
from mappings.fhir.serial import identity

PAGE_BYTES = 8 * 2**20
"""A page ends before it is larger: a short page with a next link is a whole answer."""


def page(asked: Asked, base: str, rows: Sequence[tuple[int, bytes]], total: int | None) -> tuple[bytes, int]:
    """(the Bundle's JSON, its number of matches) of (row id, resource) in order, one more than was asked for where there is."""
    shown = _within(rows[: asked.count])
    links = [("self", self_link(asked, base))]
    if len(shown) < len(rows):
        links.append(("next", next_link(asked, base, shown[-1][0])))
    warnings = [outcome("not-supported", "This parameter was ignored.", name[:64], "warning") for name in asked.ignored]
    return searchset([d for _, d in shown], f"{base}/fhir/R4/{asked.resource}", links, total, warnings), len(shown)


def _within(rows: Sequence[tuple[int, bytes]]) -> Sequence[tuple[int, bytes]]:
    """The rows that fit a page's bytes, at least one."""
    size = 0
    for place, (_, document) in enumerate(rows):
        size += len(document)
        if place and size >= PAGE_BYTES:
            return rows[:place]
    return rows


def fits(rows: Sequence[tuple[int, bytes]]) -> bool:
    """Whether the rows fit a page's bytes."""
    return sum(len(document) for _, document in rows) < PAGE_BYTES


def searchset(
    documents: Iterable[bytes],
    resource_base: str,
    links: Sequence[tuple[str, str]],
    total: int | None,
    warnings: Iterable[bytes] = (),
) -> bytes:
    """The Bundle's JSON: matches in order under `resource_base` (…/fhir/R4/Type), links as (relation, url), then warnings.

    Every document is copied once, by the one join at the end.
    """
    start = f',{{"fullUrl":"{resource_base}/'.encode()
    entries: list[bytes] = []
    for document in documents:
        entries += (start, identity(document), b'","resource":', document, b',"search":{"mode":"match"}}')
    for warning in warnings:
        name = uuid5(NAMESPACE_URL, f"{resource_base} {warning.decode()}").urn
        entries += (f',{{"fullUrl":"{name}","resource":'.encode(), warning, b',"search":{"mode":"outcome"}}')
    head: dict[str, object] = {"resourceType": "Bundle", "type": "searchset"} | ({} if total is None else {"total": total})
    opened = msgspec.json.encode(head | {"link": [{"relation": r, "url": u} for r, u in links]})[:-1]
    if not entries:
        return opened + b"}"
    entries[0] = entries[0].removeprefix(b",")
    return b"".join((opened, b',"entry":[', *entries, b"]}"))
