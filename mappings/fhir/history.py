"""FHIR R4 history (3.1.0.9): its parameters, and the Bundle of what came, changed and went, in the order of commits.

What is told is a resource as it is now, at the moment when it last changed for this reader; of what went, its name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from mappings.failures import Invalid
from mappings.fhir import moments
from mappings.fhir.search import CURSOR, DEFAULT_COUNT, MAX_COUNT, Arguments, Reader, Sealing
from mappings.fhir.serial import instant, meta_of

PARAMETERS = ("_since", "_count", "_pretty")


class Position(NamedTuple):
    """After what a page goes on: a stamp, the place of a type among those that are served, the kind of event, and its row."""

    stamp: int
    type: int = 0
    kind: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A history as read: of what (`path`: a type, one resource of it, or empty), after which position, and how much of it.

    `cursor` makes of a position the cursor after it, which holds for this question and its reader only; `continued` says that the
    position came by one.
    """

    path: str
    after: Position
    count: int
    used: tuple[tuple[str, str], ...]
    continued: bool
    cursor: Callable[[Position], str] = field(compare=False, repr=False)

    @property
    def link(self) -> str:
        """What was asked, from the path on."""
        return self.link_after(self.after) if self.continued else _link(self.path, self.used)

    def link_after(self, position: Position) -> str:
        """The same from a position on."""
        return _link(self.path, (*self.used, (CURSOR, self.cursor(position))))


def read(path: str, arguments: Arguments, reader: Reader) -> Asked:
    """Read a history's arguments. Raises Invalid, saying where."""
    said = _said(arguments)
    used = tuple((name, said[name]) for name in PARAMETERS if name in said)
    question, sealing = msgspec.json.encode((f"{path}/_history", reader.key, used)), reader.sealing
    after = _after(sealing.opened(question, said[CURSOR])) if CURSOR in said else Position(_since(said.get("_since")))
    return Asked(path, after, _count(said.get("_count")), used, CURSOR in said, partial(_sealed, sealing, question))


def _said(arguments: Arguments) -> Mapping[str, str]:
    said = dict(arguments)
    for name in said:
        if name not in (*PARAMETERS, CURSOR):
            raise Invalid("unknown-parameter", f"A history takes _since and _count, and not {name[:64]}.", name[:64])
    if len(said) < len(arguments):
        raise Invalid("repeated", "A parameter of a history may be given once.")
    return said


def _count(value: str | None) -> int:
    if value is None:
        return DEFAULT_COUNT
    if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
        raise Invalid("value", "_count takes a whole number from 1.", "_count")
    return min(int(value), MAX_COUNT)


def _since(value: str | None) -> int:
    """The stamp that an instant is (R4 3.1.0.9: created at or after it)."""
    if value is None:
        return 0
    prefix, start, _ = moments.parsed(value, "_since")
    if value.startswith(prefix):
        raise Invalid("value", "_since takes an instant, without a prefix.", "_since")
    return max(0, moments.stamp(start))


def _sealed(sealing: Sealing, question: bytes, position: Position) -> str:
    return sealing.seal(question, msgspec.json.encode(position))


def _after(opened: bytes | None) -> Position:
    if opened is None:
        raise Invalid("cursor", "This is no link of this history. Follow links as they are, or start again.", CURSOR)
    return msgspec.json.decode(opened, type=Position)


def _link(path: str, arguments: Arguments) -> str:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in arguments)
    return "/".join(part for part in (path, "_history") if part) + (f"?{query}" if query else "")


# --- the Bundle


@dataclass(frozen=True, slots=True)
class Entry:
    """What came or changed, as it is now, or went (`document`: None), and when; where no time is known, None."""

    resource: str
    identity: str
    document: bytes | None
    at: datetime | None


def etag_of(document: bytes) -> str:
    """The weak entity tag of a resource: its version, where it has one."""
    return meta_of(document)[0] or sha256(document).hexdigest()[:16]


def bundle(entries: Iterable[Entry], base: str, links: Sequence[tuple[str, str]], at: datetime) -> bytes:
    """The Bundle's JSON; `at`: up to when it tells all there is, links as (relation, path and query under `base`)."""
    linked = [{"relation": relation, "url": f"{base}/fhir/R4/{url}"} for relation, url in links]
    head = {"resourceType": "Bundle", "meta": {"lastUpdated": instant(at)}, "type": "history", "link": linked}
    opened = msgspec.json.encode(head)[:-1]
    parts = [part for entry in entries for part in (b",", *_entry(entry, base))]
    return b"".join((opened, b',"entry":[', *parts[1:], b"]}")) if parts else opened + b"}"


def _entry(entry: Entry, base: str) -> tuple[bytes, ...]:
    url, last = f"{entry.resource}/{entry.identity}", {} if entry.at is None else {"lastModified": instant(entry.at)}
    named = msgspec.json.encode({"fullUrl": f"{base}/fhir/R4/{url}"})[:-1]
    if entry.document is None:
        return named, b",", _done("DELETE", url, {"status": "204 No Content"} | last)
    etag = etag_of(entry.document)
    status = "201 Created" if etag == "1" else "200 OK"
    done = _done("PUT", url, {"status": status, "etag": f'W/"{etag}"'} | last)
    return named, b',"resource":', entry.document, b",", done


def _done(method: str, url: str, response: Mapping[str, str]) -> bytes:
    return msgspec.json.encode({"request": {"method": method, "url": url}, "response": response})[1:]
