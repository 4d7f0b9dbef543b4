"""Letting out a part of an object: some of its frames, or one element that is bulk data (PS3.18 section 10.4.1.1.4 and .5).

A frame whose place is kept is read alone, and believed by its own digest; else the whole object is read for it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from adapters.sql import part_digests
from adapters.sql.instances import StoredInstance
from mappings.dicom.frame_content import Element, Frames, sent, value_span
from mappings.dicom.frame_spans import Span
from mappings.dicom.part10 import plain
from mappings.dicom.pixel_media import OCTETS, PixelForm
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.transfer_syntax import EXPLICIT, LOSSLESS
from mappings.digests import BLOCK, Frame
from mappings.failures import NotFound
from server.usecases.deliver import Wanted, deliver_parts, look, part_action
from server.usecases.pieces import Pieces
from server.usecases.read_back import gather, read_back, read_frame, read_part, stream_part
from server.usecases.runtime import Caller, Runtime

Choose = Callable[[str, int, bool], PixelForm]
"""The form of so many parts of what is stored in a transfer syntax, and whether they are in it: other bulk data is not."""


class Found(NamedTuple):
    """The instance of which something is wanted, and the form in which that is sent.

    Of a part that comes alone how many bytes it has, and those of them that are sent.
    """

    stored: StoredInstance
    form: PixelForm
    size: int = 0
    span: range = range(0)

    @property
    def is_decoded(self) -> bool:
        """Whether it is sent in another transfer syntax than it is stored in."""
        return self.form.transfer_syntax == EXPLICIT and self.stored.transfer_syntax in LOSSLESS


Parts = tuple[Found, Iterator[memoryview]]
Cut = Callable[[Found, int], range]
"""Which bytes are sent of a part that comes alone and has so many; what it raises is no use."""


def deliver_frames(runtime: Runtime, caller: Caller, wanted: Wanted, numbers: Sequence[int], choose: Choose, cut: Cut) -> Parts:
    """These frames of an instance, from 1. Raises NotFound past the end, and what `deliver` and `cut` raise."""

    def opened(stored: StoredInstance) -> Parts:
        found = _found(stored, numbers, choose)
        return _cut(found, _decoded(runtime, stored, numbers) if found.is_decoded else _frames(runtime, stored, numbers), cut)

    return deliver_parts(runtime, caller, wanted, opened)


def look_at_frames(runtime: Runtime, caller: Caller, wanted: Wanted, numbers: Sequence[int], choose: Choose) -> Found:
    """In which form they would be brought: decided and located alike, but no use, and no node is asked."""
    return look(runtime, caller, wanted, lambda stored: _found(stored[0], numbers, choose), part_action(caller))[1]


def look_at_bulk_data(runtime: Runtime, caller: Caller, wanted: Wanted, choose: Choose) -> Found:
    """The form of a value that is not pixel data in fragments; which elements there are is in the object, and not looked up."""

    def found(stored: Sequence[StoredInstance]) -> Found:
        return Found(stored[0], choose(stored[0].transfer_syntax, 1, False))

    return look(runtime, caller, wanted, found, part_action(caller))[1]


def deliver_bulk_data(runtime: Runtime, caller: Caller, wanted: Wanted, path: str, choose: Choose, cut: Cut) -> Parts:
    """The value of an element of an instance; of pixel data in fragments all frames.

    Where the file's beginning tells its place, no more is read than is sent. Raises NotFound where there is none.
    """

    def opened(stored: StoredInstance) -> Parts:
        if (lies := _lies(runtime, stored, path)) is not None:
            found = _spanned(Found(stored, choose(stored.transfer_syntax, 1, False)), len(lies), cut)
            return found, iter([_read(runtime, stored, lies[found.span.start : found.span.stop])])
        dataset = _dataset(runtime, stored)
        value = Element(dataset, stored.transfer_syntax, path).value
        if value is not None:
            return _cut(Found(stored, choose(stored.transfer_syntax, 1, False)), iter([value]), cut)
        frames, numbers = Frames(dataset, stored.transfer_syntax), range(1, max(stored.frames, 1) + 1)
        found = _found(stored, numbers, choose)
        return _cut(found, _decoded(runtime, stored, numbers) if found.is_decoded else map(frames.content, numbers), cut)

    return deliver_parts(runtime, caller, wanted, opened)


def _spanned(found: Found, size: int, cut: Cut) -> Found:
    return found if found.form.multipart else found._replace(size=size, span=cut(found, size))


def _cut(found: Found, parts: Iterator[memoryview], cut: Cut) -> Parts:
    """These parts; of one that comes alone, what is sent of it."""
    if found.form.multipart:
        return found, parts
    content = next(parts)
    found = _spanned(found, len(content), cut)
    return found, iter([content[found.span.start : found.span.stop]])


def _lies(runtime: Runtime, stored: StoredInstance, path: str) -> range | None:
    """Where an element's value lies in its file, if that is told by the file's first block and there is more than that."""
    if stored.size <= BLOCK or (start := stored.dataset_start) >= BLOCK:
        return None
    span = value_span(read_part(runtime, stored.copy, 0, BLOCK)[start:], stored.transfer_syntax, path)
    return None if span is None else range(start + span.start, start + span.start + span.length)


def _read(runtime: Runtime, stored: StoredInstance, span: range) -> memoryview:
    return gather(runtime, len(span), stream_part(runtime, stored.copy, span.start, span.stop))


def _found(stored: StoredInstance, numbers: Sequence[int], choose: Choose) -> Found:
    most = max(stored.frames, 1)
    if max(numbers) > most:
        raise NotFound("frame-not-found", f"The object has {most} frame{'s' if most > 1 else ''}.", "frames")
    return Found(stored, choose(stored.transfer_syntax, len(numbers), True))


def _frames(runtime: Runtime, stored: StoredInstance, numbers: Sequence[int]) -> Iterator[memoryview]:
    whole: Frames | None = None
    for number in numbers:
        if whole is None and (kept := _kept(runtime, stored, number)) is not None:
            content = read_frame(runtime, stored.copy, kept, number)
            yield sent(content, Span(0, len(content)), stored.transfer_syntax)
        else:
            whole = whole or Frames(_dataset(runtime, stored), stored.transfer_syntax)
            yield whole.content(number)


def _decoded(runtime: Runtime, stored: StoredInstance, numbers: Sequence[int]) -> Iterator[memoryview]:
    for number in numbers:
        pieces = Pieces(runtime, stored.copy, number)
        drawing = Drawing(stored.transfer_syntax, stored.size, stored.dataset_start, pieces.span, number, OCTETS)
        yield memoryview(runtime.pictures.draw(drawing, pieces.read))


def _kept(runtime: Runtime, stored: StoredInstance, number: int) -> Frame | None:
    with runtime.store.read() as connection:
        return part_digests.of_frame(connection, stored.custody, number)


def _dataset(runtime: Runtime, stored: StoredInstance) -> memoryview:
    return plain(read_back(runtime, stored.copy)[stored.dataset_start :], stored.transfer_syntax)
