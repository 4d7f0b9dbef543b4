"""What an Accord holds, as one of its clients may read it: found by QIDO-RS, measured and taken by WADO-RS, cited as catalogued.

A method asks once for each page or object, and is answered or raises the server's own failure. What a server says of itself is
read as data: an identifier that is no legal UID is none.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from adapters.accord_client import CHUNK, AccordClient, broken, printable
from mappings import json_text
from mappings.content_digest import read_sha256
from mappings.dicom.accept import DICOM, DICOM_JSON, JPEG, RELATED
from mappings.dicom.uid import legal_uid
from mappings.failures import Failure, Invalid, TooLarge, Unavailable
from mappings.fhir.systems import alias_of
from mappings.query import REMAINING

PAGE = 1000
"""Rows of one answer: what a server gives at most to a search of studies."""
LARGEST_JSON, LARGEST_PICTURE = 64_000_000, 128_000_000
"""Bytes of an answer that is held in memory."""
HEAD_TRIES = 2
"""What is asked to plan with is not waited for: what comes after asks again, with all patience."""
ALONE, TOGETHER = f"{DICOM}; transfer-syntax=*", f'{RELATED}; type="{DICOM}"; transfer-syntax=*'
_JSON_LD, _FHIR = "application/ld+json", "application/fhir+json"
_UID_TAGS = ("0020000D", "0020000E", "00080018")
_DICOM_OID = "urn:dicom:uid|urn:oid:"
Found = dict[str, Any]
"""A study, series or instance in DICOM JSON (PS3.18 annex F)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance that is there to be asked for, by its UIDs."""

    study: str
    series: str
    instance: str

    @property
    def path(self) -> str:
        """Where it is retrieved."""
        return retrieved(self.study, self.series, self.instance)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a server says of one file: its bytes, and its SHA-256."""

    size: int
    sha256: bytes


def retrieved(study: str, series: str | None = None, instance: str | None = None) -> str:
    """The path at which a study, a series or an instance is retrieved (PS3.18 10.4.1). Raises Invalid where a UID is none."""
    named = (("studies", study), ("series", series), ("instances", instance))
    if not all(legal_uid(uid) for _, uid in named if uid is not None):
        raise Invalid("uid-illegal", "A study, series or instance is named by its UID (PS3.5 §9.1).")
    return "/dicom-web" + "".join(f"/{kind}/{uid}" for kind, uid in named if uid is not None)


def listed(found: Found) -> Listed:
    """An instance that was found, by its UIDs. Raises Unavailable where it has none."""
    with _as_expected():
        uids = [str(found[tag]["Value"][0]) for tag in _UID_TAGS]
        if not all(map(legal_uid, uids)):
            raise ValueError("not a UID")
        return Listed(*uids)


