"""WADO-RS (PS3.18 section 10.4): what is stored is streamed as it is stored, or in another transfer syntax that was asked for.

What is sent so is made while it streams: each object says its length, and several do not say all of theirs together.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from http import HTTPStatus

from flask import Response
from werkzeug.http import quote_etag

from adapters.sql.instances import StoredInstance
from consent.conditions import Action
from mappings.byte_range import read_range
from mappings.content_digest import write_sha256
from mappings.dicom.accept import DICOM, ZIP, Choice, choose_retrieve
from mappings.dicom.multipart import Multipart, Part, dicom_part
from mappings.zip_stream import Member, zip_length, zip_stream
from server.usecases.convert import File
from server.usecases.deliver import Wanted, deliver, deliver_part, look
from server.web.bulkheads import Bulkhead
from server.web.context import caller, conditional, request, respond, runtime, serves, staying
from server.web.dicomweb_root import INSTANCE, SERIES, STUDY, accepted, root, wanted
from server.web.errors import Door

_CONDITIONS = frozenset({"Range", "If-None-Match", "If-Match"})
"""What a caller says by which it may be answered otherwise than with all there is."""


def add_routes(routes: Door) -> None:
    """Those of studies, series and instances as files."""
    for rule in (STUDY, SERIES, INSTANCE):
        serves(routes, rule, Action.EXPORT, scope="ImagingStudy.r", bulkhead=Bulkhead.STREAM)(objects)


def objects(study: str, series: str | None = None, instance: str | None = None) -> Response:
    """The files, one by one or as an archive, streamed; as they are stored with their exact length, of a single one a range too.

    They are processed by a client inside, and exported by any other. HEAD, and who holds what there is, is told the same without
    a byte of them, which is no use.
    """
    asked, choose = wanted(study, series, instance), partial(_choose, archived=instance is None)
    if request.method == "HEAD" or any(name in request.headers for name in _CONDITIONS):
        stored, form = look(runtime(), caller(), asked, choose)
        told = _sent(stored, form, files=())
        if request.method == "HEAD" or told.status_code != HTTPStatus.OK:
            return told
        if _is_single(form) and form.is_stored and _span(stored[0]) is not None:
            return _ranged(asked)
    delivery = deliver(runtime(), caller(), asked, choose, lambda form, stored: form.syntaxes[stored.transfer_syntax])
    return _staying(lambda: _sent(delivery.objects, delivery.form, delivery))


def _staying(send: Callable[[], Response]) -> Response:
    """The response that is made, its request's place kept while it streams."""
    with staying() as leave:
        response = send()
        response.call_on_close(leave)
        return response


def _choose(stored: Sequence[StoredInstance], *, archived: bool) -> Choice:
    return choose_retrieve(accepted(), [o.transfer_syntax for o in stored], archived=archived)


def _is_single(form: Choice) -> bool:
    return form.media_type == DICOM and not form.multipart


def _sent(stored: Sequence[StoredInstance], form: Choice, files: Iterable[File]) -> Response:
    """The answer that brings these, under a tag; the files are there to be read where there is a body.

    The tag of a single one that is stored so names its bytes; others the files and their syntaxes, since a boundary is another
    each time, and another release may write another encoding.
    """
    if _is_single(form):
        only = stored[0]
        if form.is_stored:
            return conditional(_single(only, files), only.file_digest.hex())
        syntax = form.syntaxes[only.transfer_syntax]
        return conditional(_single_converted(syntax, files), f"{only.file_digest.hex()}-{syntax}", weak=True)
    sent = () if form.is_stored else (str(form.syntaxes[o.transfer_syntax]).encode() for o in stored)
    tag = sha256(b"".join((form.media_type.encode(), *(o.file_digest for o in stored), *sent))).hexdigest()
    response = _archive(stored, files) if form.media_type == ZIP else _multipart(stored, form, files)
    return conditional(response, tag, weak=True)


def _span(only: StoredInstance) -> range | None:
    """The bytes that are asked for of a single instance; None where it is to come whole (RFC 9110 section 13.1.5).

    Raises Unsatisfiable.
    """
    tag = quote_etag(only.file_digest.hex())
    is_asked = request.headers.get("If-Range", tag) == tag
    return read_range(request.headers["Range"], only.size) if is_asked and "Range" in request.headers else None


def _ranged(asked: Wanted) -> Response:
    """The bytes that are asked for of an instance (RFC 9110 section 15.3.7)."""
    sent, span, chunks = deliver_part(runtime(), caller(), asked, lambda found: _span(found) or range(found.size))
    response = _staying(lambda: _single(sent, [(sent, chunks)]))
    response.status_code, response.content_length = HTTPStatus.PARTIAL_CONTENT, len(span)
    response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{sent.size}"
    response.set_etag(sent.file_digest.hex())
    return response


def _single(only: StoredInstance, files: Iterable[File]) -> Response:
    body = (chunk for _, chunks in files for chunk in chunks)
    response = respond(body, media_type=dicom_part(only.transfer_syntax), Content_Length=str(only.size), Accept_Ranges="bytes")
    response.headers["Repr-Digest"] = write_sha256(only.file_digest)
    return response


def _single_converted(syntax: str, files: Iterable[File]) -> Response:
    """One that is made now: its digest is not known, and its length once its bytes are read."""
    sent, chunks = next(iter(files), (None, iter(())))
    response = respond(chunks, media_type=dicom_part(syntax))
    if sent is not None:
        response.content_length = sent.size
    return response


def _archive(stored: Sequence[StoredInstance], files: Iterable[File]) -> Response:
    members = [Member(f"{o.study_uid}/{o.series_uid}/{o.sop_uid}.dcm", o.size, o.crc32) for o in stored]
    body, length = zip_stream(members, (chunks for _, chunks in files)), zip_length(members)
    called = f'attachment; filename="{stored[0].study_uid}.zip"'
    return respond(body, media_type=ZIP, Content_Length=str(length), Content_Disposition=called)


def _multipart(stored: Sequence[StoredInstance], form: Choice, files: Iterable[File]) -> Response:
    written = Multipart(f"accord-{secrets.token_hex(16)}")
    locations = [_location(o) for o in stored]  # made here: while the body streams there is no request any more

    def body() -> Iterator[bytes]:
        for held, location, (sent, chunks) in zip(stored, locations, files, strict=True):
            yield written.head(_part(sent, location, None if sent != held else held.file_digest))
            yield from chunks
        yield written.tail()

    response = respond(body(), media_type=written.content_type())
    if form.is_stored:
        parts = [_part(o, location, o.file_digest) for o, location in zip(stored, locations, strict=True)]
        response.content_length = written.total(parts)
    return response


def _location(o: StoredInstance) -> str:
    return f"{root()}/studies/{o.study_uid}/series/{o.series_uid}/instances/{o.sop_uid}"


def _part(sent: StoredInstance, location: str, digest: bytes | None) -> Part:
    return Part(dicom_part(sent.transfer_syntax), sent.size, location, digest)
