"""A C-STORE's object while it comes: a file in the making, in memory, or on the disk once it is large; judged when it is whole.

It stands where pynetdicom puts what it gathers, so that the bytes are written once, behind the file meta of our own.
"""

import io
import threading
from collections.abc import Callable
from typing import NamedTuple

from adapters.spool import Spool
from mappings.dicom.part10 import file_meta
from mappings.failures import Failure, TooLarge


class Command(NamedTuple):
    """What a C-STORE-RQ says of its data set, and the transfer syntax of its presentation context."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str


class Gathered(io.BytesIO):
    """One object. What fails while it comes, such as a full disk, is raised where it is asked for whole: its sender is told then.

    `command` says what its data set is, once that begins; `open_spool` opens what it is kept in, for one who takes it whole.
    """

    def __init__(self, command: Callable[[], Command], open_spool: Callable[[Callable[[memoryview], None]], Spool]) -> None:
        super().__init__()
        self._asked = command
        self._command: Command | None = None
        self._spool = open_spool(self._take)
        self._size = 0
        self._failure: Exception | None = None
        self._file = memoryview(b"")

    @property
    def in_memory(self) -> int:
        """Bytes of it that are in memory."""
        return self._spool.in_memory

    def tell(self) -> int:
        """Bytes of its data set that have come."""
        return self._size

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # pynetdicom writes bytes
        """Take the next bytes of the data set."""
        self._size += len(data)
        if self._failure is None and not self.closed:
            try:
                if self._command is None:
                    self._begin()
                self._spool.write(data)
            except (Failure, OSError) as failure:
                self._failure = failure
                self._spool.discard()
        return len(data)

    def whole(self) -> tuple[Command, memoryview, memoryview]:
        """Its command, its data set, and the file: the data set behind file meta. Raises what failed while it came."""
        if self._failure is not None:
            raise self._failure
        command = self._command or self._begin()
        self._spool.close()
        return command, self._file[len(self._file) - self._size :], self._file

    def read_message(self, most: int) -> bytes:
        """What is no object but a message of so many bytes at most; it is let go of. Raises TooLarge, and what failed."""
        with self:
            if self._size > most:
                raise TooLarge("message-too-large", "This is more than can be asked at once.")
            return bytes(self.whole()[1])

    def _begin(self) -> Command:
        self._command = command = self._asked()
        self._spool.write(file_meta(*command))
        return command

    def _take(self, file: memoryview) -> None:
        self._file = file

    def close(self) -> None:
        """Let go of it, whole or not."""
        self._file = memoryview(b"")
        self._spool.discard()
        super().close()


class Gathering:
    """What all associations of the door hold in memory together, in bytes; each object is gathered whole before it is judged."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self._lock = limit, dict[int, int](), threading.Lock()

    def hold(self, who: object, size: int) -> bool:
        """Whether `who` may hold this many bytes now; 0 lets go."""
        with self._lock:
            self._held.pop(id(who), None)
            if size:
                self._held[id(who)] = size
            return sum(self._held.values()) <= self._limit
