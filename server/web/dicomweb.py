"""DICOMweb (PS3.18 chapter 10) at `/dicom-web`: the studies of all nodes as one archive.

QIDO-RS searches the index, WADO-RS streams what is stored as it is stored, rendered frames let a person see, STOW-RS is one of
the three doors of deposit. A view parses, calls and renders.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from flask import Response

from adapters.sql.instances import StoredInstance
from consent.conditions import Action
from consent.deposit import Outcome
from mappings.content_digest import write_sha256
from mappings.dicom.accept import Choice, choose_json, choose_rendered, choose_retrieve
from mappings.dicom.dimse import status_for
from mappings.dicom.fragment import BASE
from mappings.dicom.multipart import Limits, Multipart, Part, PartHeaders, PartReader, dicom_part
from mappings.dicom.qido import read_query
from mappings.failures import Invalid, UnsupportedMedia
from mappings.negotiation import read_media_type
from mappings.query import Level
from server.usecases import push, render, search
from server.usecases.admission import MEGABYTE, check_room
from server.usecases.batch import Batch, close_batch, open_batch
from server.usecases.deliver import File, Wanted, deliver, look
from server.usecases.receipts import DepositResult
from server.usecases.render import Picture
from server.usecases.take import take
from server.web.bulkheads import Bulkhead
from server.web.context import caller, peer, request, respond, runtime, serves, staying
from server.web.errors import Door, problem
from server.web.spool import Spool

ROOT = "/dicom-web"
STUDY = f"{ROOT}/studies/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"
READ = 256 * 1024
LONGEST_NAME = 1024
MOST_PARTS = 20_000
"""Objects in one body: each leaves a durable receipt."""
HELD_FOR_REVIEW = 0xB0F0
"""(0008,1196) Warning Reason of ours, in the warning range: taken into custody, but waiting in quarantine."""


def door() -> Door:
    """Every DICOMweb route."""
    routes = Door("dicomweb", problem)
    _search_routes(routes)
    _retrieve_routes(routes)
    _rendered_routes(routes)
    serves(routes, f"{ROOT}/studies", Action.DEPOSIT, scope="ImagingStudy.c", methods=("POST",), bulkhead=Bulkhead.UPLOAD)(store)
    return routes


# QIDO-RS: PS3.18 section 10.6


def _search_routes(routes: Door) -> None:
    levels = {
        f"{ROOT}/studies": studies,
        f"{ROOT}/series": series,
        f"{STUDY}/series": series,
        f"{ROOT}/instances": instances,
        f"{STUDY}/instances": instances,
        f"{SERIES}/instances": instances,
    }
    for rule, view in levels.items():
        serves(routes, rule, Action.QUERY, scope="ImagingStudy.s")(view)


def studies() -> Response:
    """Search for studies."""
    return _found(Level.STUDY)


def series(study: str | None = None) -> Response:
    """Search for series, of all studies or one."""
    return _found(Level.SERIES, study)


def instances(study: str | None = None, series: str | None = None) -> Response:
    """Search for instances, of all studies, one, or one of its series."""
    return _found(Level.INSTANCE, study, series)


def _found(level: Level, study: str | None = None, series: str | None = None) -> Response:
    media_type = choose_json(_accept())
    query, warnings = read_query(level, request.args.items(multi=True), study, series)
    response = _objects(search.fragments(runtime(), caller(), query), media_type)
    for warning in warnings[:10]:
        response.headers.add("Warning", f'299 {runtime().settings.base_url} "{warning}"')
    return response


def _objects(objects: list[bytes], media_type: str) -> Response:
    base = f"{runtime().settings.base_url}{ROOT}".encode()
    return respond(b"[" + b",".join(objects).replace(BASE.encode(), base) + b"]", media_type=media_type)


def _accept() -> str:
    """What the caller accepts: `?accept=` where it is given (8.3.3.1), else the header."""
    return request.args.get("accept") or request.headers.get("Accept", "")


# WADO-RS: PS3.18 section 10.4


def _retrieve_routes(routes: Door) -> None:
    for rule in (STUDY, SERIES, INSTANCE):
        serves(routes, rule, Action.EXPORT, scope="ImagingStudy.r", bulkhead=Bulkhead.STREAM)(objects)
        serves(routes, f"{rule}/metadata", Action.QUERY, scope="ImagingStudy.r")(metadata)


def metadata(study: str, series: str | None = None, instance: str | None = None) -> Response:
    """The full DICOM JSON of every instance, bulk data by reference."""
    media_type = choose_json(_accept())
    return _objects(search.metadata(runtime(), caller(), Wanted(study, series, instance)), media_type)


def objects(study: str, series: str | None = None, instance: str | None = None) -> Response:
    """The stored files, streamed with their exact length. Processing for a client inside, export for any other.

    HEAD is told the same without a byte of them, which is no use.
    """
    wanted = Wanted(study, series, instance)
    if request.method == "HEAD":
        return _sent(*look(runtime(), caller(), wanted, _choose), files=())
    delivery = deliver(runtime(), caller(), wanted, _choose)
    with staying() as leave:
        response = _sent(delivery.objects, delivery.form, delivery)
        response.call_on_close(leave)
        return response


def _choose(stored: Sequence[StoredInstance]) -> Choice:
    return choose_retrieve(_accept(), [o.transfer_syntax for o in stored])


def _sent(stored: Sequence[StoredInstance], form: Choice, files: Iterable[File]) -> Response:
    """The answer that brings these; the files are there to be read where there is a body."""
    return _multipart(stored, files) if form.multipart else _single(stored[0], files)


def _single(only: StoredInstance, files: Iterable[File]) -> Response:
    body = (chunk for _, chunks in files for chunk in chunks)
    digest = write_sha256(only.file_digest)
    return respond(body, media_type=dicom_part(only.transfer_syntax), Content_Length=str(only.size), Repr_Digest=digest)


def _multipart(stored: Sequence[StoredInstance], files: Iterable[File]) -> Response:
    written = Multipart(f"accord-{secrets.token_hex(16)}")
    parts = [_part(o) for o in stored]  # made here: while the body streams there is no request any more
    length = written.total(parts)

    def body() -> Iterator[bytes]:
        for part, (_, chunks) in zip(parts, files, strict=True):
            yield written.head(part)
            yield from chunks
        yield written.tail()

    return respond(body(), media_type=written.content_type(), Content_Length=str(length))


def _part(o: StoredInstance) -> Part:
    location = f"{runtime().settings.base_url}{ROOT}/studies/{o.study_uid}/series/{o.series_uid}/instances/{o.sop_uid}"
    return Part(dicom_part(o.transfer_syntax), o.size, location, o.file_digest)


# Rendered frames: PS3.18 section 10.4.1.1.3


def _rendered_routes(routes: Door) -> None:
    for rule in (f"{INSTANCE}/rendered", f"{INSTANCE}/frames/<int:frame>/rendered"):
        serves(routes, rule, Action.PREVIEW, scope="ImagingStudy.r", bulkhead=Bulkhead.RENDER)(rendered)


def rendered(study: str, series: str, instance: str, frame: int = 1) -> Response:
    """One frame as a picture. Small JPEGs are previews; larger ones, PNG and a window of one's own need the right to view."""
    media_type = choose_rendered(_accept())
    picture = Picture(frame, media_type, _side(request.args.get("viewport")), _window(request.args.get("window")), _quality())
    return respond(render.render(runtime(), caller(), Wanted(study, series, instance), picture), media_type=media_type)


