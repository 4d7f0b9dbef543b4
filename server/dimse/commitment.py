"""Takes Storage Commitment requests of registered senders (N-ACTION, PS3.4 §J.3.2); the report comes later, from us."""

from typing import Any

from mappings.dicom.commitment import MOST_BYTES, PUSH_MODEL_INSTANCE, read_request
from mappings.dicom.dimse import NOT_AUTHORISED, SUCCESS
from mappings.dicom.dimse_message import N_ACTION_RSP, command
from mappings.failures import Failure, Forbidden, Invalid, Throttled, TooLarge, Unauthenticated
from server.dimse.request import log
from server.dimse.wire import Wire
from server.usecases.commitment import ask
from server.usecases.identify import identify

_REQUEST = 1
# PS3.7 Annex C
_NO_INSTANCE, _NO_ACTION, _FAILED = 0x0112, 0x0123, 0x0110
_STATUS: dict[type[Failure], int] = {
    Unauthenticated: NOT_AUTHORISED,
    Forbidden: NOT_AUTHORISED,
    Invalid: 0x0115,  # invalid argument value
    TooLarge: 0x0213,  # resource limitation
    Throttled: 0x0213,
}


def commit(association: Any, message: Any, context: Any) -> None:
    """Answer one N-ACTION."""
    status, code = _taken(association, message, context)
    named = {"sop_class": str(context.abstract_syntax), "sop_instance": str(message.RequestedSOPInstanceUID)}
    answer = {"responded_to": message.MessageID, "status": status, "action_type": message.ActionTypeID, "comment": code}
    Wire(association).send(context.context_id, command(N_ACTION_RSP, data_set=False, **named, **answer))
    log.info("N-ACTION", extra={"calling": association.deposit.titles.calling, "status": f"{status:04X}", "rule": code})


def _taken(association: Any, message: Any, context: Any) -> tuple[int, str]:
    """(status, rule)."""
    if message.RequestedSOPInstanceUID != PUSH_MODEL_INSTANCE:
        return _NO_INSTANCE, ""
    if message.ActionTypeID != _REQUEST:
        return _NO_ACTION, ""
    deposit = association.deposit
    try:
        caller = identify(deposit.runtime, deposit.titles)
        if caller.registration is None:
            return NOT_AUTHORISED, ""
        told = message.ActionInformation
        request = read_request(b"" if told is None else told.read_message(MOST_BYTES), str(context.transfer_syntax[0]))
        ask(deposit.runtime, caller.registration, request)
    except Failure as failure:
        return _STATUS.get(type(failure), _FAILED), failure.code
    except Exception as error:  # noqa: BLE001 - the sender gets an answer
        return _FAILED, type(error).__name__
    return SUCCESS, ""
