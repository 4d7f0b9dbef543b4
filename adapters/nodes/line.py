"""The line to a node over HTTP: in what time and of what size a call is answered, what is no answer, and what that means.

A call is one request of a client library's session, whose transport is `Transport` and whose hook is `Line.refuse`. Nothing is
followed elsewhere, nothing is unpacked, and of a refusal no body is read.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests
import urllib3

from adapters.nodes.port import silent
from adapters.nodes.transport import Allowance, Transport, allowed
from mappings.failures import Busy, Failure, Full, Invalid, NotFound, Unavailable

_CONNECT_SECONDS = 3.0
_QUICK_SECONDS = 5.0
"""How long a node may take for what a person or a load balancer waits for."""
_SLOWEST, _BUSY = 1_000_000, 20_000_000
"""Bytes a second that a node has to manage beyond its patience: in all, and at a time (it may read all before it speaks)."""
_JSON = 1 << 20


class Line:
    """How the node `name` is called: it may keep a call waiting for `patience` seconds, and is no such node by `stranger`."""

    def __init__(self, name: str, patience: float, stranger: Callable[[], Unavailable]) -> None:
        self._name, self._patience, self._stranger = name, patience, stranger

    @property
    def connect_seconds(self) -> float:
        """How long a connection may take."""
        return min(_CONNECT_SECONDS, self._patience)

    def for_json(self, most: int = _JSON) -> Allowance:
        """To tell something in JSON, of so many bytes."""
        return Allowance(self._name, seconds=self._patience, silence=self._patience, most=most)

    def quick(self) -> Allowance:
        """The same for what is waited for."""
        seconds = min(_QUICK_SECONDS, self._patience)
        return Allowance(self._name, seconds=seconds, silence=seconds, most=_JSON)

    def for_object(self, size: int) -> Allowance:
        """To send or take an object: twice its size and as much as for JSON, for headers and chunks."""
        seconds, silence = self._patience + size / _SLOWEST, self._patience + size / _BUSY
        return Allowance(self._name, seconds=seconds, silence=silence, most=2 * size + _JSON)

    def for_unsized(self, largest: int) -> Allowance:
        """To send an object of which nobody knows how large it is: as the largest at a time, and in all as what has come."""
        seconds = self._patience + largest / _BUSY
        return Allowance(self._name, seconds=seconds, silence=seconds, most=2 * largest + _JSON, earned=1 / _SLOWEST)

    @contextmanager
    def calling(self, allowance: Allowance, foreign: type[Exception] = requests.RequestException) -> Iterator[None]:
        """Make a call in this block, within its allowance, and every foreign error of it silence."""
        try:
            with allowed(allowance):
                yield
        except (foreign, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise silent(self._name) from error

    def prepare(self, session: requests.Session, url: str) -> None:
        """Have a library's session call the node at `url` over this line: no proxies of the environment either."""
        session.trust_env = False
        session.mount(url, Transport())
        session.hooks["response"].append(self.refuse)

    def refuse(self, answer: requests.Response, **_: Any) -> None:
        """Refuse an answer that is none before a library reads it: it would read a refusal whole, and unpack what is packed."""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            answer.close()
            raise self._stranger()
        if not HTTPStatus.OK <= answer.status_code < HTTPStatus.MULTIPLE_CHOICES:
            answer.close()
            raise self._translated(answer.status_code, answer.request.method)

    def refuse_page(self, answer: requests.Response) -> None:
        """Raise Unavailable for a page in an object's place, a proxy's: no object is at fault."""
        if answer.headers.get("Content-Type", "").startswith(("text/", "application/json")):
            raise self._stranger()

    def lacks(self) -> NotFound:
        """What is said of a place where nothing is."""
        return NotFound("node-lacks", f"Node {self._name} does not hold this object.")

    def _translated(self, status: int, method: str | None) -> Failure:
        match status, method:
            case 404 | 410, _:
                return self.lacks()
            case 401 | 403, _:
                return Unavailable("node-credentials", f"Node {self._name} refuses Accord's credentials.")
            case 409, _:
                return Busy("node-busy", f"Node {self._name} is storing this very object for somebody else.")
            case 507, _:
                return Full("node-full", f"Node {self._name} has no room left.")
            case 400, "POST":
                return Invalid("node-refused", f"Node {self._name} can't read this object as DICOM.")
        return Unavailable("node-failed", f"Node {self._name} failed (HTTP {status}).")
