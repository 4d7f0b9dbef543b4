"""Sends C-STOREs from stored bytes: the data set goes as it is kept where that was accepted, else in a syntax that was."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from pynetdicom.dimse_primitives import C_STORE

from adapters.sql.instances import StoredInstance
from mappings.dicom.dimse_message import C_STORE_RQ, command
from mappings.dicom.transfer_syntax import syntaxes
from mappings.failures import Failure
from server.dimse.request import log
from server.dimse.wire import Wire
from server.usecases.convert import converted
from server.usecases.runtime import Runtime

IN_MEMORY = 32_000_000
"""Objects up to this size are read, and believed, before a byte of them is sent; what breaks off in a larger one ends it all."""
_HIGHEST_ID = 65535
_WARNINGS = range(0xB000, 0xC000)


class Tally:
    """What became of each object that is to go, by its SOP Instance UID; what nothing was said of has failed at the end."""

    def __init__(self, uids: Iterable[str]) -> None:
        self._remaining = dict.fromkeys(uids)
        self.completed, self.warned = 0, 0
        self.failed: list[str] = []

    def add(self, uid: str, status: int | None) -> None:
        """Count one, by the status of its C-STORE; None where it was not sent."""
        self._remaining.pop(uid, None)
        if status == 0:
            self.completed += 1
        elif status in _WARNINGS:
            self.warned += 1
        else:
            self.failed.append(uid)

    def end(self) -> None:
        """Count what remains as failed."""
        for uid in list(self._remaining):
            self.add(uid, None)

    @property
    def counts(self) -> dict[str, int]:
        """Those of a response (PS3.7 §9.1.3.2, §9.1.4.2)."""
        ended = {"completed": self.completed, "failed": len(self.failed), "warned": self.warned}
        return ({"remaining": len(self._remaining)} if self._remaining else {}) | ended


class Stores:
    """The C-STORE sub-operations of one association, one after another; for a C-MOVE with who asked for them."""

    def __init__(self, runtime: Runtime, association: Any, originator: str = "", originator_id: int | None = None) -> None:
        self._runtime, self._association, self.wire = runtime, association, Wire(association)
        self._originator = {"originator": originator, "originator_id": originator_id}
        taken = [cx for cx in association.accepted_contexts if cx.as_scu]
        self._contexts = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])): cx.context_id for cx in taken}
        self._last_id = 0

    def store(self, located: StoredInstance, chunks: Iterable[bytes]) -> int | None:
        """Send an object; the status of the answer, None where it could not be sent. Raises OSError where all is over."""
        context_id, syntax = self._accepted(located)
        if context_id is None:
            return None
        try:
            sent, chunks = converted(self._runtime, (located, iter(chunks)), syntax)
        except Failure as failure:
            log.warning("not converted", extra={"reason": failure.code})
            return None
        data: Iterable[memoryview] = _after(chunks, sent.dataset_start)
        try:
            self.wire.send(context_id, self._request(located), list(data) if sent.size <= IN_MEMORY else data)
        except Failure as failure:
            if sent.size > IN_MEMORY:
                raise ConnectionAbortedError(failure.code) from failure
            return None
        return self._answer()

    def _accepted(self, located: StoredInstance) -> tuple[int | None, str]:
        """The context in which an object can be sent, and the transfer syntax there: the stored one, or the nearest accepted."""
        for syntax in syntaxes(located.transfer_syntax):
            if (context_id := self._contexts.get((located.sop_class, syntax))) is not None:
                return context_id, syntax
        return None, located.transfer_syntax

    def _request(self, located: StoredInstance) -> bytes:
        self._last_id = self._last_id % _HIGHEST_ID + 1
        named = {"sop_class": located.sop_class, "sop_instance": located.sop_uid}
        return command(C_STORE_RQ, data_set=True, message_id=self._last_id, priority=0, **named, **self._originator)

    def _answer(self) -> int:
        _, answer = self._association.dimse.get_msg(block=True)
        if not isinstance(answer, C_STORE) or answer.MessageIDBeingRespondedTo != self._last_id or answer.Status is None:
            raise ConnectionAbortedError("no answer to a C-STORE")
        return int(answer.Status)


def _after(chunks: Iterable[bytes], start: int) -> Iterator[memoryview]:
    """What comes after so many bytes."""
    for chunk in chunks:
        if start < len(chunk):
            yield memoryview(chunk)[start:]
        start = max(0, start - len(chunk))


def is_second(since: float) -> bool:
    """Whether a second has gone since: it is time to say how far it is."""
    return time.monotonic() - since >= 1
