"""Which services an association is offered: queries by who calls the repository, storage by who calls a dataset."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from pynetdicom import AllStoragePresentationContexts, build_context
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE, N_ACTION
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from mappings.dicom.commitment import PUSH_MODEL
from mappings.dicom.dimse import LITTLE_ENDIAN, NOT_AUTHORISED, TRANSFER_SYNTAXES
from mappings.dicom.dimse_message import C_STORE_RSP, command
from mappings.dicom.identifier import agree_find, agree_retrieve
from server.dimse.commitment import commit
from server.dimse.find import find
from server.dimse.request import FIND, GET, MOVE
from server.dimse.retrieve import get, move
from server.dimse.wire import Wire

Serve = Callable[[Any, Any, Any], None]


def query_contexts() -> list[PresentationContext]:
    """What the repository's AE understands: verification, queries, and every storage class where the peer is its SCP (C-GET)."""
    storage = [build_context(str(c.abstract_syntax), list(TRANSFER_SYNTAXES)) for c in AllStoragePresentationContexts]
    for context in storage:
        context.scu_role, context.scp_role = False, True
    return [build_context(Verification), *(build_context(model, LITTLE_ENDIAN) for model in (*FIND, *GET, *MOVE)), *storage]


def _stored_nowhere(association: Any, message: Any, context: Any) -> None:
    """Storage is each dataset's own: who stores without naming one is told so (PS3.7 Annex C)."""
    named = {"sop_class": str(context.abstract_syntax), "sop_instance": str(message.AffectedSOPInstanceUID)}
    answer = {"responded_to": message.MessageID, "status": NOT_AUTHORISED, "comment": "Call the dataset's AE title to store"}
    message.DataSet.close()
    Wire(association).send(context.context_id, command(C_STORE_RSP, data_set=False, **named, **answer))


def _of(classes: Container[str], serve: Serve) -> Serve:
    """As it is served under a context of one of these classes; under any other it is no DICOM, and ends the association."""

    def served(association: Any, message: Any, context: Any) -> None:
        if str(context.abstract_syntax) in classes:
            serve(association, message, context)
        else:
            association.abort()

    return served


QUERIES: Mapping[type, Serve] = {
    C_FIND: _of(FIND, find),
    C_GET: _of(GET, get),
    C_MOVE: _of(MOVE, move),
    C_STORE: _stored_nowhere,
}
"""Request → what serves it, at the repository's AE."""

STORAGE: Mapping[type, Serve] = {N_ACTION: commit}
"""The same, beside C-STORE, at a dataset's AE."""


def commitment_context() -> PresentationContext:
    """Storage Commitment, which is asked for where objects are sent."""
    return build_context(PUSH_MODEL, LITTLE_ENDIAN)


_AGREED = dict.fromkeys(FIND, agree_find) | dict.fromkeys((*GET, *MOVE), agree_retrieve)


def agreed(event: Any) -> dict[str, bytes]:
    """EVT_SOP_EXTENDED: of what is asked for of a query's SOP class what is done (PS3.7 §D.3.3.5)."""
    association = event.assoc
    asked = {str(uid): said for uid, said in event.app_info.items()}
    association.extended = {uid: _AGREED[uid](said) for uid, said in asked.items() if uid in _AGREED and said}
    return dict(association.extended)


def offered(event: Event, contexts: list[PresentationContext]) -> None:
    """EVT_REQUESTED, once it was admitted: who calls the repository is offered queries, whatever else it proposes."""
    association: Any = event.assoc
    caller = association.deposit.caller
    if caller is None:
        return
    association.services = STORAGE if caller.registration else QUERIES
    if caller.registration is None:
        association.acceptor.supported_contexts = contexts
