"""Bounds what a peer can make an association do (object size, command set, messages waiting), and ends its deposit.

Subclasses of pynetdicom 3.0's own parts, whose insides they know: the version is pinned, and `tests/server/test_dimse.py` sends
what each bound refuses.
"""

import contextlib
import logging
import queue
import socket
from collections.abc import Callable, Mapping, MutableSequence
from functools import partial
from typing import Any

from pynetdicom import evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.timer import Timer

from adapters.spool import Spool
from server.dimse.gathered import Command, Gathered, Gathering
from server.dimse.sockets import PDU_SECONDS
from server.dimse.store import Deposit
from server.dimse.upper_layer import UpperLayer
from server.dimse.wire import Wire
from server.shares import Shares

_LOG = logging.getLogger("accord.dimse")

MAXIMUM_PDU = 131072  # what we announce: what dcmtk sends at most, and quicker than anything larger
IDLE_SECONDS, SCARCE_SECONDS = 300, 30
_COMMAND_BYTES = 1 << 16
_WAITING = 1  # no asynchronous operations are negotiated (PS3.7 §D.3.3.3)


class BoundedMessages(DIMSEServiceProvider):
    """Gathers a message of bounded size, and lets one wait behind the one that is served."""

    limit: int
    gathering: Gathering
    open_spool: Callable[[Callable[[memoryview], None]], Spool]

    def receive_primitive(self, primitive: P_DATA) -> None:
        """As pynetdicom's; past a bound the association is aborted and what was gathered let go."""
        try:
            self.gather(primitive)
            reason = self._excess()
        except Exception:  # noqa: BLE001 - what a stranger's command set makes its decoder raise would end the thread that reads
            reason = "no-message"
        if reason:
            self.end(reason)

    def gather(self, primitive: P_DATA) -> None:
        """Add what has come to its message; one that is whole waits to be served."""
        if self.message is None:
            self.message = DIMSEMessage()
            self.message.data_set = Gathered(partial(self._command, self.message), self.open_spool)
        super().receive_primitive(primitive)

    def end(self, reason: str) -> None:
        """Let go of what was gathered, and abort the association."""
        _LOG.warning("association aborted", extra={"reason": reason, "limit": self.limit})
        self.let_go()
        self.dul.event_queue.put("Evt19")  # an invalid PDU: A-ABORT by the provider (PS3.8 Table 9-10, AA-8)

    def _excess(self) -> str | None:
        if self.msg_queue.qsize() > _WAITING:
            return "too-many-waiting"
        if self.message is None:
            return None
        if self.message.encoded_command_set.tell() > _COMMAND_BYTES:
            return "command-too-large"
        data = self.message.data_set
        if not isinstance(data, Gathered):
            return None
        if data.tell() > self.limit:
            return "object-too-large"
        return None if self.gathering.hold(self, data.in_memory) else "memory-full"

    def _command(self, message: DIMSEMessage) -> Command:
        said = message.command_set
        uids = _uid(said.get("AffectedSOPClassUID")), _uid(said.get("AffectedSOPInstanceUID"))
        return Command(*uids, self.syntax(message.context_id or 0))

    def syntax(self, context_id: int) -> str:
        """The transfer syntax of a presentation context; empty where it was not accepted."""
        context = self.assoc._accepted_cx.get(context_id)  # noqa: SLF001 - as its parent asks
        return str(context.transfer_syntax[0]) if context and context.transfer_syntax else ""

    def let_go(self) -> None:
        """Let go of what has come and is not served."""
        self.gathering.hold(self, 0)
        if self.message is not None and self.message.data_set is not None:
            self.message.data_set.close()
        self.message = None
        with contextlib.suppress(queue.Empty):
            while True:
                _, primitive = self.msg_queue.get_nowait()
                if isinstance(primitive, C_STORE) and primitive.DataSet is not None:
                    primitive.DataSet.close()


class IdleTimer(Timer):
    """How long an association may say nothing: shorter while places for associations are scarce."""

    def __init__(self, places: Shares) -> None:
        super().__init__(IDLE_SECONDS)
        self._places = places

    @property
    def expired(self) -> bool:
        """Whether it has said nothing for that long."""
        self.timeout = SCARCE_SECONDS if self._places.scarce else IDLE_SECONDS
        return super().expired


