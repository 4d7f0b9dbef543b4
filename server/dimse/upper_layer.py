"""An association's state machine in its thread: what a stranger's PDU makes it raise ends the association, not the thread alone.

pynetdicom's thread dies of what no state or primitive has a place for, and leaves the connection open behind it.
"""

import logging
from typing import Any

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE

VALUE_HEAD = 6
"""Bytes of a P-DATA-TF before those of its first value (PS3.8 section 9.3.5)."""
_LOG = logging.getLogger("accord.dimse")


class UpperLayer(DULServiceProvider):
    """As pynetdicom's."""

    def run_reactor(self) -> None:
        """As its parent's, to its end or that of the association."""
        try:
            super().run_reactor()
        except Exception as error:  # noqa: BLE001 - as where nothing may come any more, and something does
            _LOG.warning("association lost", extra={"cause": type(error).__name__})  # its text may hold what came
            self.lose()

    def lose(self) -> None:
        """End the association as pynetdicom does of its own errors, and wake who waits for it."""
        self.kill_dul()
        association: Any = self.assoc
        association.is_aborted, association.is_established, association._kill = True, False, True  # noqa: SLF001
        if self.socket is not None:
            self.socket.close()
        association.dul.to_user_queue.put(None)
        association.dimse.msg_queue.put((None, None))

    def _decode_pdu(self, bytestream: bytearray) -> tuple[Any, str]:
        """As its parent's. What no primitive can be made of is no PDU: it is answered by A-ABORT (PS3.8 Table 9-10, AA-8)."""
        pdu, event = super()._decode_pdu(bytestream)
        if not isinstance(pdu, P_DATA_TF):  # of which one can always be made
            _check(pdu.to_primitive())
        return pdu, event


def _check(primitive: Any) -> None:
    """Raise ValueError for a request that pynetdicom's negotiation, or its first answer, would stumble over."""
    if not isinstance(primitive, A_ASSOCIATE):
        return
    contexts = primitive.presentation_context_definition_list
    if not all(each.abstract_syntax and each.transfer_syntax for each in contexts):
        raise ValueError("a presentation context without its syntaxes")
    if 0 < (primitive.maximum_length_received or 0) <= VALUE_HEAD:
        raise ValueError("no room for a byte in a PDU")
