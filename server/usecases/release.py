"""What a person decides about quarantined objects: release them, which settles them as any other deposit, or refuse them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import batches, blocks, custody, index
from adapters.sql.batches import BatchRow
from adapters.sql.blocks import find_blocks
from adapters.sql.custody import CustodyRow
from adapters.sql.ledger import About, record
from consent.custody import Move, State
from consent.deposit import BY_CODE, Code, Outcome, Verdict
from consent.entries import BatchDecided
from consent.subject import Role, Subject
from mappings.failures import Conflict, Failure, Forbidden, NotFound
from server.usecases import receipts
from server.usecases.admission import find_stop
from server.usecases.batch import Batch, Origin, close_batch, open_batch
from server.usecases.job import Work
from server.usecases.keep import Changed, settle, target_node
from server.usecases.naming import check_reason
from server.usecases.parse import parse_file
from server.usecases.read_back import read_back
from server.usecases.receipts import JudgedFile
from server.usecases.runtime import Runtime

KIND = "release"
"""The kind of job that releases what two persons decided on."""
SAMPLE = 5
"""Objects that are named of those a decision is about."""


@dataclass(frozen=True, slots=True)
class Decided:
    """How many objects a release or refusal moved, and the key of the batch that says so (a refusal has none of its own)."""

    objects: int
    batch: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a decision on a batch would be about: its dataset and node, objects and bytes, objects by rule, some SOP UIDs."""

    alias: str
    node: str
    objects: int
    size: int
    rules: Mapping[str, int]
    sample: tuple[str, ...]


def read_waiting(runtime: Runtime, key: str, sop_uids: frozenset[str] = frozenset()) -> Waiting:
    """What waits in a batch, or the named objects of it. Raises NotFound, and Conflict where nothing does."""
    row, waiting = _batch(runtime, key)
    chosen = _choose(waiting, sop_uids)
    with runtime.store.read() as connection:
        node = runtime.governance.current(connection).host(row.dataset).name
    rules = Counter(each.rule for each in chosen)
    sample = tuple(each.instance.sop_uid for each in chosen[:SAMPLE])
    return Waiting(row.alias, node, len(chosen), sum(each.instance.size for each in chosen), rules, sample)


def _batch(runtime: Runtime, key: str) -> tuple[BatchRow, list[CustodyRow]]:
    with runtime.store.read() as connection:
        row = batches.by_key(connection, key)
        if row is None:
            raise NotFound("batch-unknown", "There is no batch with this key.", "batch")
        waiting = custody.in_review(connection, row.id)
    if not waiting:
        raise Conflict("batch-empty", "Nothing of this batch waits for review.", "batch")
    return row, waiting


def needs_two(rules: Iterable[str]) -> bool:
    """Whether two persons decide on objects that wait by these rules: undeclared, one of them would have been rejected."""
    return any(BY_CODE[Code(rule)].outcome_undeclared is Outcome.REJECT for rule in rules)


def release_decided(runtime: Runtime, work: Work) -> str:
    """Release a batch that two persons decided on, as who confirmed it."""
    key, _, actor = work.subject.partition(" ")
    return f"{release(runtime, actor, key, by_two=True).objects} objects released"


def release(
    runtime: Runtime,
    actor: str,
    key: str,
    sop_uids: frozenset[str] = frozenset(),
    reason: str | None = None,
    *,
    by_two: bool = False,
) -> Decided:
    """Release what waits in a batch, or the named objects of it: to its node and into the index, under a batch of its own.

    Raises Forbidden for what two persons decide on, unless they did.
    """
    why, (row, waiting) = check_reason(reason), _batch(runtime, key)
    chosen = _choose(waiting, sop_uids)
    if not by_two and needs_two(each.rule for each in chosen):
        raise Forbidden("two-persons", f"Two persons decide on this: accord admin proposal make release batch={key}.", "batch")
    subject = Subject(actor, Role.SENDER, row.provider)
    batch = open_batch(runtime, Origin("release", subject, row.dataset, row.alias, "", row.key, "", row.attested))
    released = 0
    try:
        for each in chosen:
            _release(runtime, batch, each)
            released += 1
    finally:
        close_batch(runtime, batch.id)
        if released:  # what was released before one stopped is released
            with runtime.store.write() as connection:
                _record(runtime, connection, actor, "release", row, released, why)
    return Decided(released, batch.key)


