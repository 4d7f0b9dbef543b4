"""Writes and reads multipart/related (RFC 2046 §5.1, PS3.18 §8.6.1.2), a part at a time and in constant memory.

Writing knows its whole length in advance, so that a stream of files can state its Content-Length. Reading hands the bytes of
each DICOM part to a sink of the caller's as they come; what a stranger can make long (headers, number of parts) is bounded.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mappings.content_digest import read_sha256, write_sha256
from mappings.dicom.accept import DICOM, RELATED
from mappings.failures import Invalid, TooLarge, UnsupportedMedia
from mappings.negotiation import MediaType, read_media_type

MAX_CONTENT_TYPE = 1024
MAX_BOUNDARY = 256
_BOUNDARY = re.compile(rf"[0-9A-Za-z'()+_,./:=? -]{{0,{MAX_BOUNDARY - 1}}}[0-9A-Za-z'()+_,./:=?-]")
"""RFC 2046 §5.1.1, but for its length: Orthanc's DICOMweb client sends 73 characters where 70 are allowed."""
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")


class Part(NamedTuple):
    """What is said before a part: Content-Type, length in bytes, where it is found, and its SHA-256 where that is known."""

    content_type: str
    length: int
    location: str
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/related body to be written: `head`, the part's bytes, `head`, …, `tail`, in that order and nothing between."""

    boundary: str
    root_type: str = DICOM

    def content_type(self) -> str:
        """The body's own Content-Type."""
        return f'{RELATED}; type="{self.root_type}"; boundary={self.boundary}'

    def head(self, part: Part) -> bytes:
        """What stands before a part. Viewers read these header names in this letter case and no other."""
        digest = "" if part.sha256 is None else f"Repr-Digest: {write_sha256(part.sha256)}\r\n"
        return (
            f"\r\n--{self.boundary}\r\nContent-Type: {part.content_type}\r\nContent-Length: {part.length}\r\n"
            f"Content-Location: {part.location}\r\n{digest}\r\n"
        ).encode("ascii")

    def tail(self) -> bytes:
        """What stands after the last part."""
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")

    def total(self, parts: Iterable[Part]) -> int:
        """The whole body's length in bytes."""
        return sum(len(self.head(part)) + part.length for part in parts) + len(self.tail())


def dicom_part(transfer_syntax: str) -> str:
    """The Content-Type of a DICOM part; without its transfer syntax viewers take it for Implicit VR Little Endian."""
    return f"{DICOM}; transfer-syntax={transfer_syntax}"


class Sink(Protocol):
    """Where a part's bytes go. It is closed when its part is whole; one left open belongs to a body that broke off."""

    def write(self, data: memoryview, /) -> Any:
        """Take the next bytes, in order."""

    def close(self) -> Any:
        """The part is whole."""


