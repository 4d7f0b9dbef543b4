"""The only room that meets Flask's globals: routes with their declared action, the request's caller, and its bulkhead.

Every route is added by `serves`, which needs the action it performs; a request whose route declares none is refused, and a
test walks the URL map. The caller is identified once for each request, by the credential that its route takes.
"""

import io
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, has_app_context
from flask import request as request  # noqa: PLC0414 - views take it from here
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_date

from adapters.nodes.port import Node
from adapters.sql.node import NodeRow
from consent.conditions import Action
from consent.subject import ANONYMOUS
from mappings.failures import Forbidden, TooLarge, Unauthenticated, UnsupportedMedia
from mappings.network import counted
from mappings.smart import ANY, allows, covers
from server.usecases.identify import BearerToken, Credential, Nobody, SessionCookie, SharedSecret
from server.usecases.runtime import Caller, Runtime
from server.web import browser
from server.web.bodies import Bodies
from server.web.bulkheads import Bulkhead, Bulkheads, Place
from server.web.connections import Connections
from server.web.proxies import TrustedProxies

View = Callable[..., Any]
SMALL_BODY = 2_000_000
Identify = Callable[[Credential, str], Caller]
"""The caller that a credential proves in the request with this id."""


def bearer() -> Credential:
    """The bearer token of this request (RFC 6750 section 2.1; the scheme in any case, RFC 9110 section 11.1)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return BearerToken(token.strip(), peer()) if scheme.lower() == "bearer" and token else Nobody()


def shown() -> Credential:
    """What this request proves itself by: its bearer token, or else its browser's session.

    For what changes something, a session proves nobody unless it comes with its CSRF token: in a header, or in the form that a
    route declares, which is looked at when it has come.
    """
    if "Authorization" in request.headers:
        return bearer()
    secret = browser.session_of(request.cookies, secure=runtime().settings.is_secure)
    route = declared_here()
    has_form = route is not None and route.form
    is_proven = request.method in _SAFE or has_form or _has_csrf_token(request.headers.get(CSRF_HEADER))
    return SessionCookie(secret, peer()) if secret and is_proven else Nobody()


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf_token"


def _has_csrf_token(token: str | None) -> bool:
    """Whether a page of ours to this browser had this token, and none of another site's asks (Fetch metadata, Origin)."""
    settings = runtime().settings
    if not browser.is_own_origin(request.headers, settings.base_url):
        return False
    return browser.fits(token or "", browser.secret_of(request.cookies, secure=settings.is_secure))


def csrf_token() -> str:
    """A token for the forms of a page to this browser."""
    kept = browser.secret_of(request.cookies, secure=runtime().settings.is_secure)
    return browser.token_for(kept or g.setdefault("form_secret", secrets.token_urlsafe(32)))


def new_form_secret() -> str | None:
    """What this request's browser is to keep from now on, so that its forms are its own; None where it keeps one."""
    made: str | None = g.get("form_secret")
    return made


def shared_secret() -> Credential:
    """The whole Authorization header of this request, as it came."""
    return SharedSecret(request.headers.get("Authorization", "").encode("latin-1", "replace"), peer())


@dataclass(frozen=True, slots=True)
class Declared:
    """What a route does: its action, whether anyone may ask (`open`), the SMART scope it needs, its bulkhead (None: no wait).

    `body` is what a small body has at most; `credential` reads what the caller proves itself by; `narrows`: it holds to the
    condition of a granular scope; `form`: what comes is the form of a page of ours, with its CSRF token.
    """

    action: Action
    open: bool
    scope: str | None
    bulkhead: Bulkhead | None
    body: int = 0
    credential: Callable[[], Credential] = bearer
    narrows: bool = False
    form: bool = False


