"""Questions to other repositories and their answers, as `/api/…` takes and tells of them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from consent.disclosure import MOST_VALUES
from mappings.api.shapes import Asked, Name, Told
from mappings.peers.answer import PeerAnswer, State, by_dataset, total

Words = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=MOST_VALUES)]
_MOST_PEERS = 50


class QueryAsked(Asked):
    """What is asked for: of each criterion any of its values, all criteria of one study; `peers`: of whom, none for all.

    `age` is in whole years: `40-70`, `40-`, `-70` or `40`.
    """

    modality: Words = field(default_factory=list)
    body_part: Words = field(default_factory=list)
    sex: Words = field(default_factory=list)
    age: Annotated[str, Meta(max_length=16)] | None = None
    manufacturer: Words = field(default_factory=list)
    diagnosis: Words = field(default_factory=list)
    peers: Annotated[list[Name], Meta(max_length=_MOST_PEERS)] = field(default_factory=list)


class PeerTold(Told):
    """How one repository answered after so many seconds; a count is null where it told none, and `said` is why."""

    peer: str
    kind: str
    state: State
    seconds: float
    studies: int | None
    subjects: int | None
    datasets: int
    said: str


class NamedTold(Told):
    """A dataset that some repositories named, with the most that any of them told."""

    id: str
    name: str
    studies: int | None
    subjects: int | None
    peers: list[str]


class TotalTold(Told):
    """The least that there is: each dataset once. The subjects of two datasets may be the same people."""

    studies: int
    subjects: int
    datasets: int


class QueryTold(Told):
    """A question and what has come of it; once it has `ended` nothing more comes."""

    query: str
    at: datetime
    question: str
    ended: bool
    cancelled: bool
    peers: list[PeerTold]
    datasets: list[NamedTold]
    at_least: TotalTold


def peer_told(answer: PeerAnswer) -> PeerTold:
    """One repository's answer, without its datasets."""
    counts = {"studies": answer.studies, "subjects": answer.subjects, "datasets": len(answer.datasets)}
    known = {"peer": answer.peer, "kind": answer.kind, "state": answer.state, "seconds": answer.seconds}
    return PeerTold(**known, **counts, said=answer.said)  # type: ignore[arg-type]


def answers_told(answers: tuple[PeerAnswer, ...]) -> tuple[list[PeerTold], list[NamedTold], TotalTold]:
    """The answers, each dataset once, and what they come to."""
    datasets = [
        NamedTold(id=n.counted.id, name=n.counted.name, studies=n.counted.studies, subjects=n.counted.subjects, peers=[*n.peers])
        for n in by_dataset(answers)
    ]
    least = total(answers)
    return [*map(peer_told, answers)], datasets, TotalTold(**{n: getattr(least, n) for n in ("studies", "subjects", "datasets")})
