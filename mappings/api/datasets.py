"""What people do with datasets by `/api`: have them go under another agreement, and decide on what waits in quarantine."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from consent.agreement import Side
from consent.node import Hosting
from consent.publication import MOST_DOI, MOST_SUMMARY, MOST_TITLE, Publication
from mappings.api.shapes import Asked, Line, Name, Told

Doi = Annotated[str, Meta(min_length=1, max_length=MOST_DOI, description="Written as 10.1000/182.")]


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


class WaitingAsked(Asked):
    """What is refused or released of a batch: the named objects (SOP Instance UIDs), or all that waits where none is named."""

    objects: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=500)] = ()
    reason: Line | None = None


class DatasetShown(Told):
    """What is said of a dataset to who may know of it: where it is hosted, and what is disclaimed of it."""

    dataset: str
    title: str
    description: str
    provider: str
    hosting: Hosting
    disclaimers: list[str]


class PublicationAsked(Asked):
    """Published work: title and short summary, one line each and no word of a patient; a DOI is told when both sides want it."""

    title: Annotated[str, Meta(min_length=1, max_length=MOST_TITLE)]
    summary: Annotated[str, Meta(min_length=1, max_length=MOST_SUMMARY)]
    doi: Doi | None = None


class DoiAsked(Asked):
    """The DOI that one's side wants told; none takes it back."""

    doi: Doi | None = None


class PublicationTold(Told):
    """Published work; `doi` where both sides want it told. Who acts for a side reads which each wants."""

    key: str
    title: str
    summary: str
    at: datetime
    doi: str | None = None
    doi_of_provider: str | None = None
    doi_of_repository: str | None = None


class PublicationsTold(Told):
    """The published work on a dataset, in the order it was told of."""

    dataset: str
    publications: list[PublicationTold]


class RemovedTold(Told):
    """A publication that is told of no more."""

    key: str


class DecidedTold(Told):
    """How many objects were refused or released, and the batch that says so: of what is released, one of its own."""

    batch: str
    objects: int


def tell_publication(one: Publication) -> PublicationTold:
    """A publication."""
    wanted = {"doi": one.doi, "doi_of_provider": one.doi_of_provider, "doi_of_repository": one.doi_of_repository}
    return PublicationTold(key=one.key, title=one.title, summary=one.summary, at=one.at, **wanted)