class DepositAssociation(Association):
    """An acceptor whose deposit is closed exactly once, in its own thread, however the association ended."""

    upper_layer: type[UpperLayer] = UpperLayer
    messages: type[BoundedMessages] = BoundedMessages

    def __init__(self, ae: ApplicationEntity, deposit: Deposit, gathering: Gathering, idle: IdleTimer) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self.dul: UpperLayer = self.upper_layer(self)
        self.acse_timeout = ae.acse_timeout  # its parent told the one that it had made
        self.idle = self.dul._idle_timer = idle  # noqa: SLF001 - where its reactor looks
        self.deposit = deposit
        self.certificate: frozenset[str] = frozenset()
        self.extended: Mapping[str, bytes] = {}
        self.services: Mapping[type, Callable[[Any, Any, Any], None]] = {}
        self.ending = contextlib.ExitStack()
        self.dimse: BoundedMessages = self.messages(self)
        self.dimse.gathering, self.dimse.open_spool = gathering, deposit.open_spool
        self.dimse.limit = deposit.limit
        self.bind(evt.EVT_CONN_CLOSE, _woken)

    def run_reactor(self) -> None:
        """Serve until release, abort, time-out or loss of the connection."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - else it would stay open without a thread
            _LOG.error("association failed", extra={"cause": type(error).__name__})
            self.dul.lose()
        finally:
            self.dimse.let_go()
            self.deposit.close()
            self.ending.close()

    def _run_reactor(self) -> None:
        """As pynetdicom's, once it is established: whoever was admitted may be slower than a stranger."""
        if self.dul.socket is not None and self.dul.socket.socket is not None:
            with contextlib.suppress(OSError):  # who asked for it has gone
                self.dul.socket.socket.settimeout(PDU_SECONDS)
        super()._run_reactor()

    def hold(self, shares: Shares, holder: str) -> bool:
        """Take a place of these until it ends, where this holder may have one."""
        if taken := shares.take(holder):
            self.ending.callback(shares.give, holder)
        return taken

    def _serve_request(self, msg: Any, context_id: int) -> None:
        """As pynetdicom's, but a C-STORE whose command names an unknown class gets an answer, not an abort."""
        context = self._accepted_cx.get(context_id)
        try:
            if (serve := self.services.get(type(msg))) is not None:
                self._serve(serve, msg, context)
            elif isinstance(msg, C_STORE) and msg.is_valid_request and context is not None:
                StorageServiceClass(self).SCP(msg, context)
            else:
                super()._serve_request(msg, context_id)
        finally:
            self.dimse.gathering.hold(self.dimse, 0)
            self.idle.restart()  # while it was served, it was we who said nothing

    def _serve(self, serve: Callable[[Any, Any, Any], None], msg: Any, context: Any) -> None:
        """Serve what its context is for; anything else is no DICOM, and ends it. Who has gone by the answer hears none."""
        self.dimse.cancel_req = {}  # of what was served before
        if context is None or not msg.is_valid_request or named(msg) != context.abstract_syntax:
            self.abort()
            return
        try:
            serve(self, msg, context)
        except OSError:  # else its thread would die and leave the connection open
            Wire(self).cut()

    def cut(self) -> None:
        """End it now: by A-ABORT, or by closing the connection of one that is not established."""
        if self.is_established:
            self.abort()
        elif self.dul.socket is not None and self.dul.socket.socket is not None:
            with contextlib.suppress(OSError):
                self.dul.socket.socket.shutdown(socket.SHUT_RDWR)


def named(msg: Any) -> str | None:
    """The SOP Class that a request names (PS3.7 §9.1, §10.1)."""
    return getattr(msg, "AffectedSOPClassUID", None) or getattr(msg, "RequestedSOPClassUID", None)


def _uid(value: Any) -> str:
    """A UID as the file meta can hold it, the first where there are several; an illegal one stays illegal, and is judged."""
    first = value[0] if isinstance(value, MutableSequence) else value
    return str(first or "").encode("ascii", "replace").decode()


def _woken(event: evt.Event) -> None:
    """EVT_CONN_CLOSE: who leaves without asking for an association holds no thread until the time-out."""
    association: Any = event.assoc
    if association.requestor.primitive is None:
        association.dul.to_user_queue.put(None)
