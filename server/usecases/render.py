"""Letting a person see a picture: a frame of one instance as JPEG or PNG, as a reduced preview or a full view."""

from dataclasses import dataclass
from functools import partial

from consent.conditions import Action
from mappings.dicom.part10 import Unreadable, read_part10
from mappings.failures import NotAcceptable
from server.usecases.deliver import Wanted, deliver_made
from server.usecases.runtime import Caller, Runtime

PREVIEW_SIDE = 512
VIEW_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Picture:
    """What is asked: the frame (from 1), media type, longest side (pixels), window (centre, width, function), quality (1-100)."""

    frame: int = 1
    media_type: str = "image/jpeg"
    max_side: int | None = None
    window: tuple[float, float, str] | None = None
    quality: int = 90

    @property
    def action(self) -> Action:
        """A JPEG of at most 512 pixels in the object's own window is a preview; anything else is a view."""
        small = self.max_side is None or self.max_side <= PREVIEW_SIDE
        return Action.PREVIEW if small and self.media_type == "image/jpeg" and self.window is None else Action.VIEW


def render(runtime: Runtime, caller: Caller, wanted: Wanted, picture: Picture) -> bytes:
    """The picture's bytes, recorded before they leave; a picture that can't be made is no use.

    Raises NotFound, Forbidden, NotAcceptable.
    """
    return deliver_made(runtime, caller, wanted, picture.action, partial(_draw, picture))


def _draw(picture: Picture, file: memoryview) -> bytes:
    from mappings.dicom.pixels import picture as pictures  # noqa: PLC0415 - decoders load with the first picture, not before

    try:
        part10 = read_part10(file)
        return pictures.render(
            part10.dataset,
            part10.transfer_syntax,
            picture.frame,
            media_type=picture.media_type,
            max_side=min(picture.max_side or PREVIEW_SIDE, VIEW_SIDE),
            window=picture.window,
            quality=picture.quality,
        )
    except Unreadable as bad:
        raise NotAcceptable("pixels-undecodable", "No picture can be made of this object.") from bad
