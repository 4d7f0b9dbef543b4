"""Letting a person see a picture: a frame of one instance as JPEG or PNG, as a reduced preview or a full view."""

from dataclasses import dataclass, replace
from functools import partial

from adapters.sql.instances import StoredInstance
from consent.conditions import Action
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.viewport import Viewport
from server.usecases.deliver import Wanted, deliver_made
from server.usecases.pieces import Pieces
from server.usecases.runtime import Caller, Runtime

PREVIEW_SIDE = 512
PREVIEW = Viewport(PREVIEW_SIDE, PREVIEW_SIDE)
VIEW_SIDE = 4096
LAST_FRAME = 2**31 - 1
"""No object has more frames: their number is an IS (PS3.5 section 6.2). A path may name any number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is asked: the frame (from 1), media type, viewport, window (centre, width, function), quality (1-100)."""

    frame: int = 1
    media_type: str = "image/jpeg"
    viewport: Viewport = PREVIEW
    window: tuple[float, float, str] | None = None
    quality: int = 90

    @property
    def action(self) -> Action:
        """A JPEG of at most 512 pixels in the object's own window is a preview; anything else is a view.

        A region is a view however small: of many the whole picture is put together.
        """
        small = max(self.viewport.width, self.viewport.height) <= PREVIEW_SIDE and not self.viewport.crops
        return Action.PREVIEW if small and self.media_type == "image/jpeg" and self.window is None else Action.VIEW


def render(runtime: Runtime, caller: Caller, wanted: Wanted, picture: Picture) -> bytes:
    """The picture's bytes, recorded before they leave; a picture that can't be made is no use.

    Raises NotFound, Forbidden, NotAcceptable, Busy.
    """
    return deliver_made(runtime, caller, wanted, picture.action, partial(_draw, runtime, picture))


def _draw(runtime: Runtime, picture: Picture, stored: StoredInstance) -> bytes:
    pieces = Pieces(runtime, stored.copy, picture.frame)
    most = {"width": min(picture.viewport.width, VIEW_SIDE), "height": min(picture.viewport.height, VIEW_SIDE)}
    drawing = Drawing(
        stored.transfer_syntax,
        stored.size,
        stored.dataset_start,
        pieces.span,
        min(picture.frame, LAST_FRAME),
        picture.media_type,
        replace(picture.viewport, **most),
        picture.window,
        picture.quality,
    )
    return runtime.pictures.draw(drawing, pieces.read)
