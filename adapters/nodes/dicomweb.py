"""Any DICOMweb archive as node (PS3.18): one that is only read, and filled by whoever has it.

Searches go through dicomweb-client. Bytes are read past it, on a session of the same kind: it would hold each object whole.

What an archive gives of an object may differ in preamble and file meta (PS3.10 §7.1) from what it was given, and from one release
of it to the next. So a file here is the data set as the archive gives it, behind a file meta of ours that the same data set has
for ever: custody's digests are over that, and a data set that differs in a bit is another file. `transfer-syntax=*` asks for the
data set as it is kept; an archive that passes over it is held to what it gives.
"""

import contextlib
import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, cast

import requests
from dicomweb_client.web import DICOMwebClient

from adapters.nodes.archived import Pieces, behind_our_meta, bounded, first_part, ranged
from adapters.nodes.line import Line
from adapters.nodes.port import MOST_PLACES, OTHER_SIZE, SILENT, Changes, Health, NodeFile, endless, silent
from adapters.nodes.transport import Allowance
from mappings.dicom.accept import DICOM, RELATED
from mappings.dicom.uid import legal_uid
from mappings.failures import Conflict, Failure, NotFound, Unauthenticated, Unavailable
from mappings.json_text import check_depth

log = logging.getLogger("accord.dicomweb")

_STUDY, _SERIES, _INSTANCE, _COUNT = "0020000D", "0020000E", "00080018", "00201208"
_PAGE, _PAGE_BYTES = 200, 8 << 20
"""Rows that are asked for at a time, and bytes that they may have together."""
_BUFFER = 256 * 1024
_STORED = f'{RELATED}; type="{DICOM}"; transfer-syntax=*'
_FRAME = f'{RELATED}; type="application/octet-stream"; transfer-syntax=*'

Authorize = Callable[[requests.PreparedRequest], requests.PreparedRequest]
"""Gives a request its credentials, each time one is made."""

REFUSALS = {"anonymous": "it answers without credentials, so anybody who reaches it reads everything."}
"""Why a node is refused at start, unless its name here is in `allow`."""


