"""Answers C-FIND (PS3.4 §C.4.1): the question that QIDO asks too, narrowed by the same consent, its answers sent page by page."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from mappings.dicom.dimse import Status
from mappings.dicom.dimse_message import C_FIND_RSP
from mappings.dicom.identifier import Answers, patient_of, read_answer, read_question
from mappings.query import Level
from server.dimse.request import CANCELLED, DONE, FIND, PENDING, PENDING_UNMATCHED, Done, Request, answer
from server.dimse.wire import Wire
from server.usecases import search


def find(association: Any, message: Any, context: Any) -> None:
    """Answer one C-FIND, to its last response."""
    answer(Request(association, message, context, C_FIND_RSP, FIND[str(context.abstract_syntax)]), "C-FIND", _find)


def _find(asked: Request, wire: Wire) -> Done:
    sent = 0
    for page in _answered(asked):
        for response, found in page:
            wire.put(asked.context.context_id, response, found)
            sent += 1
        wire.flush()
    return Done(Status(CANCELLED) if asked.is_cancelled else DONE, told={"answers": sent})


def _answered(asked: Request) -> Iterator[Iterator[tuple[bytes, bytes]]]:
    """(pending response, identifier) of each answer, by pages, until it is cancelled."""
    identifier, caller = asked.identifier(), asked.caller("ImagingStudy.s")
    query, all_matched = read_question(identifier, asked.extended)
    response = asked.response(Status(PENDING if all_matched else PENDING_UNMATCHED), data_set=True)
    written = Answers(identifier, asked.syntax, asked.runtime.settings.ae_title)
    known: set[Any] | None = set() if identifier.level is Level.PATIENT else None
    with closing(search.pages(asked.runtime, caller, query)) as pages:
        for page in pages:
            yield ((response, written.write(found)) for found in _each(page, known) if not asked.is_cancelled)
            if asked.is_cancelled:
                return


def _each(page: list[bytes], known: set[Any] | None) -> Iterator[dict[str, Any]]:
    """Each answer of a page; where patients are asked, each that is not `known` yet, as its newest study says."""
    for fragment in page:
        found = read_answer(fragment)
        if known is not None:
            patient = patient_of(found)
            if patient in known:
                continue
            known.add(patient)
        yield found
