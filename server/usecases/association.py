"""Who called the DICOM door of late, for the operator who waits for a PACS: noted in groups, so that no caller waits for it."""

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from adapters.sql import associations
from adapters.sql.associations import AssociationRow
from mappings.failures import Failure
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
    """Associations that were alike, what became of them in words, and the command's words that would let in who was refused."""

    row: AssociationRow
    outcome: str
    remedy: tuple[str, ...]


def list_associations(runtime: Runtime) -> list[Association]:
    """The last associations and refusals, newest first."""
    with runtime.store.read() as connection:
        aliases = {facts.alias for facts in runtime.governance.current(connection).facts}
        return [_told(row, aliases, runtime.settings.ae_title) for row in associations.read_all(connection)]


def _told(row: AssociationRow, aliases: Collection[str], title: str) -> Association:
    if row.reason == Rejection.UNKNOWN_CALLING:
        asks = row.called == title
        said = f"{row.called} has no such {'application entity' if asks else 'sender'} at this address"
        network = f"{row.address}/{128 if ':' in row.address else 32}"
        named = ("ae", "add", row.calling, "--client", "NAME") if asks else ("sender", "add", row.called, "--aet", row.calling)
        remedy = ("accord", "admin", *named, "--from", network)
        return Association(row, said, () if _UNFIT & set(row.calling) else remedy)
    if row.reason == Rejection.UNKNOWN_CALLED:
        meant = next((alias for alias in aliases if alias.casefold() == row.called.casefold()), None)
        return Association(row, f"no dataset is called so{f': {meant} is' if meant else ''}", ())
    if row.reason == Rejection.OTHER_CERTIFICATE:
        return Association(row, "it is bound to a certificate, and showed none or another", ())
    return Association(row, row.reason or "accepted", ())
