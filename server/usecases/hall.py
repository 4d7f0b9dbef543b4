"""What every use case is handed: the open database, the nodes, the clock and the caller, as values made by `server.wiring`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from adapters.nodes.port import Node
from adapters.sql import governance, node, party
from adapters.sql.access import Accesses
from adapters.sql.client import ClientRow
from adapters.sql.node import NodeRow
from adapters.sql.store import Store
from consent.conditions import Action
from consent.dataset import Facts
from consent.policy import VisibleDatasets, visible_datasets
from consent.subject import Subject
from server.settings import Settings


@dataclass(slots=True)
class Known:
    """Governance facts, kept while the one-row counter stands still; `clients` fills with those that have called since."""

    counter: int = -1
    facts: tuple[Facts, ...] = ()
    nodes: dict[int, NodeRow] = field(default_factory=dict)
    parties: dict[str, int] = field(default_factory=dict)
    clients: dict[str, ClientRow] = field(default_factory=dict)

    def dataset(self, key: int) -> Facts:
        """The dataset with this id as governance stands."""
        return next(facts for facts in self.facts if facts.dataset == key)


@dataclass(frozen=True, slots=True)
class Registration:
    """A sender's registration: the dataset it fills, by whose alias it calls, its own AE title, and whether it is attested."""

    dataset: int
    alias: str
    aet: str
    attested: bool


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the subject, its purpose claim, its scopes, the request's id for the record, and the address it came from.

    A registered sender has its `registration`. `known` are the facts its credential was held against; a question of the same
    request is narrowed by them, while stops bind in the statement itself.
    """

    subject: Subject
    purpose: str | None = None
    scopes: tuple[str, ...] = ()
    request: str = ""
    address: str = ""
    registration: Registration | None = None
    known: Known | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hall:
    """One process's Accord. `node_of` opens the node a row describes; `holder` names this process in leases."""

    settings: Settings
    store: Store
    node_of: Callable[[NodeRow], Node]
    quarantine: Node
    accesses: Accesses
    clock: Callable[[], datetime]
    holder: str
    placeholders: frozenset[str]
    reached: Callable[[str], None] = lambda _point: None  # tests stop the process at a named point of custody
    known: list[Known] = field(default_factory=lambda: [Known()])

    def governance(self, connection: Connection) -> Known:
        """The facts in force; read again whenever governance changed. What another thread keeps meanwhile is not ours to give."""
        counter, known = governance.counter(connection), self.known[0]
        if known.counter != counter:
            nodes = {n.id: n for n in node.read_all(connection)}
            known = self.known[0] = Known(counter, governance.facts(connection), nodes, party.ids(connection))
        return known

    def visible_datasets(self, connection: Connection, caller: Caller, action: Action) -> VisibleDatasets:
        """The datasets on which this caller may do this now."""
        known = caller.known or self.governance(connection)
        return visible_datasets(caller.subject, action, caller.purpose, known.facts, self.clock())

    def node(self, connection: Connection, key: int) -> Node:
        """The node with this id, opened."""
        return self.node_of(self.governance(connection).nodes[key])
