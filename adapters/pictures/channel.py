"""What pool and child say to each other: messages of a kind and so many bytes, over a socket that only the two have."""

import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct(">BQ")
ASKED = struct.Struct(">QQ")


class Kind(IntEnum):
    """The kinds of message. The pool sends a drawing, bytes, or that there are none; the child all others."""

    DRAWING = 1
    BYTES = 2
    NO_BYTES = 3
    ASKING = 4
    """For bytes of the file: `ASKED`, from and how many."""
    PICTURE = 5
    REFUSED = 6
    FAILED = 7


class Ended(Exception):
    """The other side is gone, or speaks otherwise than it should."""


class Excess(Ended):
    """It says more than it may."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A failure of ours as it crosses: its class's name, and its parts."""

    kind: str
    code: str
    sentence: str
    where: str | None


def send(channel: socket.socket, kind: Kind, body: memoryview | bytes = b"", until: float | None = None) -> None:
    """Raises TimeoutError after `until` on the monotonic clock, and Ended."""
    for part in (_HEAD.pack(kind, len(body)), body):
        _wait(channel, until)
        try:
            channel.sendall(part)
        except (BrokenPipeError, ConnectionResetError) as gone:
            raise Ended from gone


def receive(channel: socket.socket, most: int, until: float | None = None) -> tuple[int, int]:
    """The kind of the next message and the length of its body, at most `most` bytes. Raises as `send`, and Excess."""
    head = bytearray(_HEAD.size)
    fill(channel, memoryview(head), until)
    kind, length = _HEAD.unpack(head)
    if length > most:
        raise Excess
    return kind, length


def fill(channel: socket.socket, buffer: memoryview, until: float | None = None) -> None:
    """Receive as many bytes as the buffer has. Raises as `send`."""
    while buffer:
        _wait(channel, until)
        try:
            count = channel.recv_into(buffer)
        except ConnectionResetError as gone:
            raise Ended from gone
        if not count:
            raise Ended
        buffer = buffer[count:]


def _wait(channel: socket.socket, until: float | None) -> None:
    if until is not None:
        channel.settimeout(max(until - time.monotonic(), 0.001))