class Repository:
    """The studies of an Accord. Safe for many threads."""

    def __init__(self, client: AccordClient) -> None:
        self._client = client

    def studies(self, keys: Sequence[tuple[str, str]], limit: int | None = None) -> Iterator[Found]:
        """The studies that match all these QIDO-RS keys (PS3.18 8.3.4), at most so many, page by page.

        Raises Invalid where the server can't search by one of them: it answered as if that had not been asked.
        """
        return islice(self._pages("/dicom-web/studies", keys, min(PAGE, limit or PAGE)), limit)

    def instances(self, study: str, series: str | None = None) -> list[Found]:
        """The instances of a study, or of one of its series; none where there is none for this client."""
        return list(self._pages(f"{retrieved(study, series)}/instances", (), PAGE))

    def listed(self, study: str) -> list[Listed]:
        """The instances of a study by their UIDs."""
        return [listed(found) for found in self.instances(study)]

    def size(self, path: str) -> int:
        """The bytes that a retrieval at this path would bring, and no use. Raises what the retrieval would, Unavailable soon."""
        with _as_expected():
            return int(self._headed(path, TOGETHER)["Content-Length"])

    def stored(self, instance: Listed) -> Stored:
        """What the server says of a file, which is not brought. It is no use."""
        said = self._headed(instance.path, ALONE)
        sha256 = read_sha256(said.get("Repr-Digest", ""))
        if sha256 is None:
            raise Unavailable("digest-unsaid", "The server does not say the digest of what it gives.")
        with _as_expected():
            return Stored(int(said["Content-Length"]), sha256)

    def taken(self, path: str, accept: str) -> httpx.Response:
        """The answer that brings what is at this path, its body unread, to be closed by the caller."""
        return self._client.called("GET", path, {"Accept": accept})

    def picture(self, path: str, frame: int | None, side: int | None) -> bytes:
        """An instance's frame as JPEG: a preview, or where `side` is given of at most so many pixels a side."""
        framed = "" if frame is None else f"/frames/{frame}"
        viewport = "" if side is None else f"?viewport={side},{side}"
        return self._read(f"{path}{framed}/rendered{viewport}", JPEG, LARGEST_PICTURE)

    def dataset(self, study: str) -> str | None:
        """The alias of the dataset that a study belongs to; None where its record is not shown (yet: it follows its images)."""
        asked = urlencode({"identifier": f"{_DICOM_OID}{study}", "_count": "1"})
        with _as_expected():
            bundle = json_text.loads(self._read(f"/fhir/R4/ImagingStudy?{asked}", _FHIR, LARGEST_JSON))
            points = [point for entry in bundle.get("entry", ()) for point in entry["resource"].get("endpoint", ())]
            named = [point["reference"].removeprefix("Endpoint/") for point in points]
            return alias_of(named[0]) if named else None

    def description(self, alias: str) -> bytes:
        """What the public catalogue says of a dataset, as JSON-LD. Raises NotFound where it is not listed."""
        return self._read(f"/catalogue/datasets/{quote(alias, safe='')}", _JSON_LD, LARGEST_JSON)

    def _pages(self, path: str, keys: Sequence[tuple[str, str]], rows: int) -> Iterator[Found]:
        offset = 0
        while True:
            asked = urlencode([*keys, ("limit", str(rows)), ("offset", str(offset))])
            page = self._page(f"{path}?{asked}")
            yield from page
            if len(page) < rows:
                return
            offset += len(page)

    def _page(self, path: str) -> list[Found]:
        with closing(self.taken(path, DICOM_JSON)) as answer, _as_expected():
            for warned in (said for said in answer.headers.get_list("Warning") if REMAINING not in said):
                raise Invalid("key-ignored", printable(warned.partition('"')[2].rstrip('"') or warned))
            return [dict(found) for found in json_text.loads(_body(answer, LARGEST_JSON))]

    def _read(self, path: str, accept: str, most: int) -> bytes:
        with closing(self.taken(path, accept)) as answer:
            return _body(answer, most)

    def _headed(self, path: str, accept: str) -> httpx.Headers:
        try:
            with closing(self._client.called("HEAD", path, {"Accept": accept}, tries=HEAD_TRIES)) as answer:
                return answer.headers
        except Unavailable:
            raise
        except Failure:  # it came without its sentence (RFC 9110 section 9.3.2), which the same question has, and no use
            self.taken(path, accept).close()
            raise


def _body(answer: httpx.Response, most: int) -> bytes:
    """An answer's body, of so many bytes at most."""
    body = bytearray()
    try:
        for piece in answer.iter_bytes(CHUNK):
            body += piece
            if len(body) > most:
                raise TooLarge("answer-too-large", f"The server's answer is larger than {most // 1_000_000} MB.")
    except httpx.RequestError:
        raise broken() from None
    return bytes(body)


@contextmanager
def _as_expected() -> Iterator[None]:
    """Read what a server says. Raises Unavailable where it has another shape."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Unavailable("not-an-accord", "The server does not answer as an Accord does.") from None
