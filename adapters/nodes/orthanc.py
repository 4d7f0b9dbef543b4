"""An Orthanc over HTTP as node: a dumb store of whole files, which never parses a request's input nor renders a picture for us.

Paths and answers are those of Orthanc's REST API, 1.10.1 and later. What it does that a reader would not guess, always with
HTTP 200: it says `AlreadyStored` of other bytes too; it makes a second instance of the same UIDs under another PatientID; it
unpacks a ZIP body; 1.10 compresses answers for any client that offers gzip, and ignores Range. For a range later ones read the
whole file too, but a frame they all cut out of what they keep parsed: of a file that they read when it came.

With `SyncStorageArea` (its default) the file is on disk when Orthanc answers. Its SQLite index is safe from a killed process,
from a power cut only as far as the operating system has flushed it: a site that needs more gives Orthanc its PostgreSQL plugin.
"""

import contextlib
import hashlib
import io
import re
import threading
import uuid
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any, BinaryIO, cast

import requests
import urllib3
from orthanc_api_client import OrthancApiClient, exceptions
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, SecondaryCaptureImageStorage

from adapters.nodes.line import Line
from adapters.nodes.port import OTHER_SIZE, SILENT, Changes, Health, NodeFile, other_size, silent
from adapters.nodes.transport import Allowance
from adapters.spool import STEP, Behind
from mappings import json_text
from mappings.failures import Conflict, Failure, Invalid, NotFound, Unavailable

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_VERSION = re.compile(r"[\w.+-]{1,40}", re.ASCII)
_UNKEPT = {"Failure", "FilteredOut"}
_BUFFER = 256 * 1024
_PAGE = 1000
_PROBE_ROOT = 0x0ACC04D0_0DE0_4000_8000 << 48
"""What every probe's UID starts from, under 2.25 (PS3.5 B.2): a version 4 UUID whose last 48 bits are drawn."""

REFUSALS = {
    "anonymous": "it answers without credentials, so anybody who reaches it reads everything.",
    "transcoding": "it changes the bytes it is given (IngestTranscoding).",
    "read-only": "it takes nothing (ReadOnly): nothing can be sent to its datasets, only what it holds already be brought in.",
    "overwrite": "it replaces an object when other bytes come under its UID (OverwriteInstances).",
}
"""Why a node is refused at start, unless its name here is in `allow`. Allowing never lets bytes be changed or replaced through
Accord: each object is still compared with what was sent, and refused where it differs."""


