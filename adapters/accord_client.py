"""The client of an Accord's own HTTP API, as `accord push`, researchers' commands and other Accords use it.

It proves itself with a client file and renews its token before that expires. What is under way when a connection breaks, or when
the server asks for time (502, 503, 504), is tried again after growing pauses, a bounded number of times. A file is streamed from
where it lies each time it is sent, never held whole.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import httpx

from adapters.client_file import ClientFile, assertion
from adapters.offered import Damaged, Offered
from mappings import failures, json_text
from mappings.dicom.accept import DICOM
from mappings.dicom.multipart import Multipart, Part
from mappings.failures import Conflict, Failure, Unauthenticated, Unavailable

WONDER_SECONDS = 1.5
"""A wait that is told of."""
PAUSES = (0.5, 1, 2, 4, 8, 16, 30)
"""Seconds to wait before each new try; after the last one the failure is said."""
LONGEST_PAUSE = 60
"""The most of a `Retry-After` that is waited for."""
WINDOW_FILES, WINDOW_BYTES = 1000, 256_000_000
"""Files whose digests are asked about in one question."""
REQUEST_FILES, REQUEST_BYTES = 50, 16_000_000
"""Files sent in one request; a file over the bytes goes alone."""
CHUNK = 1 << 18
_Body = Callable[[], bytes | Iterator[bytes]]
_Moved = Callable[[int], object]
_TIMEOUT = httpx.Timeout(30, connect=10, read=300)
METADATA_PATH = "/.well-known/oauth-authorization-server"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NONE: Mapping[str, str] = MappingProxyType({})
_TRANSIENT = frozenset({408, 429, 502, 503, 504})
OTHER_ISSUER, NOBODY, NO_ACCORD = "other-issuer", "nobody-answers", "not-an-accord"
_FINAL = frozenset({OTHER_ISSUER, NOBODY, NO_ACCORD})
"""Failures before anything was asked, which stay until the user starts the server, or names another or another client file."""
DAMAGED = "object-damaged"
"""A failure under such a status that stays until an operator has mended something."""
_FAILURES: dict[int, type[Failure]] = {
    400: failures.Invalid,
    401: Unauthenticated,
    403: failures.Forbidden,
    404: failures.NotFound,
    406: failures.NotAcceptable,
    409: Conflict,
    410: failures.Gone,
    413: failures.TooLarge,
    415: failures.UnsupportedMedia,
    507: failures.Full,
}


@dataclass(slots=True)
class Sent:
    """How far files have come: how many of them were sent, of how many bytes, and how many needed not be."""

    files: int = 0
    size: int = 0
    needless: int = 0

    def count(self, files: Sequence[Offered]) -> None:
        """These are told of in the batch."""
        self.files += len(files)
        self.size += sum(file.size for file in files)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the seconds it is good for."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where tokens are asked for, and what an assertion for it names as its audience."""

    url: str
    audience: str


def find_token_endpoint(http: httpx.Client, client: ClientFile, base_url: str | None = None) -> TokenEndpoint:
    """The token endpoint as the server's metadata says it (RFC 8414); a client file that names one is followed.

    The server is reached at `base_url`, or where the file says, and must call itself as the file does, or by the very URL it is
    reached at. Raises Unavailable.
    """
    if client.token_url:
        return TokenEndpoint(client.token_url, client.token_url)
    at = (base_url or client.base_url).rstrip("/")
    try:
        return read_token_endpoint(client, at, http.get(f"{at}{METADATA_PATH}"))
    except httpx.ConnectError:
        raise Unavailable(NOBODY, f"Nobody answers at {at}. Is the server running, and is this its URL?") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _no_accord(at) from None


def read_token_endpoint(client: ClientFile, at: str, answer: httpx.Response) -> TokenEndpoint:
    """The token endpoint that the metadata of the server at this URL names. Raises Unavailable."""
    if answer.status_code in _TRANSIENT:
        raise _failure(answer)
    try:
        told = json_text.loads(answer.raise_for_status().content)
        issuer, endpoint = str(told["issuer"]), str(told["token_endpoint"])
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        raise _no_accord(at) from None
    if issuer not in (client.base_url, at) or not endpoint.startswith(f"{issuer}/"):
        why = f"The Accord at {at} goes by the URL {issuer}, and the client file says {client.base_url}: correct its base_url."
        raise Unavailable(OTHER_ISSUER, why)
    return TokenEndpoint(at + endpoint.removeprefix(issuer), endpoint)


def _no_accord(at: str) -> Unavailable:
    return Unavailable(NO_ACCORD, f"What answers at {at} is no Accord. Is this its HTTP URL?")


