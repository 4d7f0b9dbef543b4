"""An Accord on this machine's loopback, for programs that can't renew a token: each request goes on with one that is good for it.

Whoever knows the address may ask as its client, so the address holds a secret: neither another account of this machine nor a page
in this machine's browser guesses it. Addresses that the server names in its answers are rewritten to lead here; the bytes of
images pass as they come.
"""

import json
import secrets
import socket
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlencode

import httpx
from werkzeug import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wsgi import ClosingIterator

from adapters.accord import Accord
from mappings.failures import Failure, Unauthenticated

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HOST = "127.0.0.1"
_NAMES = frozenset({HOST, "localhost"})  # by any port: the Python DICOMweb client leaves it out
DOORS = ("dicom-web", "datasets", "fhir", "terms", "catalogue")
MOST_REWRITTEN = 256_000_000
"""Bytes of an answer in words; it is held whole, for its addresses to be rewritten."""
_CHUNK = 512 * 1024
_PLAIN = "/:@!$&'()*+,;=~"
"""What a path may hold as it is (RFC 3986 section 3.3)."""
_TIMEOUT = httpx.Timeout(30, read=300)
_REWRITTEN = ("json", "xml", "text/turtle", "text/html")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization"}
)
_NOT_SENT_ON = _HOP_BY_HOP | {"host", "authorization", "cookie", "accept-encoding", "content-length", "origin", "referer"}
_NOT_GIVEN_BACK = _HOP_BY_HOP | {"content-length", "content-encoding", "access-control-allow-origin"}
_LEADING = frozenset({"location", "content-location", "link"})
_METHODS = "GET, HEAD, POST, PATCH, DELETE"
_SHARED = MappingProxyType(
    {
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, If-None-Match, Prefer, Range",
        "Access-Control-Expose-Headers": "Content-Location, Content-Range, ETag, Link, Location, Retry-After, X-Total-Count",
        "Access-Control-Max-Age": "600",
    }
)


class LoopbackProxy:
    """The proxy as a WSGI application, in front of an `accord`; pages of these `origins` may read what it answers."""

    def __init__(
        self, accord: Accord, port: int, origins: Iterable[str] = (), *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._server, self._origins = accord.base_url, frozenset(origins)
        self._http = httpx.Client(auth=accord, timeout=_TIMEOUT, transport=transport)
        self._secret = secrets.token_urlsafe(16)
        self.url = f"http://{HOST}:{port}/{self._secret}"

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        request = Request(environ)
        answer = self._answer(request)
        if request.headers.get("Origin") in self._origins:
            answer.headers.extend({"Access-Control-Allow-Origin": request.headers["Origin"], "Vary": "Origin"} | _SHARED)
        return answer(environ, start_response)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _answer(self, request: Request) -> Response:
        secret, _, path = request.path.lstrip("/").partition("/")
        if request.host.partition(":")[0] not in _NAMES:  # a name that somebody lets resolve to this machine
            return _problem(HTTPStatus.MISDIRECTED_REQUEST, "other-host", f"This is {HOST} and answers to no other name.")
        if not secrets.compare_digest(secret.encode(), self._secret.encode()) or not _is_served(path):
            return _problem(HTTPStatus.NOT_FOUND, "not-found", "There is nothing here.")
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=HTTPStatus.NO_CONTENT)
        return self._brought(request, path)

    def _brought(self, request: Request, path: str) -> Response:
        try:
            return self._passed_on(request, path)
        except Unauthenticated as failure:
            return _problem(HTTPStatus.FORBIDDEN, failure.code, failure.sentence)
        except Failure as failure:
            return _problem(HTTPStatus.BAD_GATEWAY, failure.code, failure.sentence)
        except (httpx.HTTPError, httpx.InvalidURL):
            return _problem(HTTPStatus.BAD_GATEWAY, "server-unavailable", f"{self._server} does not answer.")
        except (OSError, ClientDisconnected):  # of who asks: httpx has its own
            return _problem(HTTPStatus.BAD_REQUEST, "body-unreadable", "The body broke off, or is none.")

    def _passed_on(self, request: Request, path: str) -> Response:
        query = request.query_string.decode("latin-1")
        if self._secret in query:  # an identifier that an answer named comes back as it was named
            named = parse_qsl(query, keep_blank_values=True)
            query = urlencode([(name, value.replace(self.url, self._server)) for name, value in named])
        # httpx writes ASCII alone; nothing that the server reads holds more
        headers = [(name, value) for name, value in request.headers if name.lower() not in _NOT_SENT_ON and value.isascii()]
        url = f"{self._server}/{quote(path, safe=_PLAIN)}{'?' if query else ''}{query}"
        headers.append(("Accept-Encoding", "identity"))
        sent = self._http.build_request(request.method, url, headers=headers, content=_body(request))
        return self._given_back(request, self._http.send(sent, stream=True))

    def _given_back(self, request: Request, answer: httpx.Response) -> Response:
        """The answer: in words held whole and rewritten, else as it streams."""
        kept = Headers([(n, v) for n, v in answer.headers.multi_items() if n.lower() not in _NOT_GIVEN_BACK])
        for name in _LEADING & {n.lower() for n in kept.keys()}:  # noqa: SIM118 - a Headers iterates pairs
            kept[name] = kept[name].replace(self._server, self.url)
        if request.method != "HEAD" and any(word in answer.headers.get("Content-Type", "") for word in _REWRITTEN):
            return self._rewritten(answer, kept)
        if "Content-Length" in answer.headers:
            kept["Content-Length"] = answer.headers["Content-Length"]
        return Response(ClosingIterator(answer.iter_raw(_CHUNK), answer.close), answer.status_code, kept, direct_passthrough=True)

    def _rewritten(self, answer: httpx.Response, kept: Headers) -> Response:
        body = bytearray()
        try:
            for piece in answer.iter_raw(_CHUNK):
                body += piece
                if len(body) > MOST_REWRITTEN:
                    return _problem(HTTPStatus.BAD_GATEWAY, "too-large", "The answer is too large to be passed on: ask for less.")
        finally:
            answer.close()
        return Response(bytes(body).replace(self._server.encode(), self.url.encode()), answer.status_code, kept)


def serve(proxy: LoopbackProxy, port: int) -> BaseWSGIServer:
    """A server of it that listens on loopback: `serve_forever` it. Raises OSError where something else listens there."""
    with socket.create_server((HOST, port)) as listening:
        return make_server(HOST, port, proxy, threaded=True, request_handler=_Quiet, fd=listening.fileno())


class _Quiet(WSGIRequestHandler):
    """Writes no line, whether a request can be read or not: its address holds a secret, and its question may name a patient."""

    def log(self, *_said: object) -> None:
        """Nothing."""


def _is_served(path: str) -> bool:
    """Whether a path lies behind a door, and stays there: `..` is resolved on its way, even out of the server's own path."""
    door, *rest = path.split("/")
    return door in DOORS and not {".", ".."} & set(rest)


def _body(request: Request) -> Iterator[bytes] | None:
    """What is sent, as it comes."""
    if not request.content_length and request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return None
    return iter(lambda: request.stream.read(_CHUNK), b"")


def _problem(status: HTTPStatus, title: str, detail: str) -> Response:
    told = {"type": "about:blank", "title": title, "status": int(status), "detail": detail}
    return Response(json.dumps(told), status, content_type="application/problem+json")
