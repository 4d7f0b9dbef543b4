"""The only room that meets Flask's globals: routes with their declared action, the request's caller, and its room.

Every route is added by `serves`, which needs the action it performs; a request whose route declares none is refused, and a
test walks the URL map. The caller is made once for each request, from the bearer token and the peer's address.
"""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g
from flask import request as request  # noqa: PLC0414 - views take it from here
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from consent.conditions import Action
from consent.subject import ANONYMOUS
from mappings.failures import Busy, Forbidden, TooLarge, Unauthenticated, UnsupportedMedia
from mappings.smart import allows
from server.usecases.hall import Caller, Hall
from server.usecases.identify import Identity

View = Callable[..., Any]


class Room(StrEnum):
    """The rooms of a process's threads, so that stalled readers and senders never slow a search."""

    SEARCH = "search"
    FORM = "form"
    """Small bodies, which anybody may send as slowly as they like: a token request needs no token."""
    STREAM = "stream"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Declared:
    """What a route does: its action, whether anyone may ask (`open`), the SMART scope it needs, its room (None: no wait)."""

    action: Action
    open: bool
    scope: str | None
    room: Room | None


def serves(
    blueprint: Blueprint,
    rule: str,
    action: Action,
    *,
    scope: str | None = None,
    anonymous: bool = False,
    methods: tuple[str, ...] = ("GET",),
    room: Room | None = None,
    waits: bool = True,
) -> Callable[[View], View]:
    """Add a route with what it does: `action` of the matrix, `scope` a SMART v2 scope such as `ImagingStudy.s`.

    What takes a body has its place in the room for forms, unless `room` says otherwise: it is held until the body has come. What
    does not `wait` has none: it answers however full the rooms are.
    """
    place = (room or (Room.SEARCH if methods == ("GET",) else Room.FORM)) if waits else None

    def add(view: View) -> View:
        view.declared = Declared(action, anonymous, scope, place)  # type: ignore[attr-defined]
        blueprint.add_url_rule(rule, view_func=view, methods=list(methods))
        return view

    return add


def declared(app: Flask, endpoint: str | None) -> Declared | None:
    """What the route of this endpoint declares."""
    view: Any = app.view_functions.get(endpoint or "")
    return getattr(view, "declared", None)


def declared_here() -> Declared | None:
    """What the route of this request declares."""
    return declared(current_app, request.endpoint)


class Rooms:
    """Counted semaphores that divide one process's blocking threads."""

    def __init__(self, sizes: dict[Room, int]) -> None:
        self._rooms = {room: threading.BoundedSemaphore(size) for room, size in sizes.items()}

    def enter(self, room: Room) -> None:
        """Take a place or raise Busy at once: a request that waits would hold a thread of its own."""
        if not self._rooms[room].acquire(blocking=False):
            raise Busy("busy", f"All places for {room} requests are taken; try again in a few seconds.")

    def leave(self, room: Room) -> None:
        """Give the place back."""
        self._rooms[room].release()


def install(app: Flask, hall: Hall, identity: Identity, rooms: Rooms) -> None:
    """Make every request of this app find its hall, its room and its caller."""
    app.extensions["accord"] = (hall, identity, rooms)
    app.before_request(_begin)
    app.teardown_request(_end)


def _begin() -> None:
    g.request_id = secrets.token_hex(8)
    endpoint = request.endpoint
    if endpoint is None:
        return
    found = declared(current_app, endpoint)
    if found is None:
        raise Forbidden("undeclared", "This route declares no action, so it is closed.")
    if found.room is not None:
        _rooms().enter(found.room)
        g.room = found.room
    g.caller = _caller(found)


def _end(_error: BaseException | None) -> None:
    if (room := g.pop("room", None)) is not None:
        _rooms().leave(room)


def _caller(route: Declared) -> Caller:
    header = request.headers.get("Authorization", "")
    if route.open and not header.startswith("Bearer "):
        return Caller(ANONYMOUS, request=g.request_id)
    if not header.startswith("Bearer "):
        raise Unauthenticated("token-missing", "A bearer token is needed. Get one from the token endpoint.")
    caller = _identity().caller(hall(), header[7:].strip(), peer(), g.request_id)
    if route.scope is not None and not allows(caller.scopes, route.scope):
        raise Forbidden("insufficient-scope", f"The token lacks a scope that covers {route.scope}.", route.scope)
    return caller


def hall() -> Hall:
    """The hall of this process."""
    found: Hall = current_app.extensions["accord"][0]
    return found


def _identity() -> Identity:
    found: Identity = current_app.extensions["accord"][1]
    return found


def _rooms() -> Rooms:
    found: Rooms = current_app.extensions["accord"][2]
    return found


def caller() -> Caller:
    """Who asks in this request."""
    found: Caller = g.caller
    return found


def peer() -> str:
    """The address the request came from; a forwarded one only where a configured proxy says so."""
    return _identity().peer(request.remote_addr or "", request.headers.get("X-Forwarded-For"))


def form(most: int) -> MultiDict[str, str]:
    """The request's form fields (RFC 6749 appendix B), at most `most` bytes of them. Raises UnsupportedMedia or TooLarge."""
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMedia("form-expected", "Send the parameters as application/x-www-form-urlencoded.")
    request.max_content_length = most
    try:
        return request.form
    except RequestEntityTooLarge:
        raise TooLarge("form-too-large", f"The form is larger than {most} bytes.") from None


@contextmanager
def staying() -> Iterator[Callable[[], None]]:
    """Keep the request's place while its body streams: call what is yielded when the stream has ended."""
    rooms, room = _rooms(), g.pop("room")
    left = threading.Event()

    def leave() -> None:
        if not left.is_set():
            left.set()
            rooms.leave(room)

    try:
        yield leave
    except BaseException:
        leave()
        raise


def answered(body: Any, status: int = 200, media_type: str = "application/json", **headers: str) -> Response:
    """A response whose Content-Type is exactly `media_type` (clients compare it), never sniffed, never stored."""
    response = Response(body, status)
    response.headers["Content-Type"] = media_type
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response