def ask_token(
    http: httpx.Client, client: ClientFile, endpoint: TokenEndpoint, scope: str | None = None, purpose: str | None = None
) -> Token:
    """An access token for this client; what is not given is as its file says.

    Raises Unauthenticated (refused, with the server's own code and sentence) or Unavailable (no answer as of a token endpoint).
    """
    fields = token_fields(client, endpoint, scope, purpose)
    try:
        return read_token(endpoint, http.post(endpoint.url, data=fields))
    except (httpx.HTTPError, httpx.InvalidURL):
        raise _no_endpoint(endpoint) from None


def token_fields(
    client: ClientFile, endpoint: TokenEndpoint, scope: str | None = None, purpose: str | None = None
) -> dict[str, str]:
    """The form by which this client asks for a token (RFC 7523 section 2.2), proved now."""
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": _ASSERTION_TYPE,
        "client_assertion": assertion(client, endpoint.audience, datetime.now(UTC)),
        "scope": client.scope if scope is None else scope,
        "purpose": client.purpose if purpose is None else purpose,
    }
    return {name: value for name, value in fields.items() if value}


def read_token(endpoint: TokenEndpoint, answer: httpx.Response) -> Token:
    """The token of a token endpoint's answer. Raises Unauthenticated or Unavailable."""
    try:
        if answer.is_server_error:
            answer.raise_for_status()
        answered = json_text.loads(answer.content)
        if answer.is_success:
            return Token(str(answered["access_token"]), float(answered.get("expires_in", 60)))
    except (httpx.HTTPError, ValueError, TypeError, KeyError, AttributeError):
        raise _no_endpoint(endpoint) from None
    told = answered if isinstance(answered, dict) else {}
    error = str(told.get("error", told.get("title", "refused")))  # a problem (RFC 9457) where it was not read as OAuth's question
    why = told.get("error_description", told.get("detail", "no reason given"))
    raise Unauthenticated(str(told.get("code", error)), printable(f"{error}: {why}"))


