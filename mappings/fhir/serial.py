"""FHIR JSON as bytes: type and id first, nothing empty, instants in UTC."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

Json = Mapping[str, object]


def document(resource: str, identity: str, body: Json) -> bytes:
    """A resource's bytes; members that are None or empty are left out at its top level (R4 2.6.2: nothing empty)."""
    told = {name: value for name, value in body.items() if value not in (None, "", [], {})}
    return msgspec.json.encode({"resourceType": resource, "id": identity} | told)


def told(**members: object) -> dict[str, object]:
    """Members that say something: neither None nor empty."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def identity(served: bytes) -> bytes:
    """The id of a resource that `document` wrote, without parsing it."""
    start = served.index(b'"id":"', 0, 64) + 6
    return served[start : served.index(b'"', start)]


def identities(served: Sequence[bytes]) -> list[str]:
    """The ids of resources of one type, at least one of them."""
    start = served[0].index(b'"id":"', 0, 64) + 6  # in all of them, their type being written before it
    return b" ".join([each[start : each.index(b'"', start)] for each in served]).decode().split(" ")


def instant(at: datetime) -> str:
    """An aware datetime as a FHIR instant in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DATED = b'"lastUpdated":"'


def dated(served: bytes, at: datetime) -> bytes:
    """The resource's bytes as changed at another moment: instants are all of one length."""
    start, told = served.index(_DATED) + len(_DATED), instant(at).encode()
    return served[:start] + told + served[start + len(told) :]


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None  # noqa: N815 - FHIR's spelling
    versionId: str | None = None  # noqa: N815


class _Head(msgspec.Struct):
    meta: _Meta | None = None


def meta_of(served: bytes) -> tuple[str | None, datetime | None]:
    """(versionId, lastUpdated) of a resource's bytes."""
    meta = msgspec.json.decode(served, type=_Head).meta or _Meta()
    return meta.versionId, datetime.fromisoformat(meta.lastUpdated) if meta.lastUpdated else None
