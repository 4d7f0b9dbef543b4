"""WADO-RS (PS3.18 section 10.4): what is stored is streamed as it is stored."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from flask import Response

from adapters.sql.instances import StoredInstance
from consent.conditions import Action
from mappings.content_digest import write_sha256
from mappings.dicom.accept import ZIP, Choice, choose_retrieve
from mappings.dicom.multipart import Multipart, Part, dicom_part
from mappings.zip_stream import Member, zip_length, zip_stream
from server.usecases.deliver import File, deliver, look
from server.web.bulkheads import Bulkhead
from server.web.context import caller, request, respond, runtime, serves, staying
from server.web.dicomweb_root import INSTANCE, SERIES, STUDY, accepted, root, wanted
from server.web.errors import Door


def add_routes(routes: Door) -> None:
    """Those of studies, series and instances as files."""
    for rule in (STUDY, SERIES, INSTANCE):
        serves(routes, rule, Action.EXPORT, scope="ImagingStudy.r", bulkhead=Bulkhead.STREAM)(objects)


def objects(study: str, series: str | None = None, instance: str | None = None) -> Response:
    """The stored files, one by one or as an archive, streamed with their exact length.

    They are processed by a client inside, and exported by any other. HEAD is told the same without a byte of them, which is no
    use.
    """
    asked, choose = wanted(study, series, instance), partial(_choose, archived=instance is None)
    if request.method == "HEAD":
        return _sent(*look(runtime(), caller(), asked, choose), files=())
    delivery = deliver(runtime(), caller(), asked, choose)
    with staying() as leave:
        response = _sent(delivery.objects, delivery.form, delivery)
        response.call_on_close(leave)
        return response


def _choose(stored: Sequence[StoredInstance], *, archived: bool) -> Choice:
    return choose_retrieve(accepted(), [o.transfer_syntax for o in stored], archived=archived)


def _sent(stored: Sequence[StoredInstance], form: Choice, files: Iterable[File]) -> Response:
    """The answer that brings these; the files are there to be read where there is a body."""
    if form.media_type == ZIP:
        return _archive(stored, files)
    return _multipart(stored, files) if form.multipart else _single(stored[0], files)


def _single(only: StoredInstance, files: Iterable[File]) -> Response:
    body = (chunk for _, chunks in files for chunk in chunks)
    digest = write_sha256(only.file_digest)
    return respond(body, media_type=dicom_part(only.transfer_syntax), Content_Length=str(only.size), Repr_Digest=digest)


def _archive(stored: Sequence[StoredInstance], files: Iterable[File]) -> Response:
    members = [Member(f"{o.study_uid}/{o.series_uid}/{o.sop_uid}.dcm", o.size, o.crc32) for o in stored]
    body, length = zip_stream(members, (chunks for _, chunks in files)), zip_length(members)
    called = f'attachment; filename="{stored[0].study_uid}.zip"'
    return respond(body, media_type=ZIP, Content_Length=str(length), Content_Disposition=called)


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
    location = f"{root()}/studies/{o.study_uid}/series/{o.series_uid}/instances/{o.sop_uid}"
    return Part(dicom_part(o.transfer_syntax), o.size, location, o.file_digest)