def _side(viewport: str | None) -> int | None:
    if viewport is None:
        return None
    try:
        side = max(int(side) for side in viewport.split(",")[:2] if side)
    except ValueError:
        side = 0
    if side < 1:
        raise Invalid("viewport-unreadable", "viewport is WIDTH,HEIGHT in pixels (PS3.18 8.3.5.1.3).", "viewport")
    return side


def _window(window: str | None) -> tuple[float, float, str] | None:
    if window is None:
        return None
    try:
        centre, width, function = (*window.split(","), "linear")[:3]
        return float(centre), float(width), function.upper().replace("-", "_")
    except ValueError:
        raise Invalid("window-unreadable", "window is CENTRE,WIDTH,FUNCTION (PS3.18 8.3.5.1.4).", "window") from None


def _quality() -> int:
    quality = request.args.get("quality", "90")
    if not re.fullmatch("[1-9][0-9]{0,2}", quality) or int(quality) > 100:
        raise Invalid("quality-unreadable", "quality is a whole number from 1 to 100 (PS3.18 8.3.5.1.2).", "quality")
    return int(quality)


# STOW-RS: PS3.18 section 10.5


def store() -> Response:
    """Take the instances of a body, one by one; into a batch of its own, or the one named by `?batch=`."""
    media_type = choose_json(_accept())
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia(
            "content-encoding", "Compressed bodies are not taken: send the objects as they are.", "Content-Encoding"
        )
    check_room(runtime(), 0)
    named = request.args.get("batch")
    if named:
        batch = push.ongoing(runtime(), caller(), named)
    else:
        batch = open_batch(runtime(), push.origin(runtime(), caller(), request.args.get("dataset"), "stow", peer()))
    try:
        taken = _take_all(batch)
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
    """The Store Instances Response (Table 10.5.3-1): 200 all stored, 202 some not or held for review, 409 none."""
    base = f"{runtime().settings.base_url}{ROOT}"
    failed = [t for t in taken if t.outcome is Outcome.REJECT]
    told: dict[str, dict[str, Any]] = {
        "00081190": {"vr": "UR", "Value": [f"{base}/studies"]},
        "00081199": {"vr": "SQ", "Value": [_referenced(t, base) for t in taken if t.outcome is not Outcome.REJECT]},
        "00081198": {"vr": "SQ", "Value": [_failed(t) for t in failed if t.sop_uid]},
        "0008119A": {"vr": "SQ", "Value": [_failed(t) for t in failed if not t.sop_uid]},
    }
    filled = {tag: element for tag, element in told.items() if element["Value"]}
    partly = bool(failed) or any(t.outcome is Outcome.REVIEW for t in taken)
    status = 409 if len(failed) == len(taken) else 202 if partly else 200
    report = f"{runtime().settings.base_url}/api/batches/{batch.key}"
    return respond(json.dumps(filled).encode(), status, media_type, Link=f'<{report}>; rel="describedby"')


def _named(t: DepositResult) -> dict[str, object]:
    named = {"00081150": t.sop_class, "00081155": t.sop_uid}
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in named.items() if uid}


def _referenced(t: DepositResult, base: str) -> dict[str, object]:
    if t.outcome is Outcome.REVIEW:
        return _named(t) | {"00081196": {"vr": "US", "Value": [HELD_FOR_REVIEW]}, "00741048": _comment(t)}
    return _named(t) | {"00081190": {"vr": "UR", "Value": [f"{base}/studies/{t.study_uid}"]}}


def _failed(t: DepositResult) -> dict[str, object]:
    return _named(t) | {"00081197": {"vr": "US", "Value": [status_for(t.rule, t.outcome).code]}, "00741048": _comment(t)}


def _comment(t: DepositResult) -> dict[str, object]:
    """The rule in words, as an (0000,0902) Error Comment inside (0074,1048) Failed Attributes Sequence."""
    comment = {"00000902": {"vr": "LO", "Value": [t.short]}}
    return {"vr": "SQ", "Value": [comment]}