@dataclass(frozen=True, slots=True)
class PartHeaders:
    """What a part says of itself: its number in the body, from 1, its transfer syntax, location and SHA-256 (None: not said)."""

    number: int
    transfer_syntax: str | None
    location: str | None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a body may hold: parts, and bytes of headers in each."""

    parts: int = 100_000
    header_bytes: int = 8192


@dataclass(slots=True)
class PartReader:
    """Reads a multipart/related body of DICOM parts, or with `of` None of any: `feed` it the bytes as they come, then `finish`.

    `open_part` is called with each DICOM part's headers and gives the sink for its bytes; a part without Content-Type counts as
    DICOM, one of another type is passed over and its number kept in `skipped`. Text before the first and after the last
    delimiter is ignored. Raises UnsupportedMedia for a body that is not multipart/related of application/dicom, Invalid for
    one that breaks RFC 2046 (a line that ends in LF alone too), TooLarge past the limits; what `open_part` raises passes.
    """

    content_type: str
    open_part: Callable[[PartHeaders], Sink]
    limits: Limits = field(default_factory=Limits)
    skipped: list[int] = field(default_factory=list)
    of: str | None = DICOM
    _delimiter: bytes = b""
    _kept: bytes = b"\r\n"  # the first delimiter may stand at the very start: give it the line end it lacks
    _at: int = 0
    _number: int = 0
    _sink: Sink | None = None
    _step: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        self._delimiter = b"\r\n--" + _boundary(self.content_type, self.of).encode("ascii")
        self._step = self._content

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body, of any length."""
        self._kept = self._kept[self._at :] + data
        self._at = 0
        while self._step is not None and self._step():
            pass
        if self._step is None:
            self._kept, self._at = b"", 0

    def finish(self) -> None:
        """The body has ended. Raises Invalid when its closing delimiter is missing or it held no DICOM part."""
        if self._step is not None:
            raise Invalid("multipart-truncated", "The body ends before its closing delimiter; its last part is not whole.")
        if self._number == len(self.skipped):
            raise Invalid("multipart-no-dicom", f"The body holds no part of type {DICOM}.")

    def _content(self) -> bool:
        """A part's bytes, or the preamble: up to the next delimiter, or all that can't be the start of one."""
        at = self._kept.find(self._delimiter, self._at)
        stop = at if at >= 0 else max(self._at, len(self._kept) - len(self._delimiter) + 1)
        if self._sink is not None and stop > self._at:
            self._sink.write(memoryview(self._kept)[self._at : stop])
        self._at = stop
        if at < 0:
            return False
        self._at += len(self._delimiter)
        self._step = self._delimited
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.close()
        return True

    def _delimited(self) -> bool:
        """After a delimiter: `--` closes the body; else blanks and a line end, which stays, as the start of the headers."""
        if self._kept.startswith(b"--", self._at):
            self._step = None
            return False
        end = self._kept.find(b"\r\n", self._at)
        line = self._kept[self._at : end if end >= 0 else len(self._kept)]
        if line.strip(b" \t") not in ((b"",) if end >= 0 else (b"", b"-", b"\r")) or len(line) > self.limits.header_bytes:
            raise Invalid("multipart-delimiter", "A delimiter line must end with CRLF, right after the boundary.")
        if end < 0:
            return False
        self._at, self._step = end, self._headers
        return True

    def _headers(self) -> bool:
        end = self._kept.find(b"\r\n\r\n", self._at)
        if (end if end >= 0 else len(self._kept)) - self._at > self.limits.header_bytes:
            raise Invalid("multipart-headers", f"The headers of a part exceed {self.limits.header_bytes} bytes.")
        if end < 0:
            return False
        self._number += 1
        if self._number > self.limits.parts:
            raise TooLarge("multipart-parts", f"A body may hold {self.limits.parts} parts; send the rest in another request.")
        self._open(_read_headers(self._kept[self._at + 2 : end]))
        self._at, self._step = end + 4, self._content
        return True

    def _open(self, headers: dict[str, str]) -> None:
        media = read_media_type(headers.get("content-type", DICOM)) or MediaType("")
        if self.of not in (None, media.name):
            self.skipped.append(self._number)
            return
        digest = read_sha256(headers.get("repr-digest", ""))
        said = PartHeaders(self._number, media.get("transfer-syntax"), headers.get("content-location"), digest)
        self._sink = self.open_part(said)


def _boundary(content_type: str, of: str | None) -> str:
    media = read_media_type(content_type) if len(content_type) <= MAX_CONTENT_TYPE else None
    if media is None or media.name != RELATED or of not in (None, (media.get("type") or DICOM).lower()):
        raise UnsupportedMedia("media-type", f'Objects are taken as {RELATED}; type="{DICOM}" or as {DICOM}.', "Content-Type")
    boundary = media.get("boundary") or ""
    if not _BOUNDARY.fullmatch(boundary):
        raise Invalid(
            "multipart-boundary", f"There is no boundary of 1 to {MAX_BOUNDARY} characters (RFC 2046 §5.1.1).", "Content-Type"
        )
    return boundary


def _read_headers(block: bytes) -> dict[str, str]:
    """Header fields by lower-case name. Raises Invalid for a line that is none, a folded one too (RFC 9110 §5.2)."""
    fields: dict[str, str] = {}
    for line in block.split(b"\r\n") if block else ():
        read = _HEADER.fullmatch(line)
        if read is None:
            raise Invalid("multipart-headers", "A part has a header line that is no header.")
        fields[read[1].decode("ascii").lower()] = read[2].rstrip(b" \t").decode("latin-1")
    return fields
