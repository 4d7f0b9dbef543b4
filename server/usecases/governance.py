"""Governance as it stands: read once, and kept while its one-row counter stands still."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from adapters.sql import governance, node, party, sender
from adapters.sql.client import ClientRow
from adapters.sql.node import NodeRow
from consent.dataset import Facts


@dataclass(frozen=True, slots=True)
class GovernanceSnapshot:
    """Every dataset's facts, node and party at one count, and the networks of registered senders.

    `clients` fills with those that have called since.
    """

    counter: int
    facts: tuple[Facts, ...]
    nodes: dict[int, NodeRow]
    parties: dict[str, int]
    senders: frozenset[str]
    clients: dict[str, ClientRow] = field(default_factory=dict)

    def dataset(self, key: int) -> Facts:
        """The dataset with this id. Raises KeyError."""
        for facts in self.facts:
            if facts.dataset == key:
                return facts
        raise KeyError(key)

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
            newest = GovernanceSnapshot(
                counter, governance.facts(connection), nodes, party.ids(connection), sender.networks(connection)
            )
            self._newest = newest
        return newest
