"""The HTTP connections of a process, looked at from below: what Granian has no clock and no share for is ended here.

Granian times the head of a request and nothing after it: a body that does not come holds a thread for as long as its sender
likes, a reply that is not read a connection. Neither can be ended from where it is waited for. So the process looks at its own
sockets twice a second (Linux says what has moved on each) and shuts down what is too slow: the thread that waits is told the end.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mappings.network import canonical, counted
from server.shares import share
from server.web.bodies import Bodies

LOOK_SECONDS = 0.5
QUIET_SECONDS = 900
"""Longer than anything here works for one request without a byte of it coming or going."""
QUIET_BYTES = 1024
SMALL_BYTES = 1 << 16
"""What a head and a small body have at most: more since our last reply is an upload, whose own door bounds it."""
_SO_COOKIE = 57
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has moved on a connection: bytes acknowledged and received in all, and for how long none was sent (`tcp_info`)."""

    acknowledged: int
    received: int
    unsent_seconds: float


@dataclass(slots=True)
class Mark:
    """What had moved when the connection was last seen to move, and when; what had come when something was last sent."""

    moved: int
    at: float
    acknowledged: int = 0
    received: int = 0

    def see(self, traffic: Traffic, now: float) -> None:
        """Move on, where the connection did."""
        if traffic.acknowledged + traffic.received - self.moved >= QUIET_BYTES:
            self.moved, self.at = traffic.acknowledged + traffic.received, now
        if traffic.acknowledged != self.acknowledged:
            self.acknowledged, self.received = traffic.acknowledged, traffic.received


class Connections:
    """The connections to `port` in this process, `places` at most. `trusted` addresses are proxies', and have no share."""

    def __init__(self, port: int, places: int, bodies: Bodies, trusted: Callable[[str], bool]) -> None:
        self._port, self._places, self._bodies, self._trusted = port, places, bodies, trusted
        self._marks: dict[bytes, Mark] = {}

    def watch(self) -> None:
        """Look at them from now on, in a thread of its own; nothing where this system doesn't say what has moved."""
        if hasattr(socket, "TCP_INFO") and _DESCRIPTORS.is_dir():
            threading.Thread(target=self._watch, name="connections", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with contextlib.suppress(OSError):  # no descriptor is free just now
                self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Shut down what is late with a small body (its sender still hears why), what is quiet, and what is over a share."""
        late, marks = self._bodies.late(), dict[bytes, Mark]()
        with contextlib.ExitStack() as stack:
            found = [(stack.enter_context(connection), address) for connection, address in _connections(self._port)]
            seen = [(connection, address, _traffic(connection)) for connection, address in found]
            for connection, address, traffic in seen:
                cookie = connection.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
                mark = marks[cookie] = self._marks.get(cookie) or Mark(0, now)
                mark.see(traffic, now)
                if now - mark.at > QUIET_SECONDS:
                    _shut(connection, socket.SHUT_RDWR)
                elif address in late and not self._trusted(address) and self._is_late(traffic, mark):
                    _shut(connection, socket.SHUT_RD)
            for connection in self._excess(seen):
                _shut(connection, socket.SHUT_RDWR)
        self._marks = marks

    def _is_late(self, traffic: Traffic, mark: Mark) -> bool:
        """Whether this may be a connection whose body is late: nothing was sent since its request, and nothing large came."""
        return traffic.unsent_seconds >= self._bodies.seconds and traffic.received - mark.received < SMALL_BYTES

    def _excess(self, seen: list[tuple[socket.socket, str, Traffic]]) -> Iterator[socket.socket]:
        """Of each address that has more than half of what is free, so many, those first that were sent nothing for longest."""
        held = Counter(counted(address) for _, address, _ in seen)
        most = share(self._places - len(seen), 2)
        over = {holder: count - most for holder, count in held.items() if count > most}
        for connection, address, _ in sorted(seen, key=lambda each: -each[2].unsent_seconds) if over else ():
            if over.get(counted(address), 0) > 0 and not self._trusted(address):
                over[counted(address)] -= 1
                yield connection


def _connections(port: int) -> Iterator[tuple[socket.socket, str]]:
    """Each connection to this port that this process holds, by a descriptor of our own, and its peer's address."""
    for number in list(_sockets()):  # all of them before one of ours is made
        with contextlib.suppress(OSError):  # closed meanwhile
            ours = os.dup(number)
            if (found := _connected(ours, port)) is None:
                os.close(ours)
            else:
                yield found


def _sockets() -> Iterator[int]:
    for path in _DESCRIPTORS.iterdir():
        with contextlib.suppress(OSError):
            if path.readlink().name.startswith("socket:"):
                yield int(path.name)


def _connected(descriptor: int, port: int) -> tuple[socket.socket, str] | None:
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        return None
    try:
        if connection.family in {socket.AF_INET, socket.AF_INET6} and connection.getsockname()[1] == port:
            return connection, canonical(connection.getpeername()[0])
    except OSError:
        pass
    connection.detach()
    return None


def _traffic(connection: socket.socket) -> Traffic:
    """Linux's `tcp_info` (include/uapi/linux/tcp.h): tcpi_last_data_sent in ms, tcpi_bytes_acked and tcpi_bytes_received."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    if len(info) < 136:  # before Linux 4.2: nothing is said, so nothing is ended
        return Traffic(0, SMALL_BYTES, 0)
    (unsent,), (acknowledged, received) = struct.unpack_from("=I", info, 44), struct.unpack_from("=QQ", info, 120)
    return Traffic(acknowledged, received, unsent / 1000)


def _shut(connection: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(how)
