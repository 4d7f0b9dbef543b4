"""Frames and bulk data (PS3.18 sections 10.4.1.1.4 and 10.4.1.1.5): parts of an instance, as they are stored."""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from http import HTTPStatus
from itertools import repeat

from flask import Response
from werkzeug.http import quote_etag

from consent.conditions import Action
from mappings.byte_range import read_range
from mappings.dicom.multipart import Multipart, Part
from mappings.dicom.pixel_media import PixelForm, choose_pixels
from mappings.failures import Invalid
from server.usecases.deliver import Wanted
from server.usecases.deliver_pixels import (
    Cut,
    Found,
    Parts,
    deliver_bulk_data,
    deliver_frames,
    look_at_bulk_data,
    look_at_frames,
)
from server.web.bulkheads import Bulkhead
from server.web.context import caller, conditional, request, respond, runtime, serves, staying
from server.web.dicomweb_root import INSTANCE, accepted, root, wanted
from server.web.errors import Door

MOST_FRAMES = 1000
"""In one list; the rest may be asked for in another."""
_CHUNK = 512 * 1024
_LIST = re.compile(r"[1-9][0-9]{0,9}(?:,[1-9][0-9]{0,9})*")


def add_routes(routes: Door) -> None:
    """Those of an instance's frames and of its elements."""
    for rule, view in ((f"{INSTANCE}/frames/<frames>", some_frames), (f"{INSTANCE}/bulkdata/<path:element>", bulk_data)):
        serves(routes, rule, Action.EXPORT, scope="ImagingStudy.r", bulkhead=Bulkhead.STREAM)(view)


def some_frames(study: str, series: str, instance: str, frames: str) -> Response:
    """Frames by their numbers, one or a list. Processing for a client inside, export for any other."""
    numbers, asked = _numbers(frames), wanted(study, series, instance)
    locations = [f"{_address(asked)}/frames/{number}" for number in numbers]
    if _is_only_looked_at():
        told = _told(look_at_frames(runtime(), caller(), asked, numbers, _choose), frames)
        if told is not None:
            return told
    return _brought(lambda cut: deliver_frames(runtime(), caller(), asked, numbers, _choose, cut), locations, frames)


def bulk_data(study: str, series: str, instance: str, element: str) -> Response:
    """What a BulkDataURI leads to."""
    asked = wanted(study, series, instance)
    if _is_only_looked_at():
        told = _told(look_at_bulk_data(runtime(), caller(), asked, _choose), element)
        if told is not None:
            return told
    location = repeat(f"{_address(asked)}/bulkdata/{element}")
    return _brought(lambda cut: deliver_bulk_data(runtime(), caller(), asked, element, _choose, cut), location, element)


def _is_only_looked_at() -> bool:
    """Whether this may be answered without a byte of what is wanted, which is then no use."""
    return request.method == "HEAD" or "If-None-Match" in request.headers or "If-Match" in request.headers


def _told(found: Found, what: str) -> Response | None:
    """What there is, to who asks for no more or holds it; else None."""
    response = _tagged(respond(b""), found, what)
    response.headers["Content-Type"] = _written(found.form).content_type() if found.form.multipart else found.form.content_type
    return response if request.method == "HEAD" or response.status_code != HTTPStatus.OK else None


def _tagged(response: Response, found: Found, what: str) -> Response:
    """Under a tag that names the object, what of it, and in which form; of several parts the boundary is another each time."""
    return conditional(response, _tag(found, what), weak=found.form.multipart)


def _tag(found: Found, what: str) -> str:
    return sha256(f"{found.stored.file_digest.hex()} {found.form.content_type} {what}".encode()).hexdigest()


def _address(asked: Wanted) -> str:
    return f"{root()}/studies/{asked.study}/series/{asked.series}/instances/{asked.instance}"


def _choose(transfer_syntax: str, count: int, compressed: bool) -> PixelForm:
    return choose_pixels(accepted(), transfer_syntax, alone=count == 1, compressed=compressed)


def _numbers(frames: str) -> list[int]:
    if not _LIST.fullmatch(frames):
        raise Invalid("frames-unreadable", "Frames are named by their numbers, from 1, separated by commas.", "frames")
    numbers = [int(number) for number in frames.split(",")]
    if len(numbers) > MOST_FRAMES:
        raise Invalid("too-many", f"At most {MOST_FRAMES} frames are asked for at once.", "frames")
    return numbers


def _brought(deliver: Callable[[Cut], Parts], locations: Iterable[str], what: str) -> Response:
    """The response that brings these parts, its request's place kept while it streams."""

    def cut(found: Found, size: int) -> range:
        """What is asked for of one part, where it is the one that is meant (RFC 9110 13.1.5)."""
        tag = quote_etag(_tag(found, what))
        is_asked = request.headers.get("If-Range", tag) == tag
        span = read_range(request.headers.get("Range", ""), size) if is_asked else None
        return range(size) if span is None else span

    with staying() as leave:
        found, parts = deliver(cut)
        response = _multipart(found.form, parts, locations) if found.form.multipart else _alone(found, next(parts))
        response.call_on_close(leave)
        return _tagged(response, found, what)


def _alone(found: Found, content: memoryview) -> Response:
    """One part as a body, or those of its bytes that are asked for (RFC 9110 15.3.7)."""
    length, span = str(len(content)), found.span
    response = respond(_pieces(content), media_type=found.form.content_type, Content_Length=length, Accept_Ranges="bytes")
    if len(span) < found.size:
        response.status_code = HTTPStatus.PARTIAL_CONTENT
        response.headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{found.size}"
    return response


def _multipart(form: PixelForm, parts: Iterator[memoryview], locations: Iterable[str]) -> Response:
    written = _written(form)

    def body() -> Iterator[bytes]:
        for content, location in zip(parts, locations, strict=False):
            yield written.head(Part(form.content_type, len(content), location))
            yield from _pieces(content)
        yield written.tail()

    return respond(body(), media_type=written.content_type())


def _written(form: PixelForm) -> Multipart:
    return Multipart(f"accord-{secrets.token_hex(16)}", form.media_type)


def _pieces(content: memoryview) -> Iterator[bytes]:
    return (bytes(content[at : at + _CHUNK]) for at in range(0, len(content), _CHUNK))