class DicomwebNode:
    """`Node` on the archive whose DICOMweb services are below `url`. A place is study/series/instance, by their UIDs.

    `largest` is how many bytes an object may have of which custody says nothing yet; `patience` as `OrthancNode` has it.
    """

    def __init__(
        self,
        name: str,
        url: str,
        authorize: Authorize,
        allow: frozenset[str] = frozenset(),
        *,
        patience: float = 20,
        largest: int = 2_000_000_000,
    ) -> None:
        self.name, self._allow, self._largest = name, allow, largest
        self._url, self._authorize = url.rstrip("/"), authorize
        self._line = Line(name, patience, _not_dicomweb)
        self._thread = threading.local()

    def store(self, file: NodeFile, content: memoryview) -> str:  # noqa: ARG002 - nothing is sent
        """See `Node.store`: where this very file lies there already, it rests there. Nothing else does."""
        place = self.place_of(file)
        try:
            with self.open(place, file.size) as stored:
                found = hashlib.file_digest(cast("io.BufferedIOBase", stored), "sha256").digest()
        except NotFound:
            raise Unavailable("node-read-only", f"Node {self.name} is only read, so nothing is put there.") from None
        except Unavailable as failure:
            if failure.code != OTHER_SIZE:
                raise
            found = b""
        if found != file.digest:
            raise Conflict("node-holds-other", f"Node {self.name} holds other content under this SOP Instance UID.")
        return place

    def place_of(self, file: NodeFile) -> str:
        """See `Node.place_of`."""
        return f"{file.study_instance_uid}/{file.series_instance_uid}/{file.sop_instance_uid}"

    def open(self, place: str, size: int | None, start: int = 0, length: int | None = None) -> BinaryIO:
        """See `Node.open`. All of it comes, up to the range's end. What is no DICOM file is given as it comes, to be judged."""
        instance = self._uids(place)[2]
        if size is not None and start >= size:
            return io.BytesIO()
        allowance = self._line.for_unsized(self._largest) if size is None else self._line.for_object(size)
        answer = self._get(self._address(place), _STORED, allowance)
        file = behind_our_meta(first_part(answer, self.name, _not_dicomweb), instance)
        if size is None:
            file = bounded(file, self._largest)
        else:
            file = ranged(file, size, start, size if length is None else min(size, start + length), self.name)
        return io.BufferedReader(Pieces(file, answer), _BUFFER)

    def frame(self, place: str, number: int, length: int) -> bytes | None:
        """See `Node.frame`."""
        try:
            address = f"{self._address(place)}/frames/{number + 1}"
            with contextlib.closing(self._get(address, _FRAME, self._line.for_object(length))) as answer:
                return b"".join(bounded(first_part(answer, self.name, _not_dicomweb), length))
        except Failure as failure:
            if failure.code == SILENT:
                raise
            return None

    def size(self, place: str) -> int | None:
        """See `Node.size`: an archive tells that an instance is there, and how long it is in giving it only."""
        study, series, instance = self._uids(place)
        named: dict[str, Any] = {"search_filters": {"SOPInstanceUID": instance}, "limit": 1}
        rows = self._search("search_for_instances", self._line.for_json(), study, series, **named)
        if not rows:
            raise self._line.lacks()
        if _uid(rows[0], _INSTANCE) != instance:  # it passes over what it is asked
            raise _not_dicomweb()
        return None

    def delete(self, place: str) -> None:
        """See `Node.delete`: nothing was put here by us, and what others put here stays."""

    def places(self) -> Iterator[str]:
        """See `Node.places`: the instances of each study, by pages."""
        for row in self._pages("search_for_studies"):
            if self._is_askable(study := _uid(row, _STUDY)):
                for found in self._pages("search_for_instances", study, count=_value(row, _COUNT)):
                    series, instance = _uid(found, _SERIES), _uid(found, _INSTANCE)
                    if self._is_askable(series) and self._is_askable(instance):
                        yield f"{study}/{series}/{instance}"

    def changes(self, since: int | None) -> Changes | None:  # noqa: ARG002 - PS3.18 has no feed of what came
        """See `Node.changes`."""
        return None

    def check(self) -> Health:
        """See `Node.check`. No archive has to say what it is."""
        try:
            self._search("search_for_studies", self._line.quick(), limit=1)
        except Failure as failure:
            return Health(ok=False, sentence=failure.sentence, version="")
        return Health(ok=True, sentence=f"Node {self.name} answers.", version="DICOMweb")

    def adopt(self, sample: Sequence[tuple[str, int]]) -> bool:  # noqa: ARG002 - it has an address and credentials of its own
        """See `Node.adopt`."""
        return True

    def probe(self) -> list[str]:
        """See `Node.probe`: whether it answers, and whether it answers anybody."""
        self._search("search_for_studies", self._line.quick(), limit=1)
        found = {"anonymous"} if self._answers_anybody() else set()
        return [f"{name}: {sentence}" for name, sentence in REFUSALS.items() if name in found - self._allow]

    def _answers_anybody(self) -> bool:
        anybody = self._connected(lambda request: request)
        try:
            self._search("search_for_studies", self._line.quick(), session=anybody, limit=1)
        except Failure as failure:
            if failure.code == SILENT:  # silence proves nothing
                raise
            return False
        return True

    def _pages(self, search: str, *within: str, count: object = None) -> Iterator[dict[str, Any]]:
        """All rows of a search, of which the archive told that there are so many where it did."""
        at, page = 0, [dict[str, Any]()]
        while page and at != count:
            before, page = page, self._search(search, self._line.for_json(_PAGE_BYTES), *within, limit=_PAGE, offset=at)
            at += len(page)
            if page == before:  # it passes over `offset`: there would be no end
                raise _not_dicomweb()
            if at > MOST_PLACES:
                raise endless(self.name)
            yield from page

    def _search(
        self, search: str, allowance: Allowance, *within: str, session: requests.Session | None = None, **asked: Any
    ) -> list[dict[str, Any]]:
        """The rows of one search (PS3.18 §10.6), by the client library's function of this name."""
        client = DICOMwebClient(self._url, session or self._session, permissive_uid=True, timeout=self._line.connect_seconds)
        client.set_http_retry_params(retry=False)
        with self._line.calling(allowance):
            try:
                rows = getattr(client, search)(*within, **asked)
            except NotFound:
                rows = [] if within else None  # of all that is there something may always be asked
            except ValueError:
                raise _not_dicomweb() from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _not_dicomweb()
        return rows

    def _get(self, address: str, accept: str, allowance: Allowance) -> requests.Response:
        """An answer whose body is still to be read, within its allowance."""
        with self._line.calling(allowance):
            answer = self._session.get(address, headers={"Accept": accept}, stream=True, timeout=self._line.connect_seconds)
        try:
            self._line.refuse_page(answer)
        except Unavailable:
            answer.close()
            raise
        return answer

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = self._connected(self._authorize)
        session: requests.Session = self._thread.session
        return session

    def _connected(self, authorize: Authorize) -> requests.Session:
        session = requests.Session()
        session.headers["Accept-Encoding"] = "identity"
        self._line.prepare(session, self._url)
        session.hooks["response"] += [_unwarned, _shallow]

        def authorized(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers.pop("Host", None)  # the client library names it without its port
            with self._proving():
                return authorize(request)

        session.auth = authorized
        return session

    @contextlib.contextmanager
    def _proving(self) -> Iterator[None]:
        try:
            yield
        except Unauthenticated:
            raise Unavailable("node-credentials", f"Node {self.name} refuses Accord's credentials.") from None
        except Unavailable:
            raise silent(self.name) from None
        except OSError as error:
            raise Unavailable("node-secret", f"The secret file of node {self.name} can't be read: {error.strerror}.") from error

    def _address(self, place: str) -> str:
        return "{}/studies/{}/series/{}/instances/{}".format(self._url, *self._uids(place))

    def _uids(self, place: str) -> list[str]:
        uids = place.split("/")
        if len(uids) != 3 or not all(map(legal_uid, uids)):  # it becomes part of an address
            raise self._line.lacks()
        return uids

    def _is_askable(self, uid: str) -> bool:
        """Whether a UID may be part of an address. What has another one could not be taken either."""
        if legal_uid(uid):
            return True
        log.warning("object left alone, its UID is illegal", extra={"node": self.name, "code": "uid-illegal"})  # once a minute
        return False


def _value(row: dict[str, Any], tag: str) -> object:
    """The first value of an attribute (PS3.18 §F.2); None where there is none."""
    attribute = row.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values[0] if isinstance(values, list) and values else None


def _uid(row: dict[str, Any], tag: str) -> str:
    """The first value of an attribute where that is a text, else ""."""
    value = _value(row, tag)
    return value if isinstance(value, str) else ""


def _unwarned(answer: requests.Response, **_: Any) -> None:
    """Let nothing that a node says be written to our log, where the client library puts its warnings."""
    answer.headers.pop("Warning", None)


def _shallow(answer: requests.Response, *, stream: bool = False, **_: Any) -> None:
    """Let no JSON that nests deep reach the client library, which asks for that without `stream`."""
    if not stream:
        check_depth(answer.content)


def _not_dicomweb() -> Unavailable:
    return Unavailable("node-not-dicomweb", "What answers at the node's address does not speak DICOMweb.")
