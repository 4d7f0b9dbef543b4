"""An answered request as it is read back: who was shown what, for which purpose, and how much of that a reader is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Interaction(StrEnum):
    """How something was asked for, in FHIR's words (R4 restful-interaction), whatever the door."""

    READ = "read"
    SEARCH = "search"
    CAPABILITIES = "capabilities"
    HISTORY = "history"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class Seen:
    """Resources of one type that an answer showed, by their ids; `party`: whose data that was, None where it is nobody's."""

    type: str
    keys: Sequence[str]
    party: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedAccess:
    """One answered request, as far as its reader may know.

    Who asked, and the operator, are told all. A provider is told of what was its own: the resources among those `seen`, and
    `target` (what was asked) only where that was one thing of its own; a search names whatever its asker wrote into it.
    `agreement` is the one that a use was under, `patients` those whose studies were shown, where the reader may look these up.
    """

    id: int
    at: datetime
    subject: str
    action: str
    interaction: Interaction
    purpose: str
    status: int
    request: str
    target: str | None = None
    count: int | None = None
    agreement: str | None = None
    seen: tuple[Seen, ...] = ()
    patients: tuple[str, ...] = ()