def ask_api(http: httpx.Client, base_url: str, token: str, method: str, path: str, body: bytes | None) -> Any:
    """What a route below /api answers, read as JSON; None where it says nothing. Raises the server's failure, or Unavailable."""
    headers = {"Authorization": f"Bearer {token}"} | ({} if body is None else {"Content-Type": "application/json"})
    try:
        answer = http.request(method, base_url + path, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise broken() from None
    if not answer.is_success:
        raise _failure(answer)
    return _json(answer) if answer.content else None


def _no_endpoint(endpoint: TokenEndpoint) -> Unavailable:
    return Unavailable("token-endpoint-unavailable", f"{endpoint.url} does not answer as a token endpoint does.")


class AccordClient:
    """An Accord, at its `base` URL, as one of its clients sees it. Safe for many threads; `with` closes its connections.

    Failures are the server's own, by its code and sentence; Unavailable where it did not answer in any of the tries.
    """

    def __init__(
        self,
        client: ClientFile,
        base_url: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], object] = time.sleep,
        waits: Callable[[str], object] = lambda _sentence: None,
    ) -> None:
        self._client = client
        self.base = (base_url or client.base_url).rstrip("/")
        self._http = httpx.Client(timeout=_TIMEOUT, transport=transport)
        self._pause_for, self._waits = pause, waits
        self._failure: Failure | None = None
        self._endpoint: TokenEndpoint | None = None
        self._token = Token("", 0)
        self._renew_at = 0.0
        self._renewing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def open_batch(self, alias: str | None = None) -> str:
        """Open a batch for the dataset called `alias`, or for the only one this client may fill; its key."""
        return str(self._ask("POST", "/api/batches", {"dataset": alias} if alias else {})["id"])

    def close_batch(self, key: str) -> dict[str, Any]:
        """Close a batch; its report without the files: `outcomes`, `rules` and more."""
        return self._ask("PATCH", f"/api/batches/{key}", {"status": "closed"})

    def withdraw(self, what: Mapping[str, object]) -> dict[str, Any]:
        """Withdraw of one's own data, or say with `dry_run` what that would be: `dataset`, `studies`, `objects`, `bytes`.

        `what` names a `study`, or a `dataset` and a `patient` in it; perhaps `replace` and a `reason`.
        """
        return self._ask("POST", "/api/withdrawals", what)

    def batches(self) -> list[dict[str, Any]]:
        """One's own newest batches, at most a hundred, each as `close_batch` tells of one."""
        with closing(self.called("GET", "/api/batches")) as answer:
            return list(_json(answer)["batches"])

    def report(self, key: str, form: str, into: BinaryIO) -> None:
        """Write a batch's report in one of the forms json, csv, text."""
        with closing(self.called("GET", f"/api/batches/{key}?format={form}")) as answer:
            try:
                into.writelines(answer.iter_bytes(CHUNK))
            except httpx.RequestError:
                raise broken() from None

    def acknowledged(self, key: str, files: Mapping[str, str]) -> set[str]:
        """Of at most 1000 files (name → SHA-256 in hex), the names that need not be sent: the batch has their receipts."""
        asked = {"files": [{"name": name, "digest": digest} for name, digest in files.items()]}
        return set(self._ask("POST", f"/api/batches/{key}/known", asked)["known"])

    def send(
        self,
        key: str,
        files: Iterable[Offered],
        moved: _Moved = lambda _bytes: None,
        *,
        sent: Sent | None = None,
        unread: Callable[[Offered], object] = lambda _file: None,
    ) -> None:
        """Bring files into a batch, each told of once in its report; what is known already is not sent.

        `moved` hears of bytes as they are sent or need not be, also of fewer (below zero) when they are sent again; `sent` counts
        what is told of by now; `unread` hears of each file that its archive does not give back, which keeps no other.
        """
        counted = Sent() if sent is None else sent
        for window in _groups(files, WINDOW_FILES, WINDOW_BYTES):
            digests = dict(_digested(window, unread))
            whole = [f for f in window if f.name in digests]
            unknown = self._unknown(key, whole, digests, moved)
            counted.needless += len(whole) - len(unknown)
            for request in _groups(unknown, REQUEST_FILES, REQUEST_BYTES):
                self._bring(key, request, digests, moved, counted)

    def _unknown(self, key: str, files: Sequence[Offered], digests: Mapping[str, str], moved: _Moved) -> list[Offered]:
        needless = self.acknowledged(key, {f.name: digests[f.name] for f in files})
        moved(sum(f.size for f in files if f.name in needless))
        return [f for f in files if f.name not in needless]

    def _bring(self, key: str, files: list[Offered], digests: Mapping[str, str], moved: _Moved, sent: Sent) -> None:
        """Send these files; where that was cut off, ask which are told of, and send the rest again."""
        for pause in (*PAUSES, None):
            wait = self._stored(key, files, moved)
            left = [] if wait is None else self._unknown(key, files, digests, moved)
            sent.count([f for f in files if f not in left])
            if wait is None or not left:
                return
            files = left
            if pause is not None:
                self._pause(max(pause, wait), self._failure)
        why = f" {self._failure.sentence}" if self._failure is not None else ""
        raise Unavailable("not-taken", f"The server can't take {files[0].name}, nor what comes after it, now.{why}")

    def _stored(self, key: str, files: Sequence[Offered], moved: _Moved) -> float | None:
        """Store by STOW-RS (PS3.18 10.5). None: every file is told of; else the seconds after which to send the rest again."""
        multipart, sent = Multipart(secrets.token_hex(16)), 0

        def counted(size: int) -> None:
            nonlocal sent
            sent += size
            moved(size)

        length = multipart.total(map(_part, files))
        headers = {"Content-Type": multipart.content_type(), "Content-Length": str(length), "Accept": "application/dicom+json"}
        try:
            path = f"/dicom-web/studies?batch={key}"
            with closing(self._once("POST", path, headers, lambda: _body(files, multipart, counted))) as answer:
                answer.read()
                wait = _stored_wait(answer)
                self._failure = None if wait is None else _failure(answer)
        except httpx.TransportError:
            wait, self._failure = 0.0, Unavailable("no-answer", f"{self.base} does not answer.")
        except Unavailable as failure:
            wait, self._failure = 0.0, failure
        moved((0 if wait is not None else sum(f.size for f in files)) - sent)
        return wait

    def _ask(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        content = json.dumps(body, ensure_ascii=False).encode()
        with closing(self.called(method, path, {"Content-Type": "application/json"}, lambda: content)) as answer:
            return dict(_json(answer))

    def called(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] = _NONE,
        body: _Body | None = None,
        *,
        tries: int = len(PAUSES) + 1,
    ) -> httpx.Response:
        """A successful answer, its body unread, to be closed by the caller. Raises the failure that the server names."""
        pauses = iter(PAUSES[: tries - 1])
        while True:
            try:
                answer = self._once(method, path, headers, body)
                if answer.is_success:
                    return answer
                failure = _failure(answer)
                wait = None if failure.code == DAMAGED else _wait(answer)
            except httpx.TransportError:
                failure, wait = Unavailable("no-answer", f"{self.base} does not answer."), 0.0
            except Unavailable as unavailable:
                failure, wait = unavailable, None if unavailable.code in _FINAL else 0.0
            if wait is None or (pause := next(pauses, None)) is None:
                raise failure
            self._pause(max(pause, wait), failure)

    def _pause(self, seconds: float, failure: Failure | None) -> None:
        """Wait before another try; whoever waits for it hears why, where that is long enough to wonder."""
        if seconds > WONDER_SECONDS and failure is not None:
            self._waits(f"{failure.sentence} Trying again in {seconds:g} s.")
        self._pause_for(seconds)

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: _Body | None) -> httpx.Response:
        """One try; two where the token is refused, as after a restart with another key."""
        refused = ""
        while True:
            token = self.bearer(refused)
            proof = {"Authorization": f"Bearer {token}"}
            request = self._http.build_request(method, self.base + path, headers={**headers, **proof}, content=body and body())
            answer = self._http.send(request, stream=True)
            if refused or answer.status_code != httpx.codes.UNAUTHORIZED:
                return answer
            answer.close()
            refused = token

    def bearer(self, refused: str = "") -> str:
        """A token that is good for the request to come: renewed with a third of its time left, or where it is the `refused` one.

        Threads that were refused the same one renew it once.
        """
        with self._renewing:
            began = time.monotonic()
            if self._token.text == refused or began >= self._renew_at:
                self._endpoint = self._endpoint or find_token_endpoint(self._http, self._client, self.base)
                self._token = ask_token(self._http, self._client, self._endpoint)
                self._renew_at = began + self._token.seconds * 2 / 3
            return self._token.text


