"""Who called the DICOM door of late, for the operator who waits for a PACS: noted in groups, so that no caller waits for it."""

import threading
from collections import Counter
from dataclasses import dataclass, field

from adapters.sql import associations
from adapters.sql.associations import AssociationRow
from mappings.failures import Failure
from server.usecases.dataset import ALIAS
from server.usecases.identify import AeTitle, Rejection
from server.usecases.runtime import Runtime

MOST_WAITING = 1000
"""Kinds of associations that wait to be written; more are not told of."""
_UNFIT = frozenset("?\\")
"""What stands for a character that is no title's, and one that no sender's title has (PS3.5 6.2)."""
_LONGEST = {"title": 16, "address": 64, "reason": 32}


@dataclass(slots=True)
class Noticed:
    """What one process has noticed and not written yet."""

    _waiting: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, titles: AeTitle, reason: str = "") -> None:
        """Notice an association that was asked for; `reason` says why it was refused."""
        key = (_plain(titles.calling, "title"), _plain(titles.called, "title"), titles.address, _plain(reason, "reason"))
        with self._lock:
            if key in self._waiting or len(self._waiting) < MOST_WAITING:
                self._waiting[key] += 1

    def write(self, runtime: Runtime) -> None:
        """Write what was noticed; what can't be written now is dropped, since the log has it."""
        with self._lock:
            noticed, self._waiting = self._waiting, Counter()
        if not noticed:
            return
        now = runtime.clock()
        try:
            with runtime.store.write(durable=False) as connection:
                associations.note(connection, [AssociationRow(*key, times, now) for key, times in sorted(noticed.items())])
        except Failure:
            return


def _plain(text: str, of: str) -> str:
    """What a stranger calls itself, as every database and terminal takes it."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[: _LONGEST[of]]


@dataclass(frozen=True, slots=True)
class Association:
    """Associations that were alike, and the command's words that would register who was refused (empty where none would).

    What is no alias or has a character that is no AE title's can't be registered.
    """

    row: AssociationRow
    remedy: tuple[str, ...]


def list_associations(runtime: Runtime) -> list[Association]:
    """The last associations and refusals, newest first."""
    with runtime.store.read() as connection:
        return [Association(row, _remedy(row)) for row in associations.read_all(connection)]


def _remedy(row: AssociationRow) -> tuple[str, ...]:
    if row.reason == Rejection.UNKNOWN_CALLING and not _UNFIT & set(row.calling):
        whole = 128 if ":" in row.address else 32
        return ("accord", "admin", "sender", "add", row.called, "--aet", row.calling, "--from", f"{row.address}/{whole}")
    if row.reason == Rejection.UNKNOWN_CALLED and ALIAS.fullmatch(row.called) and not row.called.startswith("-"):
        return ("accord", "admin", "dataset", "add", row.called, "--agreement", "KEY", "--title", "TITLE")
    return ()
