"""The pool of children that draw: a few, started when they are first needed, each with one picture at a time.

A child is started by `subprocess` alone, which is safe beside other threads, with an empty environment and no file but its end of
a socket; it is replaced when it ended, was ended, or has made so many pictures. It asks for the bytes it needs, so that whoever
has a picture drawn decides where they come from and what is believed; time that takes is not the child's.
"""

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, LifoQueue
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from adapters.pictures.channel import ASKED, Ended, Excess, Kind, Refused, fill, receive, send
from mappings.dicom.pixels.attributes import undecodable
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.source import PIECE
from mappings.failures import Busy, Failure, Invalid, NotAcceptable, NotFound

log = logging.getLogger("accord.pictures")

MAX_PICTURE = 64 * 1024 * 1024
"""Bytes of a picture: 4096 × 4096 of three colours, and not compressed, fit."""
MOST_PIECES = 4096
Read: TypeAlias = Callable[[int, int], memoryview | bytes]
"""A file's bytes from an offset on, so many of them; fewer only where the file ends."""
_FAILURES: MappingProxyType[str, type[Failure]] = MappingProxyType({f.__name__: f for f in (Invalid, NotAcceptable, NotFound)})
_LEAVE_SECONDS = 1
_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM})  # where memory is short the kernel ends a child, whatever it draws
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # a thread for each core, and its memory, for nothing


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one child; times in seconds."""

    wait: float = 2  # for a child that is free
    wall: float = 60  # for a picture, without what its bytes take to come
    cpu: int = 2  # for a picture, beside what finding its frame takes and its size adds
    megabytes: int = 1024
    pictures: int = 1000  # then another child is begun


class Pool:
    """At most `count` children, each of these limits."""

    def __init__(self, count: int, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._idle: LifoQueue[_Child | None] = LifoQueue()
        self._count = count
        for _ in range(count):
            self._idle.put(None)

    def draw(self, drawing: Drawing, read: Read) -> bytes:
        """The picture, of bytes that `read` gives; what that raises ends it.

        Raises as `picture.find` and `picture.draw`, NotAcceptable('pixels-undecodable') where a decoder crashed or took too long,
        and Busy where no child is free in time or the machine is too busy to finish one.
        """
        try:
            child = self._idle.get(timeout=self._limits.wait)
        except Empty:
            raise _busy() from None
        try:
            child = self._usable(child) or _Child(self._limits)
            return child.draw(drawing, read)
        finally:
            self._idle.put(self._usable(child))

    @staticmethod
    def _usable(child: "_Child | None") -> "_Child | None":
        if child is None or child.usable:
            return child
        child.end()
        return None

    def close(self) -> None:
        """End every child, the drawing ones when they have drawn."""
        for _ in range(self._count):
            if child := self._idle.get():
                child.end()


class _Child:
    """A child, and how far it is."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._pictures, self._until, self._heard = limits, 0, 0.0, False
        self._channel, its = socket.socketpair()
        command = [sys.executable, "-I", "-m", "adapters.pictures.child", str(limits.megabytes), str(limits.cpu)]
        nowhere = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                command, stdin=its.fileno(), stdout=nowhere, stderr=nowhere, env=_ENVIRONMENT, cwd="/", start_new_session=True
            )
        except OSError as error:  # no memory, or no process more
            self._channel.close()
            log.exception("child that draws could not be begun")
            raise _busy() from error
        finally:
            its.close()

    @property
    def usable(self) -> bool:
        """Whether it lives, and is not worn."""
        return self._process.poll() is None and self._pictures < self._limits.pictures

    def draw(self, drawing: Drawing, read: Read) -> bytes:
        """See `Pool.draw`. A child that did not keep to what is agreed is ended."""
        self._until = time.monotonic() + self._limits.wall
        self._pictures += 1
        try:
            send(self._channel, Kind.DRAWING, msgspec.msgpack.encode(drawing), self._until)
            return self._answer(read)
        except Excess:  # how it ends now is our doing, and says nothing of it
            self.end()
            log.error("child that drew a picture said more than it may")  # noqa: TRY400 - no trace of ours
            raise undecodable("its bytes do not decode") from None
        except Ended:
            raise self._ended(self.end()) from None
        except TimeoutError:
            self.end()
            log.warning("picture was not drawn in time")
            raise _busy() from None

    def end(self) -> int:
        """End it, and say how it ended."""
        self._channel.close()
        try:
            return self._process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _answer(self, read: Read) -> bytes:
        for _ in range(MOST_PIECES):
            kind, length = receive(self._channel, MAX_PICTURE, self._until)
            self._heard = True
            body = bytearray(length)
            fill(self._channel, memoryview(body), self._until)
            if kind == Kind.PICTURE:
                return bytes(body)
            if kind == Kind.REFUSED:
                raise _refusal(body)
            if kind == Kind.FAILED:
                raise RuntimeError(f"A picture was not drawn: {body.decode(errors='replace')}.")
            self._give(read, *ASKED.unpack(body))
        raise Excess

    def _give(self, read: Read, start: int, length: int) -> None:
        """Hand over bytes of the file. What getting them took does not count."""
        began = time.monotonic()
        try:
            piece = read(start, min(length, PIECE))
        except BaseException:
            send(self._channel, Kind.NO_BYTES)
            raise
        self._until += time.monotonic() - began
        send(self._channel, Kind.BYTES, piece, self._until)

    def _ended(self, status: int) -> Exception:
        """Why there is no picture of a child that ended: what it did, or what was done to it. One never heard of is our fault."""
        log.error("child that drew a picture ended", extra={"status": status})
        if status > 0 and not self._heard:
            return RuntimeError(f"A child that draws did not begin: status {status}.")
        if status == -signal.SIGXCPU:
            return undecodable("it takes too long")
        return _busy() if status in _FROM_OUTSIDE else undecodable("its bytes do not decode")


def _busy() -> Busy:
    return Busy("busy", "All that can be drawn at once is being drawn; try again in a few seconds.")


def _refusal(body: bytearray) -> Failure:
    said = msgspec.msgpack.decode(body, type=Refused)
    return _FAILURES[said.kind](said.code, said.sentence, said.where)