def _groups(files: Iterable[Offered], most_files: int, most_bytes: int) -> Iterator[list[Offered]]:
    """Files in the order they come, in groups of at most so many files and bytes; one over the bytes is a group of its own."""
    group: list[Offered] = []
    for file in files:
        if group and (len(group) == most_files or sum(f.size for f in group) + file.size > most_bytes):
            yield group
            group = []
        group.append(file)
    if group:
        yield group


def _digested(files: Iterable[Offered], unread: Callable[[Offered], object]) -> Iterator[tuple[str, str]]:
    for file in files:
        try:
            yield file.name, file.digest()
        except Damaged:
            unread(file)


def _part(file: Offered) -> Part:
    """What a part says of a file: its name travels as Content-Location (RFC 2557), percent-encoded."""
    return Part(DICOM, file.size, quote(file.name, safe="/"))


def _body(files: Iterable[Offered], multipart: Multipart, moved: _Moved) -> Iterator[bytes]:
    for file in files:
        yield multipart.head(_part(file))
        for piece in _pieces(file):
            yield piece
            moved(len(piece))
    yield multipart.tail()


def _pieces(file: Offered) -> Iterator[bytes]:
    """The bytes of a file, as many as were announced. Raises Conflict where they are no longer that many, or no longer there."""
    changed = Conflict("file-changed", f"{file.name} changed while it was read. Run it again when it is at rest.")
    try:
        with file.open() as source:
            left = file.size
            while left and (piece := source.read(min(CHUNK, left))):
                yield piece
                left -= len(piece)
            if left or source.read(1):
                raise changed
    except Damaged:
        raise changed from None


def _stored_wait(answer: httpx.Response) -> float | None:
    """See `_stored`. An answer in DICOM JSON (PS3.18 10.5.3) says that every file has its receipt, whatever became of it."""
    if answer.headers.get("Content-Type", "").startswith("application/dicom+json"):
        return None
    wait = _wait(answer)
    if wait is None:
        raise _failure(answer)
    return wait


def _wait(answer: httpx.Response) -> float | None:
    """The seconds a server asks for; None where trying again would not help."""
    if answer.status_code not in _TRANSIENT:
        return None
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isascii() and asked.isdigit() else 0.0


def _failure(answer: httpx.Response) -> Failure:
    """The failure of a problem (RFC 9457), which is closed."""
    with closing(answer):
        try:
            problem = _json(answer)
        except Unavailable:
            problem = {}
    status = answer.status_code
    sentence = printable(str(problem.get("detail", f"The server answered with status {status}.")))
    return _FAILURES.get(status, Unavailable)(str(problem.get("title", f"http-{status}")), sentence)


def printable(sentence: str) -> str:
    """What a server says, as every terminal takes it."""
    return "".join(c if c.isprintable() else "?" for c in sentence)


def broken() -> Unavailable:
    """An answer that began and did not come whole."""
    return Unavailable("answer-broken", "The server's answer broke off.")


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer. Raises Unavailable where it is none, or breaks off."""
    try:
        body = json_text.loads(answer.read())
    except httpx.RequestError:
        raise broken() from None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Unavailable("not-an-accord", f"{answer.url.host} does not answer as an Accord does.")
    return body
