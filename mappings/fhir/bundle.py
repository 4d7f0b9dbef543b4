"""A searchset Bundle (R4 3.1.1.3), joined from resources that are bytes already."""

from collections.abc import Iterable, Sequence

import msgspec

from mappings.fhir.serial import identity


def searchset(
    documents: Iterable[bytes],
    resource_base: str,
    links: Sequence[tuple[str, str]],
    total: int | None,
    warnings: Iterable[bytes] = (),
) -> bytes:
    """The Bundle's JSON: matches in order under `resource_base` (…/fhir/R4/Type), links as (relation, url), then warnings."""
    start = f'{{"fullUrl":"{resource_base}/'.encode()
    entries = [start + identity(d).encode() + b'","resource":' + d + b',"search":{"mode":"match"}}' for d in documents]
    entries += [b'{"resource":' + w + b',"search":{"mode":"outcome"}}' for w in warnings]
    head: dict[str, object] = {"resourceType": "Bundle", "type": "searchset"} | ({} if total is None else {"total": total})
    opened = msgspec.json.encode(head | {"link": [{"relation": r, "url": u} for r, u in links]})[:-1]
    return opened + (b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}")
