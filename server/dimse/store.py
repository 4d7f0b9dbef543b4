"""Takes C-STOREs: an association is a deposit, whose batch opens with its first object and closes when the association ends."""

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from adapters.slots import Slots
from adapters.spool import Spool
from consent.deposit import Code, Finding
from mappings.dicom import dimse
from mappings.dicom.dimse import Status, status_for
from mappings.failures import Failure, Forbidden
from server import faults
from server.dimse.gathered import Gathered
from server.shares import Shares
from server.usecases.admission import MEGABYTE, check_room
from server.usecases.association import Noticed
from server.usecases.batch import Batch, close_batch, open_batch, sender_origin
from server.usecases.identify import AeTitle, Rejection, identify, is_registered
from server.usecases.runtime import Caller, Runtime
from server.usecases.take import refuse, take

_LOG = logging.getLogger("accord.dimse")

# A-ASSOCIATE-RJ: result, source, reason (PS3.8 Table 9-21)
_REJECTIONS: dict[str, tuple[int, int, int]] = {
    Rejection.UNKNOWN_CALLED: (1, 1, 7),
    Rejection.UNKNOWN_CALLING: (1, 1, 3),
    Rejection.OTHER_CERTIFICATE: (1, 1, 3),
}
_LATER = (2, 1, 1)
LOCAL_LIMIT = (2, 3, 2)


class Deposit:
    """What one association brings. It belongs to the association's thread."""

    def __init__(self, runtime: Runtime, noticed: Noticed) -> None:
        self.runtime, self._noticed = runtime, noticed
        self.caller: Caller | None = None
        self.titles = AeTitle("", "", "")
        self.batch: Batch | None = None
        self.statuses: Counter[str] = Counter()
        self.began = time.monotonic()

    def admit(self, titles: AeTitle) -> tuple[int, int, int] | None:
        """None where the sender is known, else (result, source, reason) of the rejection; transient where nobody could look."""
        try:
            self.caller, self.titles = identify(self.runtime, titles), titles
        except Exception as error:  # noqa: BLE001 - a rejection must be sent whatever failed
            reason = _named(error)
            shown = min(titles.certificate, key=len, default=None)  # its fingerprint, of which its other names are longer
            names = {"peer": titles.address, "calling": titles.calling, "called": titles.called, "certificate": shown}
            _LOG.warning("association rejected", extra={"reason": reason, **names})
            self._noticed.add(titles, reason)
            return _REJECTIONS.get(reason, _LATER)
        self._noticed.add(titles)
        return None

    @property
    def limit(self) -> int:
        """Bytes of the largest object that is taken."""
        return self.runtime.settings.max_object_mb * MEGABYTE

    def open_spool(self, done: Callable[[memoryview], None]) -> Spool:
        """Where an object waits until it is whole."""
        return Spool(self.runtime.settings.data_dir, self.limit, done, lambda: check_room(self.runtime, 0))

    def take(self, abstract_syntax: str, gathered: Gathered) -> Status:
        """Keep one object that came in a context of this SOP class; whatever fails becomes a status."""
        began, size = time.monotonic(), gathered.tell()
        try:
            status, rule = self._judged(abstract_syntax, gathered)
        except Exception as error:  # noqa: BLE001 - the sender gets an answer, and the next object its chance
            fault = faults.fault(error)
            status, rule = Status(fault.dimse, fault.comment), _named(error)
        self.statuses[f"{status.code:04X}"] += 1
        spent = round(1000 * (time.monotonic() - began), 1)
        result = {"batch": self.key, "status": f"{status.code:04X}", "rule": rule, "bytes": size, "ms": spent}
        _LOG.info("C-STORE", extra=result)
        return status

    def _judged(self, abstract_syntax: str, gathered: Gathered) -> tuple[Status, str]:
        command, dataset, file = gathered.whole()
        check_room(self.runtime, len(dataset))
        self._still_registered()
        given = (self.runtime, self._batch(), f"{command.sop_instance}.dcm", file)
        agrees = command.sop_class == abstract_syntax and dimse.agrees(dataset, *command)
        result = take(*given) if agrees else refuse(*given, Finding(Code.COMMAND_DISAGREES, ""))
        return status_for(result.rule, result.outcome), result.rule

    def _still_registered(self) -> None:
        """An association may be kept open for ever by echoes: who was removed meanwhile stores nothing more."""
        if identify(self.runtime, self.titles) != self.caller:
            raise Forbidden("sender-removed", "This sender may not store here any more.")

    def _batch(self) -> Batch:
        if self.batch is None:
            if self.caller is None:
                raise RuntimeError("no sender was admitted")
            self.batch = open_batch(self.runtime, sender_origin(self.caller))
        return self.batch

    def close(self) -> None:
        """Close the batch, if one was opened; where that fails now, its quiet time closes it."""
        failure = None
        try:
            if self.batch is not None:
                close_batch(self.runtime, self.batch.id)
        except Exception as error:  # noqa: BLE001 - the thread ends here
            failure = _named(error)
        if self.caller is not None:
            names = {"dataset": self.titles.called, "calling": self.titles.calling, "peer": self.titles.address}
            spent = round(time.monotonic() - self.began, 1)
            result = {"batch": self.key, "statuses": dict(self.statuses), "failure": failure, "seconds": spent}
            _LOG.info("association ended", extra={**names, **result})

    @property
    def key(self) -> str | None:
        """The batch's key, once it is open, for the log."""
        return None if self.batch is None else self.batch.key


