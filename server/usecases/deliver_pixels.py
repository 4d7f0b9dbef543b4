"""Letting out a part of an object: some of its frames, or one element that is bulk data (PS3.18 section 10.4.1.1.4 and .5).

A frame whose place is kept is read alone, and believed by its own digest; else the whole object is read for it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from adapters.sql import part_digests
from adapters.sql.instances import StoredInstance
from mappings.dicom.elements import EXPLICIT
from mappings.dicom.frame_content import Element, Frames, sent
from mappings.dicom.frame_spans import Span
from mappings.dicom.part10 import plain
from mappings.dicom.pixel_media import OCTETS, PixelForm
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.recode import LOSSLESS
from mappings.digests import Frame
from mappings.failures import NotFound
from server.usecases.deliver import Wanted, deliver_parts, look, part_action
from server.usecases.pieces import Pieces
from server.usecases.read_back import read_back, read_frame
from server.usecases.runtime import Caller, Runtime

Choose = Callable[[str, int, bool], PixelForm]
"""The form of so many parts of what is stored in a transfer syntax, and whether they are in it: other bulk data is not."""


class Found(NamedTuple):
    """The instance of which something is wanted, and the form in which that is sent."""

    stored: StoredInstance
    form: PixelForm

    @property
    def is_decoded(self) -> bool:
        """Whether it is sent in another transfer syntax than it is stored in."""
        return self.form.transfer_syntax == EXPLICIT and self.stored.transfer_syntax in LOSSLESS


Parts = tuple[Found, Iterator[memoryview]]


def deliver_frames(runtime: Runtime, caller: Caller, wanted: Wanted, numbers: Sequence[int], choose: Choose) -> Parts:
    """These frames of an instance, from 1. Raises NotFound past the end, and what `deliver` raises."""

    def opened(stored: StoredInstance) -> Parts:
        found = _found(stored, numbers, choose)
        return found, _decoded(runtime, stored, numbers) if found.is_decoded else _frames(runtime, stored, numbers)

    return deliver_parts(runtime, caller, wanted, opened)


def look_at_frames(runtime: Runtime, caller: Caller, wanted: Wanted, numbers: Sequence[int], choose: Choose) -> Found:
    """In which form they would be brought: decided and located alike, but no use, and no node is asked."""
    return look(runtime, caller, wanted, lambda stored: _found(stored[0], numbers, choose), part_action(caller))[1]


def look_at_bulk_data(runtime: Runtime, caller: Caller, wanted: Wanted, choose: Choose) -> Found:
    """The form of a value that is not pixel data in fragments; which elements there are is in the object, and not looked up."""

    def found(stored: Sequence[StoredInstance]) -> Found:
        return Found(stored[0], choose(stored[0].transfer_syntax, 1, False))

    return look(runtime, caller, wanted, found, part_action(caller))[1]


def deliver_bulk_data(runtime: Runtime, caller: Caller, wanted: Wanted, path: str, choose: Choose) -> Parts:
    """The value of an element of an instance; of pixel data in fragments all frames. Raises NotFound where there is none."""

    def opened(stored: StoredInstance) -> Parts:
        dataset = _dataset(runtime, stored)
        value = Element(dataset, stored.transfer_syntax, path).value
        if value is not None:
            return Found(stored, choose(stored.transfer_syntax, 1, False)), iter([value])
        frames, numbers = Frames(dataset, stored.transfer_syntax), range(1, max(stored.frames, 1) + 1)
        found = _found(stored, numbers, choose)
        return found, _decoded(runtime, stored, numbers) if found.is_decoded else map(frames.content, numbers)

    return deliver_parts(runtime, caller, wanted, opened)


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
