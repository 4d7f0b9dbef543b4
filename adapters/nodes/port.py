"""The Node port: what Accord asks of any place where pixels rest, and what each implementation must keep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from mappings.failures import Unavailable


@dataclass(frozen=True, slots=True)
class NodeFile:
    """What a node is told of the DICOM file (PS3.10) it is given, as the file itself says it.

    `digest` is the SHA-256 of the whole file, `size` its length in bytes; the caller computed both from the very bytes it
    hands over. `patient_id` is decoded and without trailing blanks.
    """

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str
    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a node is: a yes or no, a sentence for the operator, the version it says it has; bytes of room where it can tell."""

    ok: bool
    sentence: str
    version: str
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """A part of a node's feed: the places of what came, where to go on, and whether that is its end."""

    places: tuple[str, ...]
    last: int
    ended: bool


class Node(Protocol):
    """A store of whole DICOM files, by content. Used from many threads; made after a fork, never before.

    A `place` is the node's own name for one stored file: opaque, free of patient values, kept in custody. Bytes are never
    edited: what `open` gives is what `store` was given. Nothing of the node's own error types passes this door: a node that
    can't be reached, keeps us waiting too long, refuses the credentials or answers other than it was asked raises `Unavailable`,
    one without room `Full`. Every call may be made again; the node itself tries at most twice, and only where a connection ended
    without an answer.
    """

    name: str

    def store(self, file: NodeFile, content: memoryview) -> str:
        """Keep the file and return its place; durable once it returns.

        The same bytes again give the same place. Other bytes under a known SOP Instance UID never replace the first: a node
        that keys by UID raises `Conflict("node-holds-other")`, one that keys by content keeps both. After `Unavailable` the
        file may be there or not: store again, or `delete(place_of(file))`. Also raises `Invalid` for what is no DICOM file
        the node can read, and `Busy` where another call is storing the same object.
        """
        ...

    def place_of(self, file: NodeFile) -> str:
        """Where `store` puts this file, computed without asking the node: how a deposit that was cut off is found again.

        Where a file's own text is wrongly encoded a node may read it otherwise: what `store` returned is what counts.
        """
        ...

    def open(self, place: str, size: int | None, start: int = 0, length: int | None = None) -> BinaryIO:
        """The file of `size` bytes from byte `start` (within it), `length` bytes or to its end; a longer range stops at the end.

        Read forward only, and close it. Raises `NotFound`. `size` is what custody says: no more is read of anything, and a file
        of another size is `Unavailable`, here where that shows already, else when the difference is met. So is a node that breaks
        off: a short read is never taken for the end. None is for all of a file of which custody says nothing and the node tells
        no size: reading it raises `TooLarge` where it is larger than what is taken.
        """
        ...

    def frame(self, place: str, number: int, length: int) -> bytes | None:
        """Frame `number` (from 0) by itself, the fragments of one joined without their heads; None for "open the range instead".

        That is said where a range costs no more, of a frame that the node can't give, and of one longer than `length`. What is
        given may have been read otherwise than it lies in the file: only its digest tells. Raises `Unavailable` for silence only.
        """
        ...

    def size(self, place: str) -> int | None:
        """Bytes of the file that rests there, without reading it; None where only reading it tells.

        Raises `NotFound` and `Unavailable`.
        """
        ...

    def delete(self, place: str) -> None:
        """Forget the file, as durably as it was stored; what is not there is deleted already."""
        ...

    def places(self) -> Iterator[str]:
        """Every place the node holds, in no order; while others store and delete, some may be missed or told twice."""
        ...

    def changes(self, since: int | None) -> Changes | None:
        """What came behind the place `since` of its feed, the first of it; of None only where it ends. None where it has no feed.

        A feed may have lost what it said once, so that only `places` tells all; one that begins anew ends before where it did.
        """
        ...

    def check(self) -> Health:
        """Whether the node can be used now, and its room. Quick, without side effects; answers instead of raising."""
        ...

    def adopt(self, sample: Sequence[tuple[str, int]]) -> bool:
        """Make it known again as this Accord's own, where it can't tell by itself; False where it may not be.

        `sample` is some of what should rest there, (place, bytes) each, empty where nothing does: what holds one of these, or is
        to hold nothing yet, is ours. Raises `Unavailable` and `Full`.
        """
        ...

    def probe(self) -> list[str]:
        """Why this node may not be used, as "name: sentence"; empty when it may. A name in the node's `allow` is not reported.

        Asked at start; may store and delete an object of Accord's own.
        """
        ...


SILENT, OTHER_SIZE = "node-unavailable", "node-other-size"
MOST_PLACES = 10_000_000
"""What is listed of a node; one that tells of more is taken for one that never ends."""


def silent(node: str) -> Unavailable:
    """The failure of a node that does not answer, whatever it is asked."""
    return Unavailable(SILENT, f"Node {node} does not answer.")


def other_size(node: str) -> Unavailable:
    """The failure of a node that gives more or less of an object than custody says there is."""
    return Unavailable(OTHER_SIZE, f"Node {node} gives another number of bytes than it was given.")


def endless(node: str) -> Unavailable:
    """The failure of a node whose telling has no end."""
    return Unavailable("node-endless", f"Node {node} sends more than was asked for.")
