"""Bringing in what a node held already: every file of its own goes through the same verdict as one that is sent.

What passes is left as it lies and is in our care from then on; what is to be reviewed is copied into quarantine; what is rejected
is told of and not indexed. First everything that the node holds is gone through, then what its feed says, and everything again as
often as its objects are looked for. What was judged once is not asked for again, so that one that was cut off goes on. What a
node has of its own is never deleted there.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from adapters.nodes.port import Changes, Node
from adapters.sql import custody, jobs, node_syncs
from adapters.sql import node as nodes
from adapters.sql.ledger import About, record
from adapters.sql.node import NodeRow
from adapters.sql.node_syncs import SYNC, NodeSync
from consent.conditions import Action
from consent.dataset import Facts
from consent.entries import NodeSynced
from consent.node import NodeState
from consent.policy import decide
from consent.subject import Role, Subject
from mappings.failures import Busy, Conflict, NotFound, TooLarge, Unavailable
from server.usecases.admission import check_room
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.job import Work
from server.usecases.naming import require
from server.usecases.read_back import CHUNK, gather
from server.usecases.receipts import DepositResult
from server.usecases.runtime import Runtime
from server.usecases.take import take

KIND = "sync"
MOST_PAGES = 1000
"""Pages of a feed that are read at a time, where it goes on."""
MOST_SILENT = 3
"""Files in a row that a node does not give; then it is the node that does not answer, and the rest is left for the next time."""

Looked = Callable[[int, int | None], None]
"""Told how many files have been looked at, of how many."""


@dataclass(slots=True)
class Synced:
    """What became of what a node held: the batch that tells of each file, where there was one; the places of those too large."""

    batch: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    too_large: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items())) or "nothing new"
        large = f", {len(self.too_large)} too large" if self.too_large else ""
        return f"{told}{large}{f'; batch {self.batch}' if self.batch else ''}."


def sync(runtime: Runtime, actor: str, name: str, alias: str, looked: Looked, *, again: bool = False) -> Synced:
    """Bring a node's own content into a dataset that it holds, now and from now on; `again`: also what was judged before.

    Raises NotFound, Conflict where this is not the dataset's node or it takes nothing, and Unavailable where the node does not
    give something: the next time goes on from there.
    """
    return _Bringing(runtime, _begin(runtime, actor, name, alias, again=again), looked).run()


def go_on(runtime: Runtime, name: str, looked: Looked, *, sweep: bool = False) -> Synced | None:
    """Bring in what has come to a node since, or with `sweep` whatever it holds; None where nothing of it is to be brought in.

    Raises what `sync` raises.
    """
    with runtime.store.read() as connection:
        row = nodes.find(connection, name)
        begun = node_syncs.find(connection, row.id) if row else None
    if row is None or begun is None or row.state is not NodeState.LINKED:
        return None
    return _Bringing(runtime, replace(begun, swept=None) if sweep else begun, looked).run()


def end_sync(runtime: Runtime, actor: str, name: str) -> None:
    """Leave a node's own content alone from now on; what came stays. Raises NotFound, and Conflict where it is left alone."""
    with runtime.governance_act() as connection:
        node = require(nodes.find(connection, name), "node", name)
        before = node_syncs.find(connection, node.id)
        if before is None:
            raise Conflict("node-not-synced", f"Nothing of node {name} is brought in.", "node")
        node_syncs.end(connection, node.id)
        if (waiting := jobs.find_open(connection, KIND, name)) is not None:
            jobs.cancel(connection, waiting, runtime.clock())
        _record(runtime, connection, actor, name, before.dataset, ended=True)


def follow(runtime: Runtime, work: Work) -> str:
    """The job that brings in what has come to a node since it was last looked at; that a dataset takes nothing is no fault."""
    try:
        synced = go_on(runtime, work.subject, work.progress)
    except Conflict as stop:
        return f"Not all was looked at: {stop.sentence}"
    return "Not looked at: the node is not linked, or nothing of it is brought in." if synced is None else str(synced)


def _begin(runtime: Runtime, actor: str, name: str, alias: str, *, again: bool) -> NodeSync:
    now = runtime.clock()
    with runtime.governance_act() as connection:
        node, facts = require(nodes.find(connection, name), "node", name), runtime.governance.current(connection).facts
        dataset = require(next((f for f in facts if f.alias == alias), None), "dataset", alias)
        _check(dataset, node, before := node_syncs.find(connection, node.id))
        if before is None or again:
            node_syncs.begin(connection, node.id, dataset.dataset, actor, now)
            _record(runtime, connection, actor, name, dataset.dataset, ended=False)
        jobs.enqueue(connection, KIND, name, now, now + timedelta(minutes=runtime.settings.sync_minutes))
        return require(node_syncs.find(connection, node.id), "node", name)


def _record(runtime: Runtime, connection: Connection, actor: str, name: str, dataset: int, *, ended: bool) -> None:
    governance = runtime.governance.current(connection)
    entry = NodeSynced(node=name, dataset=governance.dataset(dataset).alias, ended=ended)
    record(connection, entry, runtime.clock(), actor, About(governance.owner(dataset), dataset))


