"""The child in which decoders run: it has a socket to its pool and nothing else, draws what it is told, and ends with the pool.

    python -I -m adapters.pictures.child MEGABYTES SECONDS

Once its decoders are loaded it can open no file and no socket, write no file and start no process (`setrlimit`). What a decoder
does with hostile bytes ends here, whoever holds the interpreter then: by the memory it may have, by SIGXCPU, or with its pool.
"""

import contextlib
import fcntl
import logging
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path

import msgspec

from adapters.pictures.channel import ASKED, Ended, Kind, Refused, fill, receive, send
from mappings.dicom.pixels import frames, picture
from mappings.dicom.pixels.drawing import Drawing
from mappings.failures import Failure, NotAcceptable

FIND_SECONDS = 5
"""Of CPU, to find the frame: the groups of 180,000 frames take four."""
VALUES_A_SECOND = 4_000_000
"""Of a decoded frame, for which a second more is given to draw it: JPEG 2000 of nothing but noise makes twice as many."""
MOST_ASKED = 64 * 1024


class Child:
    """What is drawn over this channel."""

    def __init__(self, channel: socket.socket, seconds: int) -> None:
        self._channel, self._seconds, self._abandoned = channel, seconds, False
        fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(channel, fcntl.F_SETSIG, signal.SIGKILL)

    def serve(self) -> None:
        """Draw one after the other. Raises Ended when the pool is gone."""
        while True:
            _, length = receive(self._channel, MOST_ASKED)
            told = bytearray(length)
            fill(self._channel, memoryview(told))
            self._abandoned = False
            self._die_with_pool(True)
            answer = self._answer(told)
            self._die_with_pool(False)
            if not self._abandoned:
                send(self._channel, *answer)

    def _answer(self, told: bytearray) -> tuple[Kind, bytes]:
        try:
            return Kind.PICTURE, self._drawn(msgspec.msgpack.decode(told, type=Drawing))
        except Failure as refusal:
            return Kind.REFUSED, _refused(refusal)
        except MemoryError:
            return Kind.REFUSED, _refused(NotAcceptable("pixels-too-large", "Drawing this frame takes more memory than one may."))
        except Exception as error:  # noqa: BLE001 - the pool says where it was, and nothing that it says of the bytes
            return Kind.FAILED, _place(error).encode()

    def _drawn(self, drawing: Drawing) -> bytes:
        _allow(FIND_SECONDS)
        found = picture.find(drawing, self._fill)
        _allow(self._seconds + found.attributes.values // VALUES_A_SECOND)
        return picture.draw(found)

    def _fill(self, start: int, buffer: memoryview) -> int:
        """See `Fill`: the pool is asked. Where it has no bytes nobody waits for this picture any more."""
        if self._abandoned:
            return 0
        self._die_with_pool(False)
        send(self._channel, Kind.ASKING, ASKED.pack(start, len(buffer)))
        kind, length = receive(self._channel, len(buffer))
        self._abandoned = kind != Kind.BYTES
        fill(self._channel, buffer[:length])
        self._die_with_pool(not self._abandoned)
        return length

    def _die_with_pool(self, on: bool) -> None:
        """While the pool has nothing to say, be killed by the kernel when anything comes: it is the end of the pool's socket."""
        fcntl.fcntl(self._channel, fcntl.F_SETFL, os.O_RDWR | (os.O_ASYNC if on else 0))


def _refused(refusal: Failure) -> bytes:
    return msgspec.msgpack.encode(Refused(type(refusal).__name__, refusal.code, refusal.sentence, refusal.where))


def _allow(seconds: int) -> None:
    """Let this process use so much more CPU; then it is ended by SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, resource.RLIM_INFINITY))


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def _bind(megabytes: int) -> None:
    """Nothing outside the channel from now on, and no more memory than this."""
    with contextlib.suppress(OSError):  # where memory is short, this process is the one to go
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_AS, megabytes << 20),
    ):
        resource.setrlimit(kind, (most, most))


def main(megabytes: int, seconds: int) -> None:
    """Draw for the pool whose socket is the standard input."""
    logging.disable()
    frames.load()
    _bind(megabytes)
    with socket.socket(fileno=0) as channel, contextlib.suppress(Ended):
        Child(channel, seconds).serve()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
