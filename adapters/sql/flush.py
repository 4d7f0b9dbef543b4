"""How what SQLite has committed becomes durable: its write-ahead log is flushed after the commit, once for all who wait.

A commit under `synchronous=NORMAL` writes to the log and flushes nothing, while it holds the one write lock. What a flush finds
in the log is durable when it ends, whoever committed it; what is not in the log any more went to the database's own file, which
SQLite flushes first (its documentation, "Write-Ahead Logging"). So while one flush is under way others commit, and the next
flush is all of theirs. Who is alone flushes at once.
"""

import os
import threading
from pathlib import Path

from adapters.disk import NO_ROOM
from mappings.failures import Failure, Full, Unavailable


class SharedFlush:
    """The flushes of one process."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._asking, self._flushing = threading.Lock(), threading.Lock()
        self._asked = self._flushed = 0
        self._named: int | None = None
        self._failure: Failure | None = None

    def __call__(self) -> None:
        """Return when all that was committed before is durable. Raises Full or Unavailable where that can't be known.

        Then pages of the log may be lost while the system calls them clean, so this process makes nothing durable any more.
        """
        with self._asking:
            self._asked += 1
            mine = self._asked
        with self._flushing:
            if self._failure is not None:
                raise self._failure
            if self._flushed < mine:
                upto = self._asked
                self._flush()
                self._flushed = upto

    def _flush(self) -> None:
        try:
            descriptor = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # the last connection took it away, when all was in the database's own file
        try:
            os.fdatasync(descriptor)
            self._name(os.fstat(descriptor).st_ino)
        except OSError as error:
            self._failure = _failure(error)
            raise self._failure from error
        finally:
            os.close(descriptor)

    def _name(self, inode: int) -> None:
        """See that a log made anew is found after a power cut."""
        if inode != self._named:
            folder = os.open(self._log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            self._named = inode


def _failure(error: OSError) -> Failure:
    if error.errno in NO_ROOM:
        return Full("storage-full", "The database can't be written: its disk is full. Ask again whether it was stored.")
    return Unavailable("database-unflushed", "The database's disk failed. Ask again later whether it was stored.")
