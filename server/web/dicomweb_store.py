"""STOW-RS (PS3.18 section 10.5): one of the three doors of deposit."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import unquote

from flask import Response

from adapters.spool import Spool
from consent.conditions import Action
from consent.deposit import Outcome
from mappings.dicom.accept import DICOM_XML, choose_stored
from mappings.dicom.dimse import status_for
from mappings.dicom.multipart import Limits, PartHeaders, PartReader
from mappings.dicom.native_xml import native_xml
from mappings.failures import UnsupportedMedia
from mappings.negotiation import read_media_type
from server.usecases import push
from server.usecases.admission import MEGABYTE, check_room
from server.usecases.batch import Batch, close_batch, open_batch, together
from server.usecases.receipts import DepositResult
from server.usecases.take import take
from server.web.bulkheads import Bulkhead
from server.web.context import caller, dataset, peer, request, respond, runtime, serves
from server.web.dicomweb_root import STUDY, accepted, root
from server.web.errors import Door

READ = 256 * 1024
LONGEST_NAME = 1024
MOST_PARTS = 20_000
"""Objects in one body: each leaves a durable receipt."""
HELD_FOR_REVIEW = 0xB0F0
"""(0008,1196) Warning Reason of ours, in the warning range: taken into custody, but waiting in quarantine."""
_HELD = frozenset({Outcome.PASS, Outcome.DUPLICATE})
Element: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Element]
"""Of DICOM JSON (PS3.18 section F.2): elements by their tags."""


def add_routes(routes: Door) -> None:
    """Those that take instances."""
    for rule in ("/studies", STUDY):
        serves(routes, rule, Action.DEPOSIT, scope="ImagingStudy.c", methods=("POST",), bulkhead=Bulkhead.UPLOAD)(store)


def store(study: str | None = None) -> Response:
    """Take the instances of a body, one by one, those of one study alone where it is named.

    They go into a batch of their own, or the one named by `?batch=`.
    """
    media_type = choose_stored(accepted())
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia(
            "content-encoding", "Compressed bodies are not taken: send the objects as they are.", "Content-Encoding"
        )
    check_room(runtime(), 0)
    named, alias = request.args.get("batch"), dataset() or request.args.get("dataset")
    if named:
        batch = push.ongoing(runtime(), caller(), named, alias)
    else:
        batch = open_batch(runtime(), push.origin(runtime(), caller(), alias, "stow", peer()))
    try:
        with together(runtime(), batch) as filled:
            taken = _take_all(replace(filled, study=study))
    finally:
        if not named:
            close_batch(runtime(), batch.id)
    return _stored(taken, batch, media_type)


def _take_all(batch: Batch) -> list[DepositResult]:
    taken: list[DepositResult] = []
    limit, folder = runtime().settings.max_object_mb * MEGABYTE, runtime().settings.data_dir

    def open_part(headers: PartHeaders) -> Spool:
        name = unquote(headers.location or "").replace("\0", "")[:LONGEST_NAME] or f"part {headers.number}"
        return Spool(
            folder, limit, lambda file: taken.append(take(runtime(), batch, name, file)), lambda: check_room(runtime(), 0)
        )

    media = read_media_type(request.headers.get("Content-Type", ""))
    if media is not None and media.name == "application/dicom":
        sink = open_part(PartHeaders(1, None, request.headers.get("Content-Location")))
        _feed(sink.write)
        sink.close()
    else:
        reader = PartReader(request.headers.get("Content-Type", ""), open_part, Limits(parts=MOST_PARTS))
        _feed(reader.feed)
        reader.finish()
    return taken


def _feed(write: Callable[[bytes], None]) -> None:
    while data := request.stream.read(READ):
        write(data)


def _stored(taken: list[DepositResult], batch: Batch, media_type: str) -> Response:
    """The Store Instances Response (Table I.1-1): 200 all stored, 202 some not or held for review, 409 none."""
    failed = [t for t in taken if t.outcome is Outcome.REJECT]
    sequences = {
        "00081198": [_failed(t) for t in failed if t.sop_uid],
        "00081199": [_referenced(t) for t in taken if t.outcome is not Outcome.REJECT],
        "0008119A": [_failed(t) for t in failed if not t.sop_uid],
    }
    told = {"00081190": _study_url(taken)} | {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
    partly = bool(failed) or any(t.outcome is Outcome.REVIEW for t in taken)
    status = 409 if len(failed) == len(taken) else 202 if partly else 200
    report = f"{runtime().settings.base_url}/api/batches/{batch.key}"
    body = native_xml(told) if media_type == DICOM_XML else json.dumps(told).encode()
    return respond(body, status, media_type, Link=f'<{report}>; rel="describedby"')


def _study_url(taken: list[DepositResult]) -> Element:
    """Where all that is held now is retrieved: there is one place where it is of one study."""
    studies = {t.study_uid for t in taken if t.outcome in _HELD}
    return _url(f"{root()}/studies/{uid}" for uid in studies if len(studies) == 1)


def _referenced(t: DepositResult) -> Item:
    """An instance that was taken; what waits in quarantine is retrieved nowhere."""
    if t.outcome is Outcome.REVIEW:
        return _named(t) | {"00081190": _url(()), "00081196": _reason(HELD_FOR_REVIEW), "00741048": _comment(t)}
    return _named(t) | {"00081190": _url([f"{root()}/studies/{t.study_uid}/series/{t.series_uid}/instances/{t.sop_uid}"])}


def _failed(t: DepositResult) -> Item:
    return _named(t) | {"00081197": _reason(status_for(t.rule, t.outcome).code), "00741048": _comment(t)}


def _named(t: DepositResult) -> Item:
    named = {"00081150": t.sop_class, "00081155": t.sop_uid}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in named.items() if uid}


def _reason(code: int) -> Element:
    return {"vr": "US", "Value": [code]}


def _url(urls: Iterable[str]) -> Element:
    """A Retrieve URL, which is of type 2: there, and empty where there is none."""
    value = list(urls)
    return {"vr": "UR", "Value": value} if value else {"vr": "UR"}


def _comment(t: DepositResult) -> Element:
    """The rule in words, as an (0000,0902) Error Comment inside (0074,1048) Failed Attributes Sequence."""
    comment = {"00000902": {"vr": "LO", "Value": [t.short]}}
    return {"vr": "SQ", "Value": [comment]}
