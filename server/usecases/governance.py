"""Governance as it stands: read once, and kept while its one-row counter stands still."""

from bisect import bisect
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from adapters.sql import entity, exclusion, governance, node, party, sender
from adapters.sql.client import ClientRow
from adapters.sql.node import NodeRow
from consent.conditions import Action
from consent.dataset import Facts
from consent.exclusion import NONE, Exclusions, is_excluded
from consent.policy import VisibleDatasets, turns, visible_datasets
from consent.subject import Subject


@dataclass(frozen=True)
class GovernanceSnapshot:
    """Every dataset's facts, node and party at one count, the networks of registered senders and entities, and who is blocked.

    `clients` fills with those that have called since, and `visible` with what they were found to see.
    """

    counter: int
    facts: tuple[Facts, ...]
    nodes: dict[int, NodeRow]
    parties: dict[str, int]
    callers: frozenset[str]
    exclusions: Exclusions = NONE
    clients: dict[str, ClientRow] = field(default_factory=dict)
    visible: dict[tuple[Subject, Action, str | None, int], VisibleDatasets] = field(default_factory=dict)

    def visible_datasets(self, subject: Subject, action: Action, purpose: str | None, now: datetime) -> VisibleDatasets:
        """The datasets on which this subject may do this now: decided once between two of the moments that turn a decision.

        Who is blocked may do nothing on any.
        """
        asked = (subject, action, purpose, bisect(self._turns, now))
        found = self.visible.get(asked)
        if found is None:
            facts = () if is_excluded(subject, self.exclusions) else self.facts
            found = self.visible[asked] = visible_datasets(subject, action, purpose, facts, now)
        return found

    @cached_property
    def _by_key(self) -> dict[int, Facts]:
        return {facts.dataset: facts for facts in self.facts}

    @cached_property
    def _turns(self) -> list[datetime]:
        return turns(self.facts)

    def dataset(self, key: int) -> Facts:
        """The dataset with this id. Raises KeyError."""
        return self._by_key[key]

    def owner(self, dataset: int) -> int:
        """The id of the party whose data a dataset holds. Raises KeyError."""
        return self.parties[self.dataset(dataset).provider]

    def node(self, key: int) -> NodeRow:
        """The node with this id. Raises KeyError."""
        return self.nodes[key]

    def host(self, dataset: int) -> NodeRow:
        """The node that holds a dataset."""
        name = self.dataset(dataset).node
        return next(row for row in self.nodes.values() if row.name == name)

    def node_called(self, name: str) -> NodeRow | None:
        """The node of this name."""
        return next((row for row in self.nodes.values() if row.name == name), None)


class GovernanceCache:
    """The newest snapshot of one process. What another thread keeps meanwhile is not ours to give."""

    def __init__(self) -> None:
        self._newest: GovernanceSnapshot | None = None

    def current(self, connection: Connection) -> GovernanceSnapshot:
        """The facts in force; read again whenever governance changed."""
        counter, newest = governance.counter(connection), self._newest
        if newest is None or newest.counter != counter:
            nodes = {row.id: row for row in node.read_all(connection)}
            callers = sender.networks(connection) | entity.networks(connection)
            known = governance.facts(connection), nodes, party.ids(connection), callers, exclusion.standing(connection)
            newest = GovernanceSnapshot(counter, *known)
            self._newest = newest
        return newest