def _check(dataset: Facts, node: NodeRow, before: NodeSync | None) -> None:
    _check_node(dataset, node)
    if before is not None and before.dataset != dataset.dataset:
        raise Conflict("node-synced", f"What node {node.name} holds is brought into another dataset; end that first.", "dataset")


def _check_node(dataset: Facts, node: NodeRow) -> None:
    if dataset.node != node.name:
        raise Conflict("node-not-its-own", f"Dataset {dataset.alias} rests on node {dataset.node}.", "dataset")


class _Bringing:
    """One run: the node that is gone through, and the batch that is opened when there is something for it."""

    def __init__(self, runtime: Runtime, sync: NodeSync, looked: Looked) -> None:
        self._runtime, self._sync, self._looked = runtime, sync, looked
        with runtime.store.read() as connection:
            governance = runtime.governance.current(connection)
        self._row, facts = governance.node(sync.node), governance.dataset(sync.dataset)
        self._node: Node = runtime.node_of(self._row)
        sender = Subject(sync.actor, Role.SENDER, facts.provider)
        self._origin = Origin(SYNC, sender, sync.dataset, facts.alias, self._row.name, "", "", attested=False)
        self._batch: Batch | None = None
        self._done, self._silence, self._missed = 0, 0, list[Busy | Unavailable]()
        self._synced = Synced()

    def run(self) -> Synced:
        """Go through what is due, and keep how far that was. Raises what `sync` raises, when all that was given is in."""
        self._check_open()
        try:
            self._run(self._node.changes(None))
        finally:
            if self._batch is not None:
                close_batch(self._runtime, self._batch.id)
        return self._synced

    def _run(self, end: Changes | None) -> None:
        since = self._sync.since
        if end is None or since is None or end.last < since or self._is_due():
            known = self._in_care() | self._judged()
            self._bring(sorted({place for place in self._node.places() if place not in known}))
            self._keep(None if end is None else end.last, swept=True)
        elif end.last > since:
            known = self._in_care()  # what was rejected and is told of may have come otherwise
            for page in _feed(self._node, since, end.last):
                self._bring([place for place in page.places if place not in known])
                self._keep(page.last, swept=False)

    def _is_due(self) -> bool:
        period = timedelta(days=self._runtime.settings.presence_days)
        return self._sync.swept is None or self._sync.swept + period <= self._runtime.clock()

    def _in_care(self) -> set[str]:
        with self._runtime.store.read() as connection:
            return set(custody.places(connection, self._row.id))

    def _judged(self) -> set[str]:
        with self._runtime.store.read() as connection:
            return node_syncs.presented(connection, self._row.name, self._sync.begun)

    def _bring(self, places: list[str]) -> None:
        total = self._done + len(places)
        for place in places:
            self._check_open()
            self._try(place)
            self._done += 1
            self._looked(self._done, total)
        if self._missed:
            raise self._missed[-1]

    def _try(self, place: str) -> None:
        """One file; what its node does not give now is looked for again, and one that has gone meanwhile is nobody's."""
        try:
            taken = self._take(place)
        except NotFound:
            return
        except TooLarge:
            self._synced.too_large.append(place)
        except (Busy, Unavailable) as failure:
            self._missed.append(failure)
            self._silence += 1
            if self._silence == MOST_SILENT:
                raise
        else:
            self._silence = 0
            self._synced.counts[str(taken.outcome)] += 1

    def _take(self, place: str) -> DepositResult:
        size = self._node.size(place)
        check_room(self._runtime, size or 0)
        with self._node.open(place, size) as source:
            file = gather(self._runtime, size, iter(partial(source.read, CHUNK), b""))
        if self._batch is None:
            self._batch = open_batch(self._runtime, self._origin)
            self._synced.batch = self._batch.key
        return take(self._runtime, self._batch, place, file)

    def _check_open(self) -> None:
        """Raise Conflict where the dataset takes nothing now: of what is left nothing is judged."""
        with self._runtime.store.read() as connection:
            facts = self._runtime.governance.current(connection).dataset(self._origin.dataset)
        _check_node(facts, self._row)
        decision = decide(self._origin.subject, Action.DEPOSIT, None, facts, self._runtime.clock())
        if not decision.allowed:
            raise Conflict(decision.rule, decision.sentence, "dataset")

    def _keep(self, since: int | None, *, swept: bool) -> None:
        now = self._runtime.clock()
        with self._runtime.store.write(durable=False) as connection:
            node_syncs.advance(connection, self._sync, since, now if swept else None)


def _feed(node: Node, since: int, end: int) -> Iterator[Changes]:
    """What the node tells behind this place, to where its feed ended before: what comes meanwhile is for the next time."""
    for _ in range(MOST_PAGES):
        page = node.changes(since)
        if page is None:
            return
        yield page
        if page.ended or page.last <= since or page.last >= end:
            return
        since = page.last
