"""What becomes of a question at one repository, and what the answers come to together.

A repository that gave no answer is never one without results, and what all of them come to is the least that there is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_DATASETS = 10_000
"""Of one answer."""
MOST_COUNT = 1_000_000_000
"""What is above it is no count of people or studies."""


class State(StrEnum):
    """How a repository answered. *At least*: it leaves out what it may not tell, or a count was not one."""

    WAITING = "waiting"
    ANSWERED = "answered"
    AT_LEAST = "at least"
    REFUSED = "refused"
    NO_ANSWER = "no answer"
    CANNOT_EXPRESS = "cannot express"


COUNTED = frozenset({State.ANSWERED, State.AT_LEAST})


@dataclass(frozen=True, slots=True)
class Counted:
    """One dataset, by what its repositories call it; a count is None where it was not told."""

    id: str
    name: str
    studies: int | None
    subjects: int | None


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """One repository's answer after so many `seconds`; `said` is a sentence of ours on why there are no counts."""

    peer: str
    kind: str
    state: State
    seconds: float = 0.0
    studies: int | None = None
    subjects: int | None = None
    datasets: tuple[Counted, ...] = ()
    said: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A dataset and the repositories that name it: it counts once, with the most that any of them told."""

    counted: Counted
    peers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """The least there is: over datasets, each once, and over repositories that name none. Subjects may be in several datasets."""

    studies: int
    subjects: int
    datasets: int


def answered(peer: str, kind: str, datasets: Iterable[Counted], seconds: float, *, whole: bool) -> PeerAnswer:
    """The answer of a repository that tells by dataset; `whole`: it tells of every dataset, and exactly.

    A dataset that it names twice counts once.
    """
    once = tuple(_once(datasets).values())
    studies, subjects = ([getattr(each, what) for each in once] for what in ("studies", "subjects"))
    exact = whole and None not in (*studies, *subjects)
    told = {"studies": sum(filter(None, studies)), "subjects": sum(filter(None, subjects)), "datasets": once}
    return PeerAnswer(peer, kind, State.ANSWERED if exact else State.AT_LEAST, seconds, **told)


def _once(datasets: Iterable[Counted]) -> dict[str, Counted]:
    known: dict[str, Counted] = {}
    for each in datasets:
        before = known.get(each.id, each)
        known[each.id] = Counted(each.id, before.name, _most(before.studies, each.studies), _most(before.subjects, each.subjects))
    return known


def _most(*counts: int | None) -> int | None:
    return max((count for count in counts if count is not None), default=None)


def by_dataset(answers: Sequence[PeerAnswer]) -> list[Named]:
    """Every dataset that some repository told of, in the order of their ids."""
    known = _once(each for answer in answers for each in answer.datasets)
    peers: dict[str, list[str]] = {}
    for answer in answers:
        for each in answer.datasets:
            peers.setdefault(each.id, []).append(answer.peer)
    return [Named(known[id_], tuple(peers[id_])) for id_ in sorted(known)]


def total(answers: Sequence[PeerAnswer]) -> Total:
    """What the answers come to."""
    datasets = by_dataset(answers)
    whole = [answer for answer in answers if answer.state in COUNTED and not answer.datasets]
    studies = sum(each.counted.studies or 0 for each in datasets) + sum(answer.studies or 0 for answer in whole)
    subjects = sum(each.counted.subjects or 0 for each in datasets) + sum(answer.subjects or 0 for answer in whole)
    return Total(studies, subjects, len(datasets))
