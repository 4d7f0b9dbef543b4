"""The one question every searching dialect is read into: a level, a tree of conditions over named fields, and a page.

QIDO-RS, C-FIND, FHIR search and EUCAIM's AST become a `Query`; `adapters.sql.search` alone turns it into SQL, narrowed to
what its caller may see. A field is named by its row in `mappings.fields`. Conditions on series that stand in one `AllOf` hold on
the same series.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """What is asked for. Patients, studies, series and instances nest in that order."""

    PATIENT = "patient"
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field equals one of the values (none of them: matches nothing)."""

    field: str
    values: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """The field's text matches a pattern of `*` and `?`, both folded; see `mappings.fields.fold`."""

    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """The field lies between two bounds, both included; None leaves an end open. Empty fields never match."""

    field: str
    low: str | int | None
    high: str | int | None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts it always holds."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds; without parts nothing does."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; an empty field counts as not equal."""

    part: "Condition"


Condition = OneOf | Like | Between | AllOf | AnyOf | Not
EVERYTHING = AllOf()
NOTHING = AnyOf()


@dataclass(frozen=True, slots=True)
class Page:
    """A page: at most `limit` answers, after the row with id `after` (a keyset: one cost at any depth) or `offset` rows on."""

    limit: int = 100
    offset: int = 0
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `aliases`, when given, are the only datasets asked."""

    level: Level
    where: Condition = EVERYTHING
    page: Page = field(default_factory=Page)
    aliases: frozenset[str] | None = None
