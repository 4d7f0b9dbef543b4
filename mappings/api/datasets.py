"""What people do with datasets by `/api`: have them go under another agreement, and decide on what waits in quarantine."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from consent.agreement import Side
from mappings.api.shapes import Asked, Line, Name, Told


class DatasetMoveTold(Told):
    """A move that was proposed: from and to which agreement, by which side, and when."""

    dataset: str
    left: str
    agreement: str
    side: Side
    actor: str
    at: datetime


class DatasetMovesTold(Told):
    """The moves of the caller's datasets that wait for an answer."""

    moves: list[DatasetMoveTold]


class DatasetMoveAsked(Asked):
    """The agreement that a dataset is to go under."""

    agreement: Name


class DatasetMoveAnswer(Asked):
    """An answer to a proposed move; who proposed it takes it back by refusing."""

    verb: Literal["confirm", "refuse"]


class MovedTold(Told):
    """What became of a move."""

    dataset: str
    agreement: str
    verb: str


class WaitingTold(Told):
    """What waits for review in a batch: how many objects and bytes, and by which rules."""

    batch: str
    dataset: str
    objects: int
    bytes: int
    rules: dict[str, int]


class RefusalAsked(Asked):
    """What is refused of a batch: the named objects (SOP Instance UIDs), or all that waits where none is named."""

    objects: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=500)] = ()
    reason: Line | None = None


class RefusedTold(Told):
    """How many objects were refused."""

    batch: str
    objects: int