def registered(runtime: Runtime, address: str, certificate: frozenset[str]) -> bool:
    """Whether somebody is registered who calls from this address, or shows this; nobody is while nobody can look."""
    try:
        return is_registered(runtime, address, certificate)
    except Exception as error:  # noqa: BLE001 - whoever it is will hear of it when it is identified
        _LOG.warning("address unknown", extra={"reason": _named(error)})
        return False


def admitted(event: Event, senders: Shares) -> None:
    """EVT_REQUESTED: turn away who is not registered, or has its share of associations, before any context is negotiated."""
    association: Any = event.assoc
    request, address = association.requestor.primitive, association.requestor.address
    titles = AeTitle(request.called_ae_title, request.calling_ae_title, address, association.certificate)
    refusal = association.deposit.admit(titles)
    if refusal is None and not (
        _within_its_own(association) and association.hold(senders, association.deposit.caller.subject.id)
    ):
        refusal = LOCAL_LIMIT
    if refusal:
        association.acse.send_reject(*refusal)
        association.kill()  # waits until the rejection is out


def _within_its_own(association: Any) -> bool:
    """Whether its AE title may have this association too, in whichever process its others are; its place is its until it ends."""
    deposit: Deposit = association.deposit
    if deposit.caller is None or deposit.caller.associations is None:
        return True
    slots = Slots(deposit.runtime.settings.data_dir / "associations")
    try:
        give = slots.take(f"{deposit.titles.called}\\{deposit.titles.calling}", deposit.caller.associations)
    except OSError as error:
        _LOG.warning("no slots", extra={"cause": type(error).__name__})
        return False
    if give is None:
        _LOG.warning("association rejected", extra={"reason": "its-own-limit", "calling": deposit.titles.calling})
        return False
    association.ending.callback(give)
    return True


def stored(event: Event) -> Dataset | int:
    """EVT_C_STORE: the encoded data set, never decoded on the way, and the status of what became of it."""
    association: Any = event.assoc
    if not isinstance(event.request, C_STORE):
        return dimse.UNRECOGNISED  # pynetdicom asks here about any message that names a storage class
    request: Any = event.request
    with request.DataSet as gathered:  # let go of when its answer is known
        return _response(association.deposit.take(event.context.abstract_syntax, gathered))


def _response(status: Status) -> Dataset | int:
    if not status.comment:
        return status.code
    response = Dataset()
    response.Status, response.ErrorComment = status.code, status.comment
    return response


def _named(error: Exception) -> str:
    """A failure's code; for anything else its class and place: its text may hold a value."""
    if isinstance(error, Failure):
        return error.code
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}@{place.name}:{place.lineno}"
