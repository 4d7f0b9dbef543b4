"""Bounds what a peer can make an association do (PDU length and time, object size, messages waiting), and ends its deposit.

Subclasses of pynetdicom 3.0's own parts, whose insides they know: the version is pinned, and `tests/server/test_dimse.py` sends
what each bound refuses.
"""

import logging
import socket
import time

from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket

from server.dimse.store import Deposit

_LOG = logging.getLogger(__name__)

MAXIMUM_PDU = 131072  # what we announce: what dcmtk sends at most, and quicker than anything larger
LONGEST_PDU = 1 << 20  # what we bear: an A-ASSOCIATE-RQ of 128 contexts with every syntax is half of it
PDU_SECONDS = 60
_COMMAND_BYTES = 1 << 16
_WAITING = 1  # no asynchronous operations are negotiated (PS3.7 §D.3.3.3)
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class BoundedSocket(AssociationSocket):
    """Reads a PDU of bounded length in bounded time, and acknowledges it at once."""

    def recv(self, nr_bytes: int) -> bytearray:
        """The next bytes, fewer where the peer closed. Raises OSError, which closes the connection, past a bound."""
        if self.socket is None or nr_bytes > LONGEST_PDU:
            raise OSError("PDU too long")
        received = bytearray(nr_bytes)
        with memoryview(received) as view:
            count = self._fill(self.socket, view)
        del received[count:]
        if _QUICKACK is not None:
            # a sender with Nagle's algorithm on waits 40 ms an object for a delayed acknowledgement; Linux forgets the option
            self.socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return received

    @staticmethod
    def _fill(source: socket.socket, view: memoryview) -> int:
        count, until = 0, time.monotonic() + PDU_SECONDS
        while count < len(view):
            got = source.recv_into(view[count:])
            if not got:
                break
            count += got
            if time.monotonic() > until:
                raise TimeoutError("PDU too slow")
        return count


class BoundedMessages(DIMSEServiceProvider):
    """Gathers a message of bounded size, and lets one wait behind the one that is served."""

    limit: int

    def receive_primitive(self, primitive: P_DATA) -> None:
        """As pynetdicom's; past a bound the association is aborted and what was gathered let go."""
        super().receive_primitive(primitive)
        reason = self._excess()
        if reason:
            _LOG.warning("association aborted reason=%s limit=%d", reason, self.limit)
            self.message = None
            self.dul.event_queue.put("Evt19")  # an invalid PDU: A-ABORT by the provider (PS3.8 Table 9-10, AA-8)

    def _excess(self) -> str | None:
        if self.msg_queue.qsize() > _WAITING:
            return "too-many-waiting"
        if self.message is None:
            return None
        if self.message.encoded_command_set.tell() > _COMMAND_BYTES:
            return "command-too-large"
        data = self.message.data_set
        return "object-too-large" if data is not None and data.tell() > self.limit else None


class DepositAssociation(Association):
    """An acceptor whose deposit is closed exactly once, in its own thread, however the association ended."""

    def __init__(self, ae: ApplicationEntity, deposit: Deposit, limit: int) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self.deposit = deposit
        self.dimse = BoundedMessages(self)
        self.dimse.limit = limit

    def run_reactor(self) -> None:
        """Serve until release, abort, time-out or loss of the connection."""
        try:
            super().run_reactor()
        finally:
            self.deposit.close()
