"""Letting a person see a picture: a frame of one instance as JPEG or PNG, as a reduced preview or a full view."""

from dataclasses import dataclass

from consent.conditions import Action
from mappings.dicom.part10 import Unreadable, plain, read_part10
from mappings.failures import NotAcceptable
from server.usecases import retrieve
from server.usecases.hall import Caller, Hall
from server.usecases.retrieve import Wanted

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


def render(hall: Hall, caller: Caller, wanted: Wanted, picture: Picture) -> bytes:
    """The picture's bytes, recorded before they leave. Raises NotFound, Forbidden, NotAcceptable."""
    from mappings.dicom import pixels  # noqa: PLC0415 - decoders load with the first picture, not with every process

    granted = retrieve.grant(hall, caller, wanted, picture.action)
    located = granted.objects[0]
    node = retrieve.still_open(hall, caller, picture.action, granted, located)
    with node.open(located.place) as source:
        file = memoryview(source.read())
    side = min(picture.max_side or PREVIEW_SIDE, VIEW_SIDE)
    try:
        part10 = read_part10(file)
        dataset = plain(part10.dataset, part10.transfer_syntax)
        made = pixels.render(
            dataset,
            part10.transfer_syntax,
            picture.frame,
            media_type=picture.media_type,
            max_side=side,
            window=picture.window,
            quality=picture.quality,
        )
    except Unreadable as bad:
        raise NotAcceptable("pixels-undecodable", "No picture can be made of this object.") from bad
    retrieve.recorded(hall, caller, wanted, picture.action, granted)
    return made
