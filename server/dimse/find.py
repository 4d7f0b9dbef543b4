"""Answers C-FIND (PS3.4 §C.4.1): the question that QIDO asks too, narrowed by the same consent, its answers sent page by page."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from mappings.dicom.dimse import Status
from mappings.dicom.dimse_message import C_FIND_RSP
from mappings.dicom.identifier import Answers, patient_of, read_answer, read_question
from mappings.query import Level
from server.dimse.request import CANCELLED, DONE, FIND, PENDING, PENDING_UNMATCHED, Request, log, refusal
from server.dimse.wire import Wire
from server.usecases import search


def find(association: Any, message: Any, context: Any) -> None:
    """Answer one C-FIND, to its last response."""
    began, wire, sent = time.monotonic(), Wire(association), 0
    asked = Request(association, message, context, C_FIND_RSP, FIND[str(context.abstract_syntax)])
    try:
        for page in _answered(asked):
            for response, answer in page:
                wire.put(context.context_id, response, answer)
                sent += 1
            wire.flush()
        status = Status(CANCELLED) if asked.is_cancelled else DONE
    except OSError:
        wire.cut()
        return
    except Exception as error:  # noqa: BLE001 - the caller gets an answer
        status = refusal(error)
    asked.end(wire, status)
    spent = round(1000 * (time.monotonic() - began), 1)
    log.info("C-FIND", extra={"calling": asked.calling, "status": f"{status.code:04X}", "answers": sent, "ms": spent})


def _answered(asked: Request) -> Iterator[Iterator[tuple[bytes, bytes]]]:
    """(pending response, identifier) of each answer, by pages, until it is cancelled."""
    identifier, caller = asked.identifier(), asked.caller("ImagingStudy.s")
    query, all_matched = read_question(identifier)
    response = asked.response(Status(PENDING if all_matched else PENDING_UNMATCHED), data_set=True)
    written = Answers(identifier, asked.syntax, asked.runtime.settings.ae_title)
    known: set[Any] | None = set() if identifier.level is Level.PATIENT else None
    with closing(search.pages(asked.runtime, caller, query)) as pages:
        for page in pages:
            yield ((response, written.write(answer)) for answer in _each(page, known) if not asked.is_cancelled)
            if asked.is_cancelled:
                return


def _each(page: list[bytes], known: set[Any] | None) -> Iterator[dict[str, Any]]:
    """Each answer of a page; where patients are asked, each that is not `known` yet, as its newest study says."""
    for fragment in page:
        answer = read_answer(fragment)
        if known is not None:
            patient = patient_of(answer)
            if patient in known:
                continue
            known.add(patient)
        yield answer
