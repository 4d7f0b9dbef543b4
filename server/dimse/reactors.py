"""An association that its socket drives: none of its threads polls, and a C-STORE's data set goes from the socket to its file.

pynetdicom 3.0 has two threads an association, each of which sleeps a millisecond whenever it has nothing to do, and a C-STORE's
command set passes three of its data sets. Here its threads, its state machine, its negotiation and all its other services stay;
what is overridden, and what that rests on, `tests/server/test_reactors.py` holds against the sources of the installed version.
"""

import queue
from io import BytesIO
from typing import Any

from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from mappings.dicom import commands
from mappings.dicom.commands import StoreRequest
from mappings.dicom.dimse_message import C_STORE_RSP, command
from server.dimse.associations import BoundedMessages, DepositAssociation
from server.dimse.gathered import Command, Gathered
from server.dimse.sockets import BoundedSocket
from server.dimse.upper_layer import UpperLayer

LOOK_SECONDS = 0.05
"""Time after which a thread that waits sees to what nobody wakes it for, as an abort of our own."""
_WHOLE_COMMAND = commands.COMMAND | commands.LAST
_ITEM_HEAD = 6  # length, presentation context and message control header (PS3.8 Table 9-23)
_ESTABLISHED = "Sta6"  # PS3.8 Table 9-5


class Values:
    """A P-DATA-TF PDU whose values are left where they came. Raises ValueError where it is none."""

    def __init__(self, pdu: bytearray) -> None:
        self._values: list[Any] = list(commands.data_values(memoryview(pdu)))

    def to_primitive(self) -> P_DATA:
        """As pynetdicom's."""
        primitive = P_DATA()
        primitive.presentation_data_value_list.extend(self._values)
        return primitive


class SocketUpperLayer(UpperLayer):
    """As pynetdicom's; while the association stands it waits for the socket, and sends P-DATA in the thread that has it."""

    _stood = False

    @property
    def stands(self) -> bool:
        """Whether the association is established and nobody ends it."""
        return self.state_machine.current_state == _ESTABLISHED

    def send_pdu(self, primitive: Any) -> None:
        """As its parent's, but P-DATA is sent when this returns."""
        if not isinstance(primitive, P_DATA) or not self.stands or not self.to_provider_queue.empty():
            super().send_pdu(primitive)
            return
        pdu = P_DATA_TF()
        pdu.from_primitive(primitive)
        self._send(pdu)

    def _is_transport_event(self) -> bool:
        """As its parent's, after waiting for the socket while the association stands."""
        if not self.stands:
            self._fall()
            return super()._is_transport_event()
        self._stood = True
        if not isinstance(self.socket, BoundedSocket) or not self.socket.wait(LOOK_SECONDS):
            return False
        self._read_pdu_data()
        return True

    def _fall(self) -> None:
        """Where it stood a moment ago, wake the association's thread."""
        if self._stood:
            self._stood = False
            self.assoc.dimse.msg_queue.put((None, None))

    def _decode_pdu(self, bytestream: bytearray) -> tuple[Any, str]:
        if bytestream[0] != commands.P_DATA_TF or not self.stands:
            return super()._decode_pdu(bytestream)
        return Values(bytestream), "Evt10"


class StoreMessages(BoundedMessages):
    """Takes a C-STORE whose command set is in one piece and usual by itself; every other message is pynetdicom's."""

    _request: StoreRequest | None = None
    """What the C-STORE-RQ said whose data set is coming."""

    def gather(self, primitive: P_DATA) -> None:
        """As its parent's; the values of one PDU may belong to several messages."""
        for context_id, value in primitive.presentation_data_value_list:
            control, fragment = value[0] & _WHOLE_COMMAND, memoryview(value)[1:]
            if self._request is not None and self.message is not None:
                self._add(self._request, self.message, context_id, control, fragment)
            elif self.message is not None or control != _WHOLE_COMMAND or not self._begin(context_id, fragment):
                super().gather(_data(context_id, bytes(value)))

    def _begin(self, context_id: int, command_set: memoryview) -> bool:
        self._request = request = commands.store_request(command_set)
        if request is None:
            return False
        said = Command(request.sop_class, request.sop_instance, self.syntax(context_id))
        self.message = DIMSEMessage()
        self.message.context_id, self.message.data_set = context_id, Gathered(lambda: said, self.open_spool)
        return True

    def _add(self, request: StoreRequest, message: DIMSEMessage, context_id: int, control: int, fragment: memoryview) -> None:
        """Write the next piece of its data set; between them nothing else may come (PS3.8 section E.1)."""
        if control & commands.COMMAND or context_id != message.context_id or message.data_set is None:
            self.end("not-its-data-set")
            return
        message.data_set.write(fragment)
        if control & commands.LAST:
            self.message = self._request = None
            self.msg_queue.put((context_id, _primitive(request, message.data_set)))

    def let_go(self) -> None:
        """As its parent's."""
        self._request = None
        super().let_go()

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT002 - as its parent's
        """As its parent's, but who would look again soon waits a little."""
        if block:
            return super().get_msg(block=True)
        try:
            return self.msg_queue.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return None, None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """As its parent's; a C-STORE-RSP is written without its data sets."""
        answer = _written(primitive) if isinstance(primitive, C_STORE) and primitive.MessageIDBeingRespondedTo else None
        if answer is None or 0 < self.maximum_pdu_size < len(answer) + _ITEM_HEAD:
            super().send_msg(primitive, context_id)
            return
        self.dul.send_pdu(_data(context_id, bytes([_WHOLE_COMMAND]) + answer))


class SocketAssociation(DepositAssociation):
    """As its parent, but waiting for what comes; one C-STORE after another is served without a pause."""

    upper_layer, messages = SocketUpperLayer, StoreMessages

    def _serve_request(self, msg: Any, context_id: Any) -> None:
        super()._serve_request(msg, context_id)
        while isinstance(msg, C_STORE) and self.is_established and self._reactor_checkpoint.is_set():
            context_id, msg = self.dimse.get_msg()
            if msg is not None:
                super()._serve_request(msg, context_id)


def _data(context_id: int, value: bytes) -> P_DATA:
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((context_id, value))
    return primitive


def _primitive(request: StoreRequest, data_set: BytesIO) -> C_STORE:
    """What is served, once it is whole."""
    made = C_STORE()
    made.MessageID, made.Priority = request.message_id, request.priority
    made.AffectedSOPClassUID, made.AffectedSOPInstanceUID = request.sop_class, request.sop_instance
    made.DataSet = data_set
    return made


def _written(response: Any) -> bytes:
    return command(
        C_STORE_RSP,
        data_set=False,
        sop_class=response.AffectedSOPClassUID,
        responded_to=response.MessageIDBeingRespondedTo,
        status=response.Status,
        comment=response.ErrorComment,
        sop_instance=response.AffectedSOPInstanceUID,
    )
