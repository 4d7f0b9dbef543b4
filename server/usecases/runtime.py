"""What every use case is handed: the open database, the nodes, the clock and the caller, as values made by `server.wiring`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from adapters.cursors import Cursors
from adapters.key_sets import KeySets
from adapters.nodes.port import Node
from adapters.openid_provider import OpenIdProvider
from adapters.pictures.pool import Pool
from adapters.sql import governance as governance_rows
from adapters.sql.access import Accesses
from adapters.sql.node import NodeRow
from adapters.sql.store import Store
from adapters.tls import TlsFiles
from consent.conditions import Action
from consent.person import NOBODY, Actor
from consent.policy import VisibleDatasets
from consent.subject import Subject
from server.kept import Kept
from server.settings import Settings
from server.throttle import Rate, Throttle
from server.usecases.governance import GovernanceCache, GovernanceSnapshot

MOST_ASKING = 8
"""Questions to other repositories that one process has under way: each holds a thread."""
MOST_DRAWN = 32 << 20
"""Bytes of the pictures that one process keeps."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A sender's registration: the dataset it fills, by whose alias it calls, its own AE title, and whether it is attested.

    `sender` is its row's id, `scp` where its own SCP listens.
    """

    dataset: int
    alias: str
    aet: str
    attested: bool
    sender: int
    scp: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the subject, its purpose claim, its scopes, the request's id for the record, and the address it came from.

    A registered sender has its `registration`; `associations` is how many its AE title may have at once. `governance` is what its
    credential was held against; a question of the same request is narrowed by it, while stops bind in the statement itself.
    `actor` is who it is as one that acts on agreements, people and datasets (`consent.person`); `session` is the key of a
    person's session.
    """

    subject: Subject
    purpose: str | None = None
    scopes: tuple[str, ...] = ()
    request: str = ""
    address: str = ""
    registration: Registration | None = None
    associations: int | None = None
    governance: GovernanceSnapshot | None = field(default=None, compare=False, repr=False)
    actor: Actor = NOBODY
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """One process's Accord. `node_of` opens the node a row describes; `holder` names this process in leases.

    `noise_key` is the installation's: with it, and only with it, the noise of a count can be told.
    """

    settings: Settings
    store: Store
    node_of: Callable[[NodeRow], Node]
    noise_key: bytes = field(repr=False)
    quarantine: Node
    pictures: Pool
    accesses: Accesses
    cursors: Cursors
    key_sets: KeySets
    clock: Callable[[], datetime]
    holder: str
    placeholders: frozenset[str]
    reached: Callable[[str], None] = lambda _point: None  # tests stop the process at a named point of custody
    openid: OpenIdProvider | None = None
    """Where people sign in, unless by local accounts."""
    tls: TlsFiles | None = None
    """Ours on the DICOM network, where there is TLS."""
    governed: Callable[["Runtime", Connection], None] = lambda _runtime, _connection: None
    """What follows from a governance act in its own transaction."""
    noted: dict[tuple[str, str | None], object] = field(default_factory=dict, repr=False)
    """Reader → what its sights were last found to be, by `sights`: at most each client with each of its purposes."""
    governance: GovernanceCache = field(default_factory=GovernanceCache)
    throttle: Throttle = field(default_factory=Throttle)
    asked: Rate = field(default_factory=Rate)
    """Of the callers of the federated search."""
    asking: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MOST_ASKING), repr=False)
    """Of questions to other repositories that somebody waits for."""
    drawn: Kept = field(default_factory=lambda: Kept(MOST_DRAWN), repr=False)

    @contextmanager
    def governance_act(self) -> Iterator[Connection]:
        """A governance act's durable transaction: one act at a time, so what it reads is true until it is kept."""
        with self.store.write() as connection:
            governance_rows.lock(connection)
            yield connection
            self.governed(self, connection)

    def visible_datasets(self, connection: Connection, caller: Caller, action: Action) -> VisibleDatasets:
        """The datasets on which this caller may do this now."""
        governance = caller.governance or self.governance.current(connection)
        return governance.visible_datasets(caller.subject, action, caller.purpose, self.clock())

    def node(self, connection: Connection, key: int) -> Node:
        """The node with this id, opened."""
        return self.node_of(self.governance.current(connection).node(key))

    def close(self) -> None:
        """End the children that draw, write what waits of the record of access, then let the database go."""
        self.pictures.close()
        self.accesses.close()
        self.store.close()