def serves(
    blueprint: Blueprint,
    rule: str,
    action: Action,
    *,
    scope: str | None = None,
    anonymous: bool = False,
    methods: tuple[str, ...] = ("GET",),
    bulkhead: Bulkhead | None = None,
    waits: bool = True,
    body: int = SMALL_BODY,
    credential: Callable[[], Credential] = shown,
    narrows: bool = False,
    form: bool = False,
) -> Callable[[View], View]:
    """Add a route with what it does: `action` of the matrix, `scope` a SMART v2 scope such as `ImagingStudy.s`.

    What takes a body, of `body` bytes at most, has its place among the forms, unless `bulkhead` says otherwise: it is given once
    the body has come. What does not `wait` has none: it answers however full the bulkheads are.
    """
    place = (bulkhead or (Bulkhead.SEARCH if methods == ("GET",) else Bulkhead.FORM)) if waits else None

    def add(view: View) -> View:
        small = body if place is Bulkhead.FORM else 0
        view.declared = Declared(action, anonymous, scope, place, small, credential, narrows, form)  # type: ignore[attr-defined]
        # OPTIONS is answered where a route says so: Flask's own answer would ask for the token and the place of a reading
        blueprint.add_url_rule(rule, view_func=view, methods=list(methods), provide_automatic_options=False)
        return view

    return add


def declaration(app: Flask, endpoint: str | None) -> Declared | None:
    """What the route of this endpoint declares."""
    view: Any = app.view_functions.get(endpoint or "")
    return getattr(view, "declared", None)


def declared_here() -> Declared | None:
    """What the route of this request declares."""
    return declaration(current_app, request.endpoint)


@dataclass(frozen=True, slots=True)
class _Installed:
    """What one application serves its requests with."""

    runtime: Runtime
    identify: Identify
    bulkheads: Bulkheads
    bodies: Bodies
    proxies: TrustedProxies


def install(app: Flask, runtime: Runtime, identify: Identify, bulkheads: Bulkheads) -> None:
    """Make every request of this app find its runtime, its bulkhead and its caller."""
    runtime = replace(runtime, node_of=partial(_node_of, runtime.node_of))
    bodies = Bodies(runtime.settings.bodies, runtime.settings.arrival_seconds)
    proxies = TrustedProxies(runtime.settings.trusted_proxies)
    app.extensions["accord"] = _Installed(runtime, identify, bulkheads, bodies, proxies)
    app.before_request(_begin)
    app.teardown_request(_end)


def connections(app: Flask, port: int, places: int) -> Connections:
    """The connections to this port, so many at most, by which this app's requests come."""
    installed: _Installed = app.extensions["accord"]
    return Connections(port, places, installed.bodies, installed.proxies.trusts)


def start() -> None:
    """Give the request its id and its time: whatever answers it does so first."""
    g.started = time.monotonic()
    g.request_id = secrets.token_hex(8)


def _begin() -> None:
    start()
    endpoint = request.endpoint
    if endpoint is None:
        return
    route = declaration(current_app, endpoint)
    if route is None:
        raise Forbidden("undeclared", "This route declares no action, so it is closed.")
    if not route.body and route.bulkhead is not Bulkhead.UPLOAD:
        _ignore_body()
    if route.bulkhead is None:
        g.caller = _caller(route)
        return
    _enter(route.bulkhead)
    g.caller = _caller(route)
    g.place.hold_for(_holder())
    if route.body:
        g.place.leave()  # nothing else is kept from its place by a body that does not come
        _installed().bodies.read(request.environ, route.body, counted(peer()))
        _enter(route.bulkhead)
        g.place.hold_for(_holder())
    if route.form and not _has_csrf_token(form(route.body).get(CSRF_FIELD)):
        raise Forbidden("csrf", "This form is not from a page of ours, or too old. Go back, reload the page and try again.")


def _ignore_body() -> None:
    """Let a route that reads no body have none, or who drips one would hold its place (Werkzeug reads a HEAD's form)."""
    request.environ |= {"wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0"}
    request.environ.pop("HTTP_TRANSFER_ENCODING", None)


def _enter(bulkhead: Bulkhead) -> None:
    g.place = _installed().bulkheads.enter(bulkhead)


def _holder() -> str:
    """Whose share of the places a request takes: the caller's, or its address's where anybody may ask."""
    subject = caller().subject
    return counted(peer()) if subject is ANONYMOUS else subject.id


