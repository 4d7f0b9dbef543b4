"""Answers C-GET and C-MOVE (PS3.4 §C.4.2, §C.4.3): what HTTP delivers too, by the same decision and record, as C-STOREs.

A C-GET's objects go to who asks, a C-MOVE's to an application entity of its organisation. Each is counted by its answer; what
can't be sent as it is stored is sent in another transfer syntax where that loses nothing, and has failed else.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from adapters.sql.instances import StoredInstance
from mappings.dicom.dimse import Status
from mappings.dicom.dimse_message import C_GET_RSP, C_MOVE_RSP
from mappings.dicom.identifier import failed_list, read_selection
from mappings.failures import Failure
from server.dimse.destination import Destination
from server.dimse.request import CANCELLED, DONE, GET, MOVE, NONE_SENT, PENDING, SOME_FAILED, Done, Request, answer, log
from server.dimse.suboperations import Stores, Tally, is_second
from server.dimse.wire import Wire
from server.usecases.convert import File
from server.usecases.identify import destined
from server.usecases.peering import called_by
from server.usecases.retrieve import Plan, Planned, files, plan
from server.usecases.runtime import Caller

_Store = Callable[[StoredInstance, Iterable[bytes]], int | None]
_SCOPE = "ImagingStudy.r"


def get(association: Any, message: Any, context: Any) -> None:
    """Answer one C-GET, to its last response."""
    answer(Request(association, message, context, C_GET_RSP, GET[str(context.abstract_syntax)]), "C-GET", _get)


def move(association: Any, message: Any, context: Any) -> None:
    """Answer one C-MOVE, to its last response."""
    answer(Request(association, message, context, C_MOVE_RSP, MOVE[str(context.abstract_syntax)]), "C-MOVE", _move)


def _get(asked: Request, wire: Wire) -> Done:
    caller = asked.caller(_SCOPE)
    planned = plan(asked.runtime, caller, read_selection(asked.identifier()))
    return _perform(asked, wire, caller, planned, Stores(asked.runtime, asked.association).store)


def _move(asked: Request, wire: Wire) -> Done:
    caller, entity = destined(asked.runtime, asked.caller(_SCOPE), str(asked.message.MoveDestination).strip())
    planned = plan(asked.runtime, caller, read_selection(asked.identifier()))
    objects = [o for each in planned.studies for o in each.objects]
    tls, originator = called_by(asked.runtime, entity), (asked.calling, asked.message.MessageID)
    with closing(Destination(asked.runtime, entity, objects, originator, tls)) as destination:
        return _perform(asked, wire, caller, planned, destination.store)


def _perform(asked: Request, wire: Wire, caller: Caller, planned: Plan, store: _Store) -> Done:
    """Send each object, saying every second how far it is."""
    tally, told = Tally(o.sop_uid for each in planned.studies for o in each.objects), time.monotonic()
    broken: list[str] = []
    for located, chunks in _files(asked, caller, planned.studies, broken):
        if asked.is_cancelled:
            return _done(asked, Status(CANCELLED), tally)
        tally.add(located.sop_uid, store(located, chunks))
        if is_second(told):
            wire.put(asked.context.context_id, asked.response(Status(PENDING), counts=tally.counts))
            wire.flush()
            told = time.monotonic()
    tally.end()
    why = broken[0] if broken else planned.gone.sentence[:64] if planned.gone else ""
    if not tally.failed:
        return _done(asked, Status(SOME_FAILED, why) if tally.warned or planned.gone else DONE, tally)
    some = SOME_FAILED if tally.completed or tally.warned else NONE_SENT
    return _done(asked, Status(some, why or "Not all could be sent in a syntax that was accepted"), tally)


def _done(asked: Request, status: Status, tally: Tally) -> Done:
    return Done(status, tally.counts, failed_list(tally.failed, asked.syntax))


def _files(asked: Request, caller: Caller, planned: Sequence[Planned], broken: list[str]) -> Iterator[File]:
    """Every object that is to go. What a study's delivery breaks off with is told and logged, and its rest is not sent."""
    for each in planned:
        try:
            yield from files(asked.runtime, caller, each)
        except Failure as failure:
            broken.append(f"It broke off: {failure.code}")
            log.warning("delivery broke off", extra={"calling": asked.calling, "reason": failure.code})