def _choose(waiting: list[CustodyRow], sop_uids: frozenset[str]) -> list[CustodyRow]:
    missing = sop_uids - {w.instance.sop_uid for w in waiting}
    if missing:
        raise NotFound("object-unknown", f"No object {min(missing)} of this batch waits for review.", "object")
    return [w for w in waiting if not sop_uids or w.instance.sop_uid in sop_uids]


_STAYS = "The object stays in review: its agreement or node takes nothing now, or its study is not free."
_GOES = "The object was withdrawn or refused while it was being released, so it goes."


def _release(runtime: Runtime, batch: Batch, row: CustodyRow) -> None:
    parsed = parse_file(row.name, read_back(runtime, row.copy), runtime.placeholders)
    _keep_released(runtime, JudgedFile(batch, parsed, Verdict(Outcome.PASS, Code.RELEASED, parsed.seen.findings, ())), row)


def _keep_released(runtime: Runtime, judged: JudgedFile, row: CustodyRow) -> None:
    """Review → receiving → held. Until it has settled the quarantine keeps the bytes, so a release cut off is a review again."""
    target, node_file = target_node(runtime, judged), judged.parsed.node_file
    _begin_release(runtime, judged.batch, row)
    runtime.reached("releasing")
    try:
        place = target.node.store(node_file, judged.parsed.file)
        with runtime.store.write() as connection:
            settle(runtime, connection, row.id, judged, target)
            custody.relocate(connection, row.id, place, judged.verdict.rule)
            receipts.write(runtime, connection, judged)
    except (Failure, Changed, index.StudyElsewhere) as stopped:
        with runtime.store.write() as connection:
            custody.lock_study(connection, row.instance.study_uid)
            blocked = find_blocks(connection, row.dataset, row.instance).blocked  # who withdrew its study did not see it: it goes
            by = Move.ABANDON if blocked else Move.SETTLE_REVIEW
            back = custody.move(connection, by, row.id, runtime.clock(), holder=runtime.holder)
        if back:  # else it is settled after all, or another door has it: then the node's copy is not ours to delete
            with suppress(Failure):
                target.node.delete(target.node.place_of(node_file))
        raise Conflict("release-stopped", _GOES if blocked else _STAYS) from stopped
    runtime.quarantine.delete(row.place)


def _begin_release(runtime: Runtime, batch: Batch, row: CustodyRow) -> None:
    now = runtime.clock()
    lease = custody.lease_for(runtime.holder, row.instance.size, now, runtime.settings.lease_seconds)
    with runtime.store.write(durable=False) as connection:
        if find_stop(runtime, connection, batch.origin):
            raise Conflict("release-stopped", _STAYS)  # before a byte goes to a node that may be unlinked
        if not custody.move(connection, Move.RELEASE, row.id, now, lease=lease):
            raise Conflict("object-moved", "Somebody else has decided about this object meanwhile.")


def refuse(runtime: Runtime, actor: str, key: str, sop_uids: frozenset[str] = frozenset(), reason: str | None = None) -> Decided:
    """Refuse what waits in a batch: its bytes go, and the same content is rejected by name until the block is lifted."""
    why, (row, waiting) = check_reason(reason), _batch(runtime, key)
    chosen, now = _choose(waiting, sop_uids), runtime.clock()
    with runtime.store.write() as connection:
        refused = [each.instance for each in chosen if custody.move(connection, Move.REFUSE, each.id, now)]
        if not refused:
            raise Conflict("object-moved", "Somebody else has decided about this meanwhile.")
        for instance in refused:
            blocks.add(connection, row.dataset, State.REFUSED, now, sop_uid=instance.sop_uid, digest=instance.digest)
        _record(runtime, connection, actor, "refuse", row, len(refused), why)
    return Decided(len(refused), row.key)


def _record(
    runtime: Runtime, connection: Connection, actor: str, verb: str, row: BatchRow, objects: int, reason: str | None
) -> None:
    entry = BatchDecided(verb=verb, batch=row.key, dataset=row.alias, objects=objects, reason=reason)
    record(connection, entry, runtime.clock(), actor, About(row.party, row.dataset, row.id))
