"""Small bodies on their way: while one comes it holds a place of these only, and it must have come in time.

A thread that reads waits until the bytes are there, and nothing in it can end that: `connections` ends what is late, from below.
"""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

from flask import Request
from werkzeug.wsgi import get_content_length

from mappings import json_text
from mappings.failures import Busy, Invalid, TooLarge, TooSlow
from mappings.network import canonical
from server.shares import Shares


@dataclass(slots=True, eq=False)
class Coming:
    """A body that is being waited for: where its connection comes from, since when, and whether that may have been cut."""

    address: str
    since: float
    cut: bool = False


class Bodies:
    """The small bodies that one process waits for: so many at once, each for so many seconds."""

    def __init__(self, places: int, seconds: float) -> None:
        self._shares, self.seconds = Shares(places, part=4), seconds
        self._coming: set[Coming] = set()
        self._lock = threading.Lock()

    def read(self, environ: dict[str, Any], most: int, holder: str) -> None:
        """Have a body of at most `most` bytes come, and leave it where it is read from. One announced as larger is not touched.

        Raises Busy, TooSlow or TooLarge.
        """
        told = get_content_length(environ)
        if (told is None and "HTTP_TRANSFER_ENCODING" not in environ) or told == 0 or (told or 0) > most:
            return
        with self._place(canonical(environ.get("REMOTE_ADDR", "")), holder) as coming:
            body = environ["wsgi.input"].read(told or most + 1)
        if len(body) < (told or 0) or (coming.cut and not told):
            raise TooSlow("body-incomplete", f"The body did not come whole within {self.seconds:g} seconds.")
        if len(body) > most:
            raise TooLarge("body-too-large", f"A body has at most {most} bytes here.")
        environ["wsgi.input"] = io.BytesIO(body)

    def late(self) -> frozenset[str]:
        """The addresses that have been sending a body for longer than there is time; any body of theirs may be cut now."""
        until = time.monotonic() - self.seconds
        with self._lock:
            addresses = frozenset(coming.address for coming in self._coming if coming.since <= until)
            for coming in self._coming:
                coming.cut |= coming.address in addresses
        return addresses

    @contextmanager
    def _place(self, address: str, holder: str) -> Iterator[Coming]:
        if not self._shares.take(holder):
            raise Busy("busy-bodies", "Too many requests whose bodies have not come yet; try again in a few seconds.")
        coming = Coming(address, time.monotonic())
        with self._lock:
            self._coming.add(coming)
        try:
            yield coming
        finally:
            with self._lock:
                self._coming.remove(coming)
            self._shares.give(holder)


def json_object(request: Request) -> dict[str, Any]:
    """The JSON object that the body of a request is. Raises Invalid."""
    try:
        document = json_text.loads(request.get_data()) if request.is_json else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Invalid("not-json", "The body must be a JSON object, sent as application/json.")
    return document


def is_text(value: object, most: int) -> TypeGuard[str]:
    """Whether every database keeps this as it is: a text of 1 to `most` bytes, with no NUL and no half of a surrogate pair."""
    try:
        return isinstance(value, str) and "\0" not in value and 0 < len(value.encode()) <= most
    except UnicodeEncodeError:
        return False
