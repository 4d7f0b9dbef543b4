"""Keeping a file by the three steps that `consent/custody.py` tells: claim, store, settle.

A new object and one that supersedes what waits in review are kept here; a release from quarantine and a recovery after a crash
end in the same `settle`. `Runtime.reached` is told of each point at which a process may die.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.nodes.port import Node
from adapters.sql import custody, descriptions, index, part_digests
from adapters.sql.blocks import find_blocks
from adapters.sql.custody import CustodyRow, Lease, Placement
from adapters.sql.node_syncs import SYNC
from consent.custody import Move
from consent.deposit import Outcome
from mappings.failures import Busy, Conflict, Failure, Full, Unavailable
from server.usecases import receipts
from server.usecases.admission import busy, find_refusal, find_stop
from server.usecases.parse import ParsedFile
from server.usecases.receipts import JudgedFile
from server.usecases.runtime import Runtime


class Changed(Exception):
    """Another door moved the same UID meanwhile: look again."""


@dataclass(frozen=True, slots=True)
class TargetNode:
    """Where an object is bound for: the node of its agreement, or the quarantine that lies with this Accord."""

    node: Node
    id: int
    quarantined: bool

    @property
    def settling(self) -> Move:
        """The move that settles what has come to rest here."""
        return Move.SETTLE_REVIEW if self.quarantined else Move.SETTLE_HELD

    def placement(self, judged: JudgedFile) -> Placement:
        """The same as custody writes it."""
        batch, place = judged.batch, self.node.place_of(judged.parsed.node_file)
        return Placement(batch.origin.dataset, self.id, batch.id, self.quarantined, place, judged.parsed.name)


# --- a new object


def keep(runtime: Runtime, judged: JudgedFile, row: CustodyRow | None) -> None:
    """Claim, store, settle; `row` is the claim that the same file takes over. Raises Changed, and what `take` raises."""
    target = target_node(runtime, judged)
    if row is not None and (row.quarantined is not target.quarantined or judged.batch.origin.door == SYNC):
        raise busy()  # the other door judged it otherwise, or is storing it on its node: its lease first
    claim = _claim(runtime, judged, target, row)
    runtime.reached("claimed")
    try:
        place = rest(target, judged)
    except Failure:
        give_up(runtime, claim)
        raise
    runtime.reached("stored")
    try:
        with runtime.store.write(durable=judged.batch.alone) as connection:
            settle(runtime, connection, claim, judged, target)
            if place != target.node.place_of(judged.parsed.node_file):  # what the node said counts, not what was expected
                custody.relocate(connection, claim, place, judged.verdict.rule)
            receipts.write(runtime, connection, judged)
            runtime.reached("settling")
    except index.StudyElsewhere:
        abandon(runtime, claim)
        raise Changed from None
    runtime.reached("settled")


def target_node(runtime: Runtime, judged: JudgedFile) -> TargetNode:
    """Where a file so judged belongs."""
    with runtime.store.read() as connection:
        row = runtime.governance.current(connection).host(judged.batch.origin.dataset)
    quarantined = judged.verdict.outcome is Outcome.REVIEW
    return TargetNode(runtime.quarantine if quarantined else runtime.node_of(row), row.id, quarantined)


def _claim(runtime: Runtime, judged: JudgedFile, target: TargetNode, row: CustodyRow | None) -> int:
    instance, batch, now = judged.parsed.instance, judged.batch, runtime.clock()
    lease = custody.lease_for(runtime.holder, instance.size, now, runtime.settings.lease_seconds)
    try:
        with runtime.store.write(durable=False) as connection:
            custody.lock_study(connection, instance.study_uid)
            if find_refusal(connection, batch.origin.dataset, instance, row):
                raise Changed
            if row is not None:
                if not custody.take_over(connection, row, lease, batch.id, judged.parsed.name):
                    raise Changed
                return row.id
            placement = target.placement(judged)
            if not custody.cancel_deletion(connection, instance, placement, now):
                raise busy()
            return custody.claim(connection, instance, placement, judged.verdict.rule, lease, now)
    except IntegrityError:
        raise Changed from None


def rest(target: TargetNode, judged: JudgedFile) -> str:
    """Have a file rest where it belongs; its place there. What its node held already is left as it lies. Raises as `store`."""
    if judged.batch.origin.door == SYNC and not target.quarantined:
        return judged.parsed.name
    return store(target.node, judged.parsed)


def store(node: Node, parsed: ParsedFile) -> str:
    """Have a node keep a file; its place. Raises Unavailable, Full or Busy."""
    try:
        return node.store(parsed.node_file, parsed.file)
    except Failure as failure:
        raise _unstored(failure) from failure


def _unstored(failure: Failure) -> Failure:
    if isinstance(failure, Full | Busy):
        return failure
    if isinstance(failure, Conflict):
        return Unavailable(
            "node-holds-other",
            "The node holds other content under this UID, which this Accord did not put there. Ask the operator.",
        )
    return Unavailable("node-unavailable", "The node did not confirm the object. Nothing was stored; try again.")


def settle(runtime: Runtime, connection: Connection, claim: int, judged: JudgedFile, target: TargetNode) -> None:
    """Settle our claim and index what is held, in the caller's durable transaction: a stop or a block binds here too.

    Raises Changed where it is not ours any more or may not be kept, and `index.StudyElsewhere`.
    """
    origin, parsed, now = judged.batch.origin, judged.parsed, runtime.clock()
    custody.lock_study(connection, parsed.instance.study_uid)  # a withdrawal under way is over, and its block is seen
    if find_blocks(connection, origin.dataset, parsed.instance).blocked or find_stop(runtime, connection, origin):
        raise Changed
    if not custody.move(connection, target.settling, claim, now, holder=runtime.holder):
        raise Changed
    if target.quarantined:
        return
    governance = runtime.governance.current(connection)
    provider = governance.dataset(origin.dataset).provider
    is_new = index.add(
        connection,
        parsed.header,
        parsed.metadata,
        dataset=origin.dataset,
        party=governance.parties[provider],
        provider=provider,
        custody=claim,
        now=now,
    )
    part_digests.keep(connection, claim, parsed.parts)
    if is_new:  # nothing that is counted of a dataset changes with an instance more
        descriptions.ask(connection, origin.alias, now, descriptions.DEPOSIT_SECONDS)


def give_up(runtime: Runtime, claim: int) -> None:
    """The node did not say yes: the worker asks it what became of the object, and forgets the row if it has nothing."""
    with runtime.store.write(durable=False) as connection:
        custody.end_lease(connection, claim, runtime.holder, runtime.clock())


def abandon(runtime: Runtime, claim: int) -> None:
    """What may not be kept, and nobody was told yes of, goes with its bytes, unless another door has it meanwhile."""
    with runtime.store.write() as connection:
        custody.move(connection, Move.ABANDON, claim, runtime.clock(), holder=runtime.holder)


# --- what is in our care already


def supersede(runtime: Runtime, judged: JudgedFile, row: CustodyRow) -> None:
    """A corrected resend takes the place of an object in review: its bytes are safe first, then both rows move at once."""
    target, instance, now = target_node(runtime, judged), judged.parsed.instance, runtime.clock()
    placement = target.placement(judged)
    with runtime.store.write(durable=False) as connection:
        if not custody.cancel_deletion(connection, instance, placement, now):
            raise busy()
    rest(target, judged)
    with runtime.store.write(durable=judged.batch.alone) as connection:
        custody.lock_study(connection, instance.study_uid)
        if not custody.move(connection, Move.SUPERSEDE, row.id, now):
            raise Changed
        if find_refusal(connection, judged.batch.origin.dataset, instance, None):
            raise Changed
        claim = custody.claim(connection, instance, placement, judged.verdict.rule, Lease(runtime.holder, now), now)
        settle(runtime, connection, claim, judged, target)
        receipts.write(runtime, connection, judged)
