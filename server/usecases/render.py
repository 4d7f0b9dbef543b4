"""Letting a person see a picture: a frame of one instance as JPEG or PNG, as a reduced preview or a full view."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from adapters.sql.instances import StoredInstance
from consent.conditions import Action
from mappings.dicom.overlaid import is_drawn_over_images
from mappings.dicom.pixels.drawing import Drawing
from mappings.dicom.pixels.viewport import Viewport
from server.usecases.deliver import Wanted, deliver_made, look
from server.usecases.pieces import Pieces
from server.usecases.runtime import Caller, Runtime

PREVIEW_SIDE = 512
PREVIEW = Viewport(PREVIEW_SIDE, PREVIEW_SIDE)
VIEW_SIDE = 4096
LAST_FRAME = 2**31 - 1
"""No object has more frames: their number is an IS (PS3.5 section 6.2). A path may name any number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is asked: the frame (from 1), media type, viewport, window (centre, width, function), quality (1-100), ICC profile."""

    frame: int = 1
    media_type: str = "image/jpeg"
    viewport: Viewport = PREVIEW
    window: tuple[float, float, str] | None = None
    quality: int = 90
    profile: str = "no"

    @property
    def action(self) -> Action:
        """A JPEG of at most 512 pixels in the object's own window is a preview; anything else is a view.

        A region is a view however small: of many the whole picture is put together.
        """
        small = max(self.viewport.width, self.viewport.height) <= PREVIEW_SIDE and not self.viewport.crops
        return Action.PREVIEW if small and self.media_type == "image/jpeg" and self.window is None else Action.VIEW


def render(runtime: Runtime, caller: Caller, wanted: Wanted, picture: Picture) -> bytes:
    """The picture's bytes, recorded before they leave; a picture that can't be made is no use.

    One that was drawn of the same bytes is not drawn again. Raises NotFound, Forbidden, NotAcceptable, Busy.
    """

    def made(stored: StoredInstance) -> bytes:
        return runtime.drawn.result((stored.file_digest, picture), partial(_draw, runtime, picture, stored))

    return deliver_made(runtime, caller, wanted, picture.action, made)


def render_one_of(runtime: Runtime, caller: Caller, wanted: Wanted, picture: Picture) -> bytes:
    """A picture of a study or series: of the one of its objects that stands for all, granted and recorded as that one's.

    Raises as `render`.
    """
    _, chosen = look(runtime, caller, wanted, representative, picture.action)
    named = replace(wanted, series=chosen.series_uid, instance=chosen.sop_uid)
    return render(runtime, caller, named, picture)


def representative(objects: Sequence[StoredInstance]) -> StoredInstance:
    """Of the series with the most objects the one that is in the middle by Instance Number; of images, where there are any."""
    images = [o for o in objects if not is_drawn_over_images(o.sop_class)] or objects
    largest, _ = Counter(o.series_uid for o in images).most_common(1)[0]
    series = sorted((o for o in images if o.series_uid == largest), key=lambda o: (o.number is None, o.number or 0))
    return series[len(series) // 2]


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
        picture.profile,
    )
    return runtime.pictures.draw(drawing, pieces.read)
