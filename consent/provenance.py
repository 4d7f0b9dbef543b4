"""A ledger entry as it is read back: who did what to which things, under which agreement and terms, and its leaf in the tree."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from consent.entries import GOVERN, BatchClosed, Target, TargetType, targets_of


@dataclass(frozen=True, slots=True)
class RecordedEntry:
    """One entry whose body can still be read; `position` is its leaf's index (None until ordered).

    `provider` and `alias` name the party and dataset it concerns, None where it concerns neither. `agreement` (as key@version)
    and `terms` are what a deposit was done under; an act of governance is done under none. `began` and `ended` are a deposit's.
    `served` are the studies among the targets that the reader may look up, `patients` those whose they are.
    """

    id: int
    kind: str
    at: datetime
    actor: str
    targets: tuple[Target, ...]
    position: int | None
    leaf: bytes
    provider: str | None
    alias: str | None
    agreement: str | None = None
    terms: str | None = None
    began: datetime | None = None
    ended: datetime | None = None
    served: frozenset[str] = frozenset()
    patients: tuple[str, ...] = ()


_DONE_UNDER = ("agreement", "terms")


def read_entry(body: Mapping[str, Any], *, kind: str, **row: Any) -> RecordedEntry:
    """The entry of this kind whose body says so; `row` are the other fields of its rows. Bodies of every version are read."""
    cited = {} if kind.startswith(GOVERN) else {name: body[name] for name in _DONE_UNDER if name in body}
    return RecordedEntry(kind=kind, targets=targets_of(kind, body), **row, **cited)


def narrowed(entry: RecordedEntry, in_sight: Mapping[str, str]) -> RecordedEntry:
    """The entry as it may be told to somebody with these studies (and their patients' keys) in sight: a deposit names no others.

    What was never released, was withdrawn, or lies where its reader may not query is not named. Patients come in the order of
    their keys: that of rows would tell which was known here first.
    """
    told = entry.targets
    if entry.kind == BatchClosed.KIND:
        told = tuple(t for t in told if t.type is not TargetType.STUDY or t.key in in_sight)
    return replace(entry, targets=told, served=frozenset(in_sight), patients=tuple(sorted(set(in_sight.values()))))
