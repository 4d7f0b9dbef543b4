"""How calls reach a node over HTTP: each with an allowance of time to wait for the node and of bytes to take from it.

A time-out of the library is for one read, so a node that sends a byte now and then is never late; and a body, a header or a
refusal is read for as long as it goes on. Here the socket itself counts, below whatever reads from it: connections are the
library's own, of sockets that ask the allowance of the call they serve.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter, Retry
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from adapters.nodes.port import endless, silent
from adapters.spool import Behind

_PIECE = 1 << 20


class Allowance:
    """What one call may still cost.

    The node is waited for `seconds` in all and `silence` seconds at a time, to take bytes as to give them; what a slow reader of
    ours takes between two reads is not the node's. It may send `most` bytes, headers and framing included; each that comes earns
    it `earned` seconds more. Raises Unavailable.
    """

    def __init__(self, node: str, *, seconds: float, silence: float, most: int, earned: float = 0.0) -> None:
        self._node, self._seconds, self._silence, self._most, self._earned = node, seconds, silence, most, earned

    @contextmanager
    def waiting(self, line: socket.socket) -> Iterator[None]:
        """Wait for the node at this socket, as long as is left."""
        left = min(self._seconds, self._silence)
        if left <= 0:
            raise silent(self._node)
        line.settimeout(left)
        began = time.monotonic()
        try:
            yield
        except TimeoutError:
            raise silent(self._node) from None  # as a failure of ours the library passes it on, and does not ask again
        finally:
            self._seconds -= time.monotonic() - began

    def take(self, count: int) -> None:
        """Count bytes that came."""
        self._seconds += count * self._earned
        self._most -= count
        if self._most < 0:
            raise endless(self._node)


_ALLOWANCE: ContextVar[Allowance] = ContextVar("allowance")


@contextmanager
def allowed(allowance: Allowance) -> Iterator[None]:
    """Let the calls in this block, and what is read of their answers afterwards, have this allowance together."""
    token = _ALLOWANCE.set(allowance)
    try:
        yield
    finally:
        _ALLOWANCE.reset(token)


class Transport(HTTPAdapter):
    """The library's transport, over counting sockets; asks again once, and only where a connection ended without an answer."""

    def __init__(self) -> None:
        super().__init__(max_retries=Retry(total=1, connect=0, status=0, redirect=0, allowed_methods=None, backoff_factor=0))

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Make the pools, of counting connections."""
        context = create_urllib3_context()
        context.sslsocket_class = _TlsSocket
        super().init_poolmanager(*sizes, ssl_context=context, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Socket(socket.socket):
    """A socket whose reads and writes are within the allowance of the call that it serves now."""

    allowance: Allowance

    def recv_into(self, *into: Any, **how: Any) -> int:
        with self.allowance.waiting(self):
            count = super().recv_into(*into, **how)
        self.allowance.take(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        left, at, passed = memoryview(data).cast("B"), 0, Behind(memoryview(data))
        while left:  # a socket's own sendall has one time-out for everything, however large
            with self.allowance.waiting(self):
                sent = self.send(left[:_PIECE], flags)
            left, at = left[sent:], at + sent
            passed(at)


class _TlsSocket(_Socket, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(fileno=self.sock.detach())

    def request(self, *arguments: Any, **options: Any) -> None:
        _begin(self)
        super().request(*arguments, **options)


class _TlsConnection(HTTPSConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        _begin(self)
        super().request(*arguments, **options)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _begin(connection: Any) -> None:
    """Connect where that has to be, and let the socket serve the call that is being made."""
    if connection.sock is None:
        connection.connect()
    connection.sock.allowance = _ALLOWANCE.get()
