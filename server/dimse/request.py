"""A question on an established association: who asks it, by now; what it asks; and how it is answered, or fails (PS3.4 §C.4)."""

import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from types import MappingProxyType
from typing import Any

from mappings import failures as f
from mappings.dicom.dimse import NOT_AUTHORISED, OUT_OF_RESOURCES, SUCCESS, Status
from mappings.dicom.dimse_message import command
from mappings.dicom.identifier import LEVELS, MOST_BYTES, Identifier, read_identifier
from mappings.failures import Failure, Forbidden, Unauthenticated
from mappings.smart import allows
from server.dimse.wire import Wire
from server.usecases.identify import identify
from server.usecases.runtime import Caller, Runtime

log = logging.getLogger("accord.dimse")

CANCELLED, PENDING, PENDING_UNMATCHED = 0xFE00, 0xFF00, 0xFF01
UNABLE, NO_MATCH_OF_CLASS, UNKNOWN_DESTINATION, SOME_FAILED = 0xC000, 0xA900, 0xA801, 0xB000
GONE = 0xC112
"""What is retrieved was stopped or withdrawn: *unable to process*, since 0112 (no such SOP Instance) is no status of a C-GET."""
NONE_SENT = 0xA702
NO_COUNTS: Mapping[str, int] = MappingProxyType({})
_PATIENT_ROOT, _STUDY_ROOT = tuple(LEVELS), tuple(LEVELS)[1:]
# PS3.4 §C.6.1, §C.6.2; by class, the levels that may be asked
_R = "1.2.840.10008.5.1.4.1.2."
FIND = {f"{_R}1.1": _PATIENT_ROOT, f"{_R}2.1": _STUDY_ROOT}
MOVE = {f"{_R}1.2": _PATIENT_ROOT, f"{_R}2.2": _STUDY_ROOT}
GET = {f"{_R}1.3": _PATIENT_ROOT, f"{_R}2.3": _STUDY_ROOT}

# PS3.4 Tables C.4-1 to C.4-3; the comment is the kind's, and its rule's code, never the failure's own sentence (but of a stop)
_REFUSALS: tuple[tuple[type[Failure], int, str], ...] = (
    (Unauthenticated, NOT_AUTHORISED, "Not for this caller"),
    (Forbidden, NOT_AUTHORISED, "Not for this caller"),
    (f.Invalid, NO_MATCH_OF_CLASS, "The identifier can't be answered"),
    (f.NotFound, UNKNOWN_DESTINATION, "Not known here"),
    (f.TooBroad, OUT_OF_RESOURCES, "Too broad; narrow it"),
    (f.TooLarge, NONE_SENT, "Too much at once; narrow it"),
    (f.Unavailable, NONE_SENT, "It can't be sent now"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of an association, with the context that it came under."""

    association: Any
    message: Any
    context: Any
    field: int
    levels: Sequence[str]

    @property
    def runtime(self) -> Runtime:
        """The Accord that is asked."""
        runtime: Runtime = self.association.deposit.runtime
        return runtime

    @property
    def calling(self) -> str:
        """The AE title that asks."""
        return str(self.association.deposit.titles.calling)

    @property
    def is_cancelled(self) -> bool:
        """Whether its asker wants no more of it (C-CANCEL)."""
        return self.message.MessageID in self.association.dimse.cancel_req

    def caller(self, scope: str) -> Caller:
        """Who asks, as it is registered by now: an association may stay open for days. Raises Unauthenticated or Forbidden."""
        caller = identify(self.runtime, self.association.deposit.titles)
        if not allows(caller.scopes, scope):
            raise Forbidden("insufficient-scope", f"The client lacks a scope that covers {scope}.", scope)
        return caller

    def identifier(self) -> Identifier:
        """What it asks. Raises Invalid."""
        return read_identifier(self.message.Identifier.read_message(MOST_BYTES), self.syntax, self.levels)

    @property
    def syntax(self) -> str:
        """The transfer syntax of its identifier, and of those that answer it."""
        return str(self.context.transfer_syntax[0])

    def response(self, status: Status, *, data_set: bool = False, counts: Mapping[str, int] = NO_COUNTS) -> bytes:
        """The command set of a response to it."""
        named = {"sop_class": str(self.context.abstract_syntax), "responded_to": self.message.MessageID}
        return command(self.field, data_set=data_set, **named, status=status.code, comment=status.comment, **counts)

    @property
    def extended(self) -> bytes:
        """What was negotiated of its SOP class, a byte each (PS3.4 §C.5.1.1)."""
        return bytes(self.association.extended.get(str(self.context.abstract_syntax), b""))

    def end(self, wire: Wire, done: "Done") -> None:
        """Send its last response, where something failed with the identifier that says what."""
        told = done.failed if done.counts.get("failed") else None
        wire.put(self.context.context_id, self.response(done.status, data_set=told is not None, counts=done.counts), told)
        wire.flush()


@dataclass(frozen=True, slots=True)
class Done:
    """What a request came to: its last response's status, counts and list of what failed, and what the log says beside."""

    status: Status
    counts: Mapping[str, int] = default(default_factory=dict)
    failed: bytes | None = None
    told: Mapping[str, int] = default(default_factory=dict)


DONE = Status(SUCCESS)


def answer(asked: Request, service: str, perform: Callable[[Request, Wire], Done]) -> None:
    """Answer a request to its last response; whatever fails becomes its status. Who does not read is cut off."""
    began, wire = time.monotonic(), Wire(asked.association)
    try:
        done = perform(asked, wire)
        asked.end(wire, done)
    except OSError:
        wire.cut()
        return
    except Exception as error:  # noqa: BLE001 - the caller gets an answer
        done = Done(refusal(error))
        asked.end(wire, done)
    spent = round(1000 * (time.monotonic() - began), 1)
    said = {"service": service, "calling": asked.calling, "status": f"{done.status.code:04X}", **done.counts, **done.told}
    log.info("answered", extra={**said, "ms": spent})


def refusal(error: Exception) -> Status:
    """The status of what failed."""
    if isinstance(error, f.Gone):
        return Status(GONE, error.sentence[:64])
    for kind, code, comment in _REFUSALS:
        if isinstance(error, kind):
            return Status(code, f"{comment}: {error.code}"[:64])
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "request failed", extra={"cause": type(error).__name__, "at": f"{place.name}:{place.lineno}"}
    )  # its text may hold a value
    return Status(UNABLE, "Processing failed; the operator's log says where")
