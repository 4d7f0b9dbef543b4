"""The steps of an export and their pages: each page is decided on and narrowed anew, and comes as finished bytes.

A step is what one file may hold: a dataset's studies, a provider's patients, the descriptions of one type; or what of a type was
lost. So what is stopped takes its own files back and no others.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from adapters.sql import export_pages, exports
from adapters.sql.changes import Place
from adapters.sql.exports import ExportRow
from consent.conditions import Action
from consent.policy import VisibleDatasets
from mappings.failures import Forbidden
from mappings.fhir import bulk
from mappings.fhir.bulk import Kickoff
from mappings.fhir.resources import RESOURCES
from mappings.query import AllOf, Level, Page, Position, Query
from mappings.smart import holds
from server.usecases.export import decide_rows, is_of_rows
from server.usecases.follow import read_losses
from server.usecases.governance import GovernanceSnapshot
from server.usecases.identify import recall
from server.usecases.runtime import Caller, Runtime
from server.usecases.sources import Asking, reader, source_of, written_as

OUTPUT, DELETED = "output", "deleted"
Rows = list[tuple[Position, bytes]]
Visible = dict[Action, VisibleDatasets]
"""What a page is narrowed to, by what is done."""
_INDEXED: dict[str, tuple[Level, Callable[..., Any]]] = {
    "ImagingStudy": (Level.STUDY, export_pages.documents),
    "Patient": (Level.PATIENT, export_pages.patients),
}
"""Types of which there are many, each with the one walk through all of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """One type, of rows of these datasets; of none: its descriptions, or what of it was lost (`kind`: the manifest's array)."""

    type: str
    datasets: frozenset[int] = frozenset()
    kind: str = OUTPUT


class Refused(Exception):
    """Datasets of a step may not be given any more: dataset → rule."""

    def __init__(self, rules: dict[int, str]) -> None:
        super().__init__()
        self.rules = rules


def plan(kickoff: Kickoff, datasets: Sequence[int], governance: GovernanceSnapshot) -> list[Step]:
    """The steps of an export of these datasets, the same however often it is begun."""
    steps = [Step(kind, group) for kind in kickoff.types for group in _groups(kind, datasets, governance)]
    return steps + [Step(kind, kind=DELETED) for kind in kickoff.types if kickoff.since]


def _groups(kind: str, datasets: Sequence[int], governance: GovernanceSnapshot) -> list[frozenset[int]]:
    """Studies are a dataset's; patients are a provider's, and shared by its datasets."""
    if not is_of_rows(kind):
        return [frozenset()]
    if kind == "ImagingStudy":
        return [frozenset({dataset}) for dataset in datasets]
    providers = {dataset: governance.dataset(dataset).provider for dataset in datasets}
    return [frozenset(d for d in datasets if providers[d] == provider) for provider in dict.fromkeys(providers.values())]


@dataclass(frozen=True, slots=True)
class Reading:
    """An export as it is read, page by page."""

    runtime: Runtime
    export: ExportRow
    kickoff: Kickoff

    def page(self, connection: Connection, step: Step, page: Page) -> Rows:
        """A page of a step, each row with its place. Raises Refused where the step is to be begun with less; see `caller`."""
        caller = self.caller(connection, step.type)
        asking = Asking(self.runtime, connection, caller, self._visible(connection, caller, step))
        return self._lost(asking, step, page) if step.kind == DELETED else self._rows(asking, step, page)

    def _rows(self, asking: Asking, step: Step, page: Page) -> Rows:
        """Resources of what was there at the export's moment."""
        at = self.export.at or self.export.requested
        where = bulk.narrowed(self.kickoff, step.type, replace(reader(self.runtime, asking.caller), now=at))
        if step.type not in _INDEXED:
            rows = source_of(step.type).page(asking, AllOf((where, bulk.published_by(step.type, at))), page)
        else:
            level, read = _INDEXED[step.type]
            query = Query(level, asking.linked(where), page)
            found = read(asking.connection, query, asking.visible_datasets(), at, self.runtime.clock())
            rows = [(place, noun, None) for place, noun in found]
        return [(place, document) for place, document, _ in written_as(RESOURCES[step.type], rows, self.runtime)]

    def _lost(self, asking: Asking, step: Step, page: Page) -> Rows:
        """One Bundle of a page's losses, at the place of the last."""
        lost = list(losses(asking, step.type, bulk.since(self.kickoff), page))
        return [(lost[-1][0], bulk.deletions(step.type, (identity for _, identity in lost)))] if lost else []

    def caller(self, connection: Connection, kind: str) -> Caller:
        """The client as it is registered now. Raises Unauthenticated, Forbidden."""
        export, inside = self.export, self.export.action == Action.PROCESS
        caller = recall(self.runtime, connection, export.subject, inside=inside, purpose=export.purpose, scopes=export.scopes)
        if not holds(caller.scopes, export.scopes, kind):
            raise Forbidden("insufficient-scope", f"The client's scopes cover less of {kind} than they did.")
        return caller

    def refused(self, connection: Connection, caller: Caller, datasets: Collection[int]) -> dict[int, str]:
        """Those of these datasets whose rows may not be given now, each with the rule."""
        governance, now, action = self.runtime.governance.current(connection), self.runtime.clock(), Action(self.export.action)
        facts = {dataset: governance.dataset(dataset) for dataset in sorted(datasets)}
        decisions = {d: decide_rows(caller.subject, action, caller.purpose, of, now) for d, of in facts.items()}
        return {dataset: decision.rule for dataset, decision in decisions.items() if not decision.allowed}

    def _visible(self, connection: Connection, caller: Caller, step: Step) -> Visible:
        if not step.datasets:
            return self._in_sight(connection, caller)
        if rules := self.refused(connection, caller, step.datasets):
            raise Refused(rules)
        return {Action.QUERY: VisibleDatasets(step.datasets, None)}

    def _in_sight(self, connection: Connection, caller: Caller) -> Visible:
        """A Group's descriptions are its dataset's; else they are those that a search would find."""
        if not self.kickoff.group:
            return {}
        own = frozenset(exports.datasets(connection, self.export))
        seen = {action: self.runtime.visible_datasets(connection, caller, action) for action in (Action.DISCOVER, Action.QUERY)}
        return {action: replace(visible, datasets=visible.datasets & own) for action, visible in seen.items()}


def losses(asking: Asking, kind: str, since: datetime, page: Page) -> Iterable[tuple[Position, str]]:
    """(place, id) of what of a type this caller saw and lost since a moment, a page of it."""
    after = Place(*map(int, page.after)) if page.after else None
    lost = read_losses(asking.runtime, asking.connection, asking.caller, kind, since, after)
    return [(tuple(event.place), event.identity) for event in islice(lost, page.limit)]
