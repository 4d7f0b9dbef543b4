"""Connections that have not asked for an association yet (PS3.8 Table 9-6, Sta2): none has a thread, or a place.

The kernel waits for the whole A-ASSOCIATE-RQ (SO_RCVLOWAT) and leaves it unread: who says nothing, or a byte now and then, costs
a descriptor until its time is over.
"""

import contextlib
import fcntl
import select
import selectors
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mappings.network import counted
from server.shares import Shares

LONGEST_PDU = 1 << 20
"""What is borne; an A-ASSOCIATE-RQ of 128 contexts with every syntax is half of it."""
_HEAD = struct.Struct(">BBL")
HEAD_SIZE = _HEAD.size
_REQUEST = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A connection, whose share of the places it takes, and when its time is over."""

    connection: socket.socket
    address: tuple[str, int]
    holder: str
    until: float

    def begin(self) -> socket.socket:
        """Its connection, as others are read."""
        _wait_for(self.connection, 1)
        return self.connection

    def close(self) -> None:
        """Close its connection."""
        self.connection.close()

    def has_come(self) -> bool | None:
        """Whether its request is there, as far as the kernel has room; None: not yet. False: it is gone, or is no request."""
        try:
            there, wanted = unread(self.connection), self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
            if there < wanted and (there < HEAD_SIZE or _has_ended(self.connection)):
                return False
            if wanted > HEAD_SIZE:
                return True
            whole = request_size(self.connection.recv(HEAD_SIZE, socket.MSG_PEEK))
            if not whole:
                return False
            _wait_for(self.connection, whole)
        except OSError:
            return False
        return True if there >= whole else None


class Arrivals:
    """So many such connections, shared by address, each for so many seconds. One thread adds and waits; any may `leave`."""

    def __init__(self, places: int, seconds: float) -> None:
        self._shares, self._seconds = Shares(places), seconds
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[socket.socket, Arrival] = {}

    def listen(self, listener: socket.socket, accept: Callable[[], None]) -> None:
        """Call `accept` where there is somebody to be accepted."""
        self._selector.register(listener, selectors.EVENT_READ, accept)

    def add(self, connection: socket.socket, address: tuple[str, int], kind: Callable[..., Arrival] = Arrival) -> None:
        """Wait for what it asks; where there is no place for it, close it."""
        _wait_for(connection, HEAD_SIZE)
        arrival = kind(connection, address, counted(address[0]), time.monotonic() + self._seconds)
        if not self._shares.take(arrival.holder):
            connection.close()
            return
        try:
            self._selector.register(connection, selectors.EVENT_READ, arrival)
        except OSError:  # the kernel watches no more
            self._close(arrival)
            return
        self._waiting[connection] = arrival

    def come(self, seconds: float) -> Iterator[Arrival]:
        """Each whose request has come, waiting so long at most; it keeps its place here until it leaves."""
        for key, _ in self._selector.select(seconds):
            if not isinstance(key.data, Arrival):
                key.data()
            elif (come := key.data.has_come()) is not None:
                self._forget(key.data)
                if come:
                    yield key.data
                else:
                    self._close(key.data)
        while self._waiting and (first := next(iter(self._waiting.values()))).until <= time.monotonic():
            self._forget(first)  # they wait in the order of their ends
            self._close(first)

    def leave(self, arrival: Arrival) -> None:
        """Give its place back: it has been answered, or become an association."""
        self._shares.give(arrival.holder)

    def close(self) -> None:
        """Close them all."""
        for arrival in list(self._waiting.values()):
            self._forget(arrival)
            self._close(arrival)
        self._selector.close()

    def _forget(self, arrival: Arrival) -> None:
        self._selector.unregister(arrival.connection)
        del self._waiting[arrival.connection]

    def _close(self, arrival: Arrival) -> None:
        arrival.close()
        self.leave(arrival)


def reject(connection: socket.socket, result: int, source: int, reason: int) -> None:
    """Answer the request that has come by A-ASSOCIATE-RJ (PS3.8 section 9.3.4), and close."""
    with connection, contextlib.suppress(OSError):
        connection.recv(unread(connection))  # what is left unread resets the connection before the answer is read
        connection.sendall(struct.pack(">BBLBBBB", 3, 0, 4, 0, result, source, reason))
        connection.shutdown(socket.SHUT_WR)


def request_size(head: bytes) -> int:
    """Bytes of the A-ASSOCIATE-RQ that begins so (PS3.8 section 9.3.2), its head with them; 0 where it is none, or too long."""
    kind, _, length = _HEAD.unpack(head)
    return HEAD_SIZE + int(length) if kind == _REQUEST and 0 < length <= LONGEST_PDU else 0


def unread(connection: socket.socket) -> int:
    """Bytes that wait to be read."""
    return int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)


def _has_ended(connection: socket.socket) -> bool:
    """Whether nothing more will come."""
    waiting = select.poll()
    waiting.register(connection, select.POLLRDHUP)
    return bool(waiting.poll(0))


def _wait_for(connection: socket.socket, count: int) -> None:
    """Be woken once so many bytes are there; the kernel makes room for them."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