def _node_of(opened: Callable[[NodeRow], Node], row: NodeRow) -> Node:
    """The node, and this request's place counted as its; a body that streams has left the request, and been counted."""
    if has_app_context() and (place := g.get("place")) is not None:
        place.hold_at(row.name)
    return opened(row)


def _end(_error: BaseException | None) -> None:
    if (place := g.pop("place", None)) is not None:
        place.leave()


def _caller(route: Declared) -> Caller:
    made = _installed().identify(route.credential(), g.request_id)
    if made.subject is ANONYMOUS and not route.open:
        if browser.session_of(request.cookies, secure=runtime().settings.is_secure) and request.method not in _SAFE:
            raise Forbidden("csrf", f"A browser's session changes something only with its token in {CSRF_HEADER}.", CSRF_HEADER)
        raise Unauthenticated("token-missing", "A bearer token is needed. Get one from the token endpoint.")
    covered = covers if route.narrows else allows
    if made.subject is not ANONYMOUS and route.scope is not None and not covered(made.scopes, route.scope):
        raise Forbidden(
            "insufficient-scope", f"The token lacks a scope that covers {route.scope.replace(ANY, '*')}.", route.scope
        )
    return made


def _installed() -> _Installed:
    installed: _Installed = current_app.extensions["accord"]
    return installed


def runtime() -> Runtime:
    """The runtime of this process."""
    return _installed().runtime


def caller() -> Caller:
    """Who asks in this request."""
    identified: Caller = g.caller
    return identified


def request_id() -> str:
    """The id under which this request is logged and recorded."""
    made: str = g.get("request_id", "")
    return made


def peer() -> str:
    """The address the request came from; a forwarded one only where a configured proxy says so."""
    return _installed().proxies.address(request.remote_addr or "", request.headers.get("X-Forwarded-For"))


def headers() -> Headers:
    """The header fields of this request."""
    return request.headers


def form(most: int) -> MultiDict[str, str]:
    """The request's form fields (RFC 6749 appendix B), at most `most` bytes of them. Raises UnsupportedMedia or TooLarge."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("form-expected", "Send the parameters as application/x-www-form-urlencoded.")
    request.max_content_length = most
    try:
        return request.form
    except RequestEntityTooLarge:
        raise TooLarge("form-too-large", f"The form is larger than {most} bytes.") from None


def take_dataset(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Take the dataset out of what a path names: its views are those of the paths that name none."""
    g.dataset = (values or {}).pop("alias", None)


def dataset() -> str | None:
    """The alias of the dataset that the path names; None where it names none."""
    named: str | None = g.get("dataset")
    return named


@contextmanager
def staying() -> Iterator[Callable[[], None]]:
    """Keep the request's place while its body streams: call what is yielded when the stream has ended."""
    place: Place = g.pop("place")
    try:
        yield place.leave
    except BaseException:
        place.leave()
        raise


def respond(body: Any, status: int = 200, media_type: str = "application/json", **headers: str) -> Response:
    """A response whose Content-Type is exactly `media_type` (clients compare it), never sniffed; stored only under its tag.

    An empty `body` has none (RFC 9110 section 8.3): clients read what is said to be JSON, and there is no empty JSON.
    """
    response = Response(body, status, content_type=media_type)
    if body == b"":
        del response.headers["Content-Type"]
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def conditional(response: Response, etag: str, *, weak: bool = False) -> Response:
    """The response under this entity tag; without its body 304 where the request holds that, 412 where it wants another.

    RFC 9110 section 13. Werkzeug leaves out a 304's body, not a 412's.
    """
    response.set_etag(etag, weak=weak)
    if _CONDITIONS.isdisjoint(request.environ):
        return response
    response.implicit_sequence_conversion = False  # or what streams is read whole, for its length
    response.make_conditional({name: said for name, said in request.environ.items() if name not in _DATES or _is_date(said)})
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        response.data = b""
    return response


_DATES = frozenset({"HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"})
_CONDITIONS = frozenset({"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE", *_DATES})


def _is_date(said: str) -> bool:
    """Whether a date is one that there can be: what is none is ignored (RFC 9110 section 13.1.3), a year of 20 digits too."""
    try:
        return parse_date(said) is not None
    except OverflowError:  # Werkzeug lets it out
        return False