class OrthancNode:
    """`Node` on the Orthanc at `url`, with credentials. A place is Orthanc's own identifier of the instance.

    `patience` is how many seconds the node may keep a call waiting: at a time for an object's bytes, in all for anything else.
    """

    def __init__(
        self, name: str, url: str, user: str, password: str, allow: frozenset[str] = frozenset(), patience: float = 20
    ) -> None:
        self.name, self._line = name, Line(name, patience, _not_orthanc)
        self._url = url.rstrip("/") + "/"
        self._credentials = (user, password)
        self._allow = allow
        self._thread = threading.local()

    def store(self, file: NodeFile, content: memoryview) -> str:
        """See `Node.store`. What lies there afterwards is compared with what was sent, by the MD5 that Orthanc keeps."""
        if bytes(content[128:132]) != b"DICM":
            raise Invalid("not-dicom", "Only DICOM files (PS3.10 7.1) are passed on; a ZIP would be unpacked by the node.")
        if "overwrite" in self._allow:
            self._refuse_other(self.place_of(file), content)
        status, place = self._upload(content)
        if not self._holds(place, content):
            raise self._altered(status, place)
        return place

    def place_of(self, file: NodeFile) -> str:
        """See `Node.place_of`: SHA-1 over PatientID, study, series and instance, as Orthanc makes it."""
        text = f"{file.patient_id}|{file.study_instance_uid}|{file.series_instance_uid}|{file.sop_instance_uid}"
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return "-".join(digest[at : at + 8] for at in range(0, 40, 8))

    def open(self, place: str, size: int | None, start: int = 0, length: int | None = None) -> BinaryIO:
        """See `Node.open`. Asks for the range; where the node sends everything (before 1.12.5), skips to it."""
        size = self.size(place) if size is None else size
        end = size if length is None else min(size, start + length)
        if start >= end:
            return io.BytesIO()
        headers = {} if (start, end) == (0, size) else {"Range": f"bytes={start}-{end - 1}"}
        answer = self._call("get", self._file(place), self._line.for_object(size), headers=headers, stream=True)
        try:
            self._line.refuse_page(answer)
            ranged = self._is_ranged(answer, size, start, end)
        except Unavailable:
            answer.close()
            raise
        body = _Body(answer, self.name, 0 if ranged else start, end - start, ends=ranged or end == size)
        return io.BufferedReader(body, _BUFFER)

    def frame(self, place: str, number: int, length: int) -> bytes | None:
        """See `Node.frame`: in 0.35 ms of an object of 52 MB, of which a range costs 33 (1.12.7) or 70 (1.10.1)."""
        try:
            address = f"instances/{self._known(place)}/frames/{number}/raw"
            with contextlib.closing(self._call("get", address, self._line.for_object(length), stream=True)) as answer:
                self._line.refuse_page(answer)
                content = bytes(answer.raw.read(length + 1, decode_content=False))
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        except Failure as failure:
            if failure.code == SILENT:
                raise
            return None
        return content if len(content) <= length else None

    def size(self, place: str) -> int:
        """See `Node.size`: asked of the file, of which one byte is wanted; what `…/size` says was written down at its storing."""
        with contextlib.closing(self._call("get", self._file(place), headers={"Range": "bytes=0-0"}, stream=True)) as answer:
            self._line.refuse_page(answer)
            said = answer.headers.get("Content-Range", answer.headers.get("Content-Length", "")).rpartition("/")[2]
        if not said.isdecimal():
            raise _not_orthanc()
        return int(said)

    def delete(self, place: str) -> None:
        """See `Node.delete`."""
        with contextlib.suppress(NotFound):
            self._call("delete", f"instances/{self._known(place)}")

    def places(self) -> Iterator[str]:
        """See `Node.places`: all instances, by pages."""
        since, page = 0, [""]
        while page:
            before, page = page, _page(self._call("get", "instances", params={"since": since, "limit": _PAGE}))
            if page == before:  # something between us and it passes over `since`: there would be no end
                raise _not_orthanc()
            yield from page
            since += len(page)

    def changes(self, since: int | None) -> Changes | None:
        """See `Node.changes`. Orthanc forgets the entries of what was deleted, and all of them where its operator says so."""
        asked: dict[str, int | str] = {"last": ""} if since is None else {"since": since, "limit": _PAGE}
        return _changes(_json_object(self._call("get", "changes", params=asked)), told=since is not None)

    def check(self) -> Health:
        """See `Node.check`. Orthanc tells what it uses, never what is left."""
        try:
            version = self._system()["Version"]
        except Failure as failure:
            return Health(ok=False, sentence=failure.sentence, version="")
        return Health(ok=True, sentence=f"Node {self.name} answers.", version=f"Orthanc {version}")

    def adopt(self, sample: Sequence[tuple[str, int]]) -> bool:  # noqa: ARG002 - it has an address and credentials of its own
        """See `Node.adopt`."""
        return True

    def probe(self) -> list[str]:
        """See `Node.probe`: asks `/system` (which tells since 1.11), else stores, reads back and deletes an object of its own."""
        system = self._system()
        told = {"OverwriteInstances", "IngestTranscoding"} <= system.keys()
        names = _told(system) if told else self._tried()
        if self._answers_anybody():
            names.add("anonymous")
        return [f"{name}: {sentence}" for name, sentence in REFUSALS.items() if name in names - self._allow]

    def _refuse_other(self, place: str, content: memoryview) -> None:
        with contextlib.suppress(NotFound):
            if not self._holds(place, content):
                raise self._holds_other()

    def _altered(self, status: str, place: str) -> Failure:
        if status == "AlreadyStored":
            return self._holds_other()
        self.delete(place)  # ours, just now (custody lets one store a UID at a time): the next one must not meet it
        return Unavailable("node-altered", f"Node {self.name} changed the bytes it was given, so it can't keep this object.")

    def _holds_other(self) -> Conflict:
        return Conflict("node-holds-other", f"Node {self.name} holds other content under this SOP Instance UID.")

    def _upload(self, content: memoryview | bytes) -> tuple[str, str]:
        """Orthanc's status (`Success` or `AlreadyStored`) and the place; all statuses come with HTTP 200."""
        answer = _json_object(self._call("post", "instances", self._line.for_object(len(content)), data=content))
        status, place = str(answer.get("Status")), str(answer.get("ID"))
        if status not in {"Success", "AlreadyStored"}:
            named = f" (status {status})" if status in _UNKEPT else ""
            raise Unavailable("node-refused", f"Node {self.name} did not keep the object{named}.")
        return status, place

    def _holds(self, place: str, content: memoryview) -> bool:
        """Whether the stored file is this one: by its MD5 and, where Orthanc keeps none, its size."""
        try:
            return self._digest(place, len(content)) == _md5(content)
        except Unavailable as failure:
            if failure.code == OTHER_SIZE:
                return False
            raise

    def _digest(self, place: str, size: int) -> str:
        """The MD5 of the stored file in hexadecimal: as Orthanc keeps it, else (`StoreMD5ForAttachments` false) read back."""
        with contextlib.suppress(NotFound):
            return self._call("get", f"instances/{self._known(place)}/attachments/dicom/md5").content.decode("ascii", "replace")
        with self.open(place, size) as stored:
            return hashlib.file_digest(cast("io.BufferedIOBase", stored), _new_md5).hexdigest()

    def _system(self) -> dict[str, Any]:
        system = _json_object(self._call("get", "system", self._line.quick()))
        version = system.get("Version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise _not_orthanc()
        return system

    def _answers_anybody(self) -> bool:
        try:
            self._call("get", "system", self._line.quick(), session=_Session(self._url, self._line))
        except Failure as failure:
            if failure.code == SILENT:  # silence proves nothing
                raise
            return False
        return True

    def _tried(self) -> set[str]:
        """What the probe object shows: it goes in under two transfer syntaxes, since no node transcodes into both of them."""
        number = uuid.UUID(int=_PROBE_ROOT | uuid.uuid4().int & (1 << 48) - 1).int
        implicit, explicit = (
            _probe_object(f"2.25.{number}", syntax) for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
        )
        place = ""
        try:
            place = self._upload(implicit)[1]
            first = self._digest(place, len(implicit))
            self._upload(explicit)
            second = self._digest(place, len(implicit))
            self.delete(place)
            self._upload(explicit)
            alone = self._digest(place, len(explicit))
        finally:
            if place:
                self.delete(place)
        transcodes = (first, alone) != (_md5(implicit), _md5(explicit))
        return {name for name, changes in (("transcoding", transcodes), ("overwrite", second != first)) if changes}

    def _file(self, place: str) -> str:
        return f"instances/{self._known(place)}/attachments/dicom/data"

    def _known(self, place: str) -> str:
        if not _ID.fullmatch(place):  # it becomes part of an address
            raise self._line.lacks()
        return place

    def _is_ranged(self, answer: requests.Response, size: int, start: int, end: int) -> bool:
        """Whether the range was sent (RFC 9110 14.4), else the whole. Raises Unavailable where it is neither, by its head."""
        ranged = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        told = answer.headers.get("Content-Range") in {f"bytes {start}-{end - 1}/{total}" for total in (size, "*")}
        length = str(end - start if ranged else size)
        if (ranged and not told) or answer.headers.get("Content-Length", length) != length:
            raise other_size(self.name)
        return ranged

    def _session(self) -> "_Session":
        if not hasattr(self._thread, "session"):
            self._thread.session = _Session(self._url, self._line, *self._credentials)
        session: _Session = self._thread.session
        return session

    def _call(
        self, verb: str, path: str, allowance: Allowance | None = None, session: "_Session | None" = None, **options: Any
    ) -> requests.Response:
        """One call, within its allowance (by default that of JSON)."""
        call, seconds = getattr(session or self._session(), verb), self._line.connect_seconds
        with self._line.calling(allowance or self._line.for_json(), exceptions.OrthancApiException):
            answer: requests.Response | None = call(path, timeout=seconds, allow_redirects=False, **options)
        if answer is None:  # how the client library drops the errors it has no class for
            raise silent(self.name)
        return answer


class _Session(OrthancApiClient):
    """The client library's session, for one thread: over our transport, no compression, no proxies of the environment."""

    def __init__(self, url: str, line: Line, user: str | None = None, password: str | None = None) -> None:
        super().__init__(url, user, password, headers={"Accept-Encoding": "identity"})
        line.prepare(self._http_session, url)


class _Body(io.RawIOBase):
    """An answer's body: `length` bytes from byte `skip` on. Fails when the node breaks off or, where it `ends`, goes on."""

    def __init__(self, answer: requests.Response, node: str, skip: int, length: int, *, ends: bool) -> None:
        self._answer, self._node, self._skip, self._left, self._ends = answer, node, skip, length, ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io calls it with a memoryview
        while self._skip:
            self._skip -= len(self._some(min(self._skip, _BUFFER)))
        if not self._left:
            return 0
        data = self._some(min(len(buffer), self._left))
        self._left -= len(data)
        if self._ends and not self._left and self._read(1):
            raise other_size(self._node)
        buffer[: len(data)] = data
        return len(data)

    def _some(self, most: int) -> bytes:
        data = self._read(most)
        if not data:
            raise other_size(self._node)
        return data

    def _read(self, most: int) -> bytes:
        try:
            data: bytes = self._answer.raw.read(most, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable("node-broke-off", f"Node {self._node} broke off in the middle of an object.") from error
        return data

    def close(self) -> None:
        self._answer.close()
        super().close()


def _json(answer: requests.Response) -> object:
    try:
        value: object = json_text.loads(answer.content)
    except ValueError:
        raise _not_orthanc() from None
    return value


def _json_object(answer: requests.Response) -> dict[str, Any]:
    value = _json(answer)
    if not isinstance(value, dict):  # a ZIP is answered with an array
        raise _not_orthanc()
    return value


def _page(answer: requests.Response) -> list[str]:
    """A page of identifiers."""
    page = _json(answer)
    if not isinstance(page, list) or len(page) > _PAGE or not all(isinstance(one, str) and _ID.fullmatch(one) for one in page):
        raise _not_orthanc()
    return page


def _changes(page: dict[str, Any], *, told: bool) -> Changes:
    entries, last, ended = page.get("Changes"), page.get("Last"), page.get("Done") is True or not told
    if not isinstance(entries, list) or len(entries) > _PAGE or type(last) is not int or not (entries or ended):
        raise _not_orthanc()
    came = [entry.get("ID") for entry in entries if isinstance(entry, dict) and entry.get("ChangeType") == "NewInstance" and told]
    return Changes(tuple(one for one in came if isinstance(one, str) and _ID.fullmatch(one)), last, ended)


def _not_orthanc() -> Unavailable:
    return Unavailable("node-not-orthanc", "What answers at the node's address does not speak like an Orthanc.")


def _told(system: dict[str, Any]) -> set[str]:
    """What `/system` says: OverwriteInstances a boolean, since 1.13 maybe "Never" or when; IngestTranscoding a syntax or ""."""
    told = {
        "overwrite": system["OverwriteInstances"] not in (False, "Never"),
        "transcoding": bool(system["IngestTranscoding"]),
        "read-only": bool(system.get("ReadOnly")),  # since 1.12.5
    }
    return {name for name, is_so in told.items() if is_so}


def _new_md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _md5(content: memoryview | bytes) -> str:
    total, passed = _new_md5(), Behind(memoryview(content))
    for at in range(0, len(content), STEP):
        total.update(content[at : at + STEP])
        passed(at)
    return total.hexdigest()


def _probe_object(uid: str, syntax: str) -> bytes:
    """A picture of 16 × 16 pixels of nobody, as a whole file (PS3.10 7.1)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, uid
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = f"2.25.{uuid.UUID(int=_PROBE_ROOT).int}"
    dataset.PatientID, dataset.PatientName, dataset.PatientIdentityRemoved = "ACCORD-PROBE", "ACCORD-PROBE", "YES"
    dataset.Modality, dataset.ConversionType = "OT", "SYN"
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.PixelData = bytes(range(256))
    file = io.BytesIO()
    dcmwrite(file, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    return file.getvalue()
