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
    and `terms` are what a deposit or use was done under; an act of governance is done under none.
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
    purpose: str | None = None
    action: str | None = None


_DONE_UNDER = ("agreement", "terms", "purpose", "action")


def read_entry(body: Mapping[str, Any], *, kind: str, **row: Any) -> RecordedEntry:
    """The entry of this kind whose body says so; `row` are the other fields of its rows. Bodies of every version are read."""
    cited = {} if kind.startswith(GOVERN) else {name: body[name] for name in _DONE_UNDER if name in body}
    return RecordedEntry(kind=kind, targets=targets_of(kind, body), **row, **cited)


def narrowed(entry: RecordedEntry, *, queryable: bool) -> RecordedEntry:
    """The entry as it may be told: a deposit names its studies only to those who may query its dataset."""
    if queryable or entry.kind != BatchClosed.KIND:
        return entry
    return replace(entry, targets=tuple(t for t in entry.targets if t.type is not TargetType.STUDY))
