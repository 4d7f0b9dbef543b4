"""The hall behind three doors: C-STORE, STOW-RS and `accord push` open a batch, hand files over one by one, and close it.

A file is read and judged before anything is stored. Then custody, step by step: *claim* (a receiving row, seen by every door,
with a lease), *node* (stores, says yes when durable), *settle* (one durable transaction: the row, the index, the receipt); only
then does the sender hear yes. What is rejected leaves a receipt and nothing else. Recovery and release enter the same steps.
"""

import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.nodes.port import Node
from adapters.sql import batches, custody, index
from adapters.sql.custody import Bound, Kept
from adapters.sql.store import stamp
from consent import deposit
from consent.conditions import Action
from consent.deposit import Finding, Outcome, Verdict
from consent.policy import decide
from mappings.dicom.content import content_digest
from mappings.dicom.part10 import Unreadable, plain, read_part10
from mappings.failures import Busy, Conflict, Failure, Full, NotFound, TooLarge, Unavailable
from server.usecases.arrival import Arrival, read
from server.usecases.batch import Batch, Origin, facts_of
from server.usecases.hall import Hall
from server.usecases.objects import resting, whole

MEGABYTE = 1_000_000
TRIES = 4
_STOPS = {"node-not-linked": "node-not-linked", "agreement-out-of-period": "agreement-expired"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file: in words for a report, and in 64 characters for a DIMSE comment."""

    outcome: Outcome
    rule: str
    sentence: str
    short: str
    sop_class: str | None = None
    sop_uid: str | None = None
    study_uid: str | None = None


class _Changed(Exception):
    """Another door moved the same UID meanwhile: look again."""


def room_for(hall: Hall, size: int) -> None:
    """Raise Full where less than the configured space would be left, TooLarge past the size limit: before bytes are taken."""
    if size > hall.settings.max_object_mb * MEGABYTE:
        raise TooLarge("object-too-large", f"The object is larger than {hall.settings.max_object_mb} MB, the most taken here.")
    free = shutil.disk_usage(hall.settings.data_dir).free
    if free - 2 * size < hall.settings.min_free_mb * MEGABYTE:
        raise Full(
            "disk-nearly-full",
            "The repository is short of disk space and takes nothing now. Nothing was stored; try again later.",
        )


# --- one file


def take(hall: Hall, batch: Batch, name: str, file: memoryview) -> Taken:
    """Read, judge and keep one file. Raises Full, TooLarge, Busy or Unavailable where it can't be kept now: nothing is then."""
    room_for(hall, len(file))
    try:
        arrival = read(name, file, hall.placeholders)
    except Unreadable as bad:
        return refuse(hall, batch, name, file, bad.rule, bad.where or "")
    for attempt in range(TRIES):
        try:
            return _attempt(hall, batch, arrival)
        except _Changed:
            time.sleep(secrets.randbelow(100 << attempt) / 1000)  # two doors with the same bytes would take the claim in turns
    raise Busy("object-busy", deposit.sentence("retry-later"))


def _attempt(hall: Hall, batch: Batch, arrival: Arrival) -> Taken:
    with hall.store.read() as connection:
        stop = _stop(hall, connection, batch.origin)
        kept = custody.in_care(connection, arrival.object.sop_uid)
        finding = stop or _standing(connection, batch, arrival, kept)
    if finding is None and kept is not None:
        finding = _known(hall, kept, arrival)
    if finding == "known" and kept is not None:
        _mend(hall, kept, arrival)
        return _receipt(hall, batch, arrival, Verdict(Outcome.DUPLICATE, "known", (), ()))
    verdict = _verdict(arrival, batch.origin.attested, finding)
    if verdict.outcome is Outcome.REJECT:
        return _receipt(hall, batch, arrival, verdict)
    if kept is not None and kept.state == "review":
        return _supersede(hall, batch, arrival, verdict, kept)
    return _keep(hall, batch, arrival, verdict, kept)


def _stop(hall: Hall, connection: Connection, origin: Origin) -> str | None:
    """The rule by which nothing is taken for this dataset now."""
    decision = decide(origin.subject, Action.DEPOSIT, None, facts_of(hall, connection, origin.dataset), hall.clock())
    return None if decision.allowed else _STOPS.get(decision.rule, "agreement-inactive")


def _standing(connection: Connection, batch: Batch, arrival: Arrival, kept: Kept | None) -> str | None:
    """What custody says before any content is compared: the dataset first, so that nobody learns of another's data."""
    elsewhere, blocked = custody.standing(connection, batch.origin.dataset, arrival.object)
    if elsewhere or (kept is not None and kept.dataset != batch.origin.dataset):
        return "study-not-yours"
    return "blocked" if blocked else None


def _known(hall: Hall, kept: Kept, arrival: Arrival) -> str | None:
    """'known', 'content-conflict', or None where the arrival may take the row's place (superseding, or taking over)."""
    if kept.state == "receiving":
        if kept.object.file_digest == arrival.object.file_digest:  # to the byte: the row's place and digest must stay true
            return None
        if kept.lease is None or hall.clock().timestamp() * 1e6 < kept.lease:
            raise Busy("object-busy", deposit.sentence("retry-later"))
        raise _Changed
    if kept.object.digest == arrival.object.digest or _same_content(hall, kept, arrival):
        return "known"
    return "content-conflict" if kept.state == "held" else None


def _mend(hall: Hall, kept: Kept, arrival: Arrival) -> None:
    """Put back what the node has lost (a disk restored from yesterday), before a sender hears that it is here.

    Raises Unavailable where the arrival is not the lost file to the byte. A node that does not answer now has lost nothing.
    """
    node = resting(hall, kept)
    try:
        node.open(kept.place).close()
    except Unavailable:
        return
    except NotFound:
        if kept.object.file_digest != arrival.object.file_digest:
            raise Unavailable("node-lacks", "The node has lost its copy, and this one differs. The operator is told.") from None
        with hall.store.write() as connection:
            custody.lock_study(connection, kept.object.study_uid)  # a purge waits for this, and deletes what is put back
            if custody.in_care(connection, kept.object.sop_uid) != kept:
                raise _Changed from None
            try:
                node.store(arrival.item, arrival.file)
            except Failure as failure:
                raise _unstored(failure) from failure


def _same_content(hall: Hall, kept: Kept, arrival: Arrival) -> bool:
    """Whether the held object, read back, has the same elements and values (senders re-encode)."""
    try:
        held = whole(hall, kept)
        part10 = read_part10(held)
        theirs = content_digest(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax)
    except Failure as failure:
        raise Unavailable(
            "node-unavailable", "The held copy can't be read to compare with. Nothing was stored; try again."
        ) from failure
    return theirs == content_digest(arrival.dataset, arrival.part10.transfer_syntax)


def _verdict(arrival: Arrival, attested: bool, finding: str | None) -> Verdict:
    more = () if finding is None else (Finding(finding, ""),)
    if finding in _DOOR_REJECTS:
        return Verdict(Outcome.REJECT, finding or "", more, ())
    return deposit.verdict(arrival.seen.declared, attested, (*arrival.seen.findings, *more))


_DOOR_REJECTS = frozenset({"agreement-inactive", "agreement-expired", "node-not-linked"})


# --- custody


@dataclass(frozen=True, slots=True)
class _Berth:
    """Where an object is bound for: the node of its agreement, or the quarantine that lies with this Accord."""

    node: Node
    node_id: int
    quarantined: bool

    @property
    def state(self) -> str:
        """The custody state of what has come to rest here."""
        return "review" if self.quarantined else "held"

    def bound(self, batch: Batch, arrival: Arrival) -> Bound:
        """The same as custody writes it."""
        return Bound(
            batch.origin.dataset, self.node_id, batch.id, self.quarantined, self.node.place_of(arrival.item), arrival.name
        )


def _berth(hall: Hall, dataset: int, outcome: Outcome) -> _Berth:
    with hall.store.read() as connection:
        known = hall.governance(connection)
    name = next(f.node for f in known.facts if f.dataset == dataset)
    row = next(n for n in known.nodes.values() if n.name == name)
    quarantined = outcome is Outcome.REVIEW
    return _Berth(hall.quarantine if quarantined else hall.node_of(row), row.id, quarantined)


def _keep(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, kept: Kept | None) -> Taken:
    """Claim, node, settle."""
    berth = _berth(hall, batch.origin.dataset, verdict.outcome)
    if kept is not None and kept.quarantined is not berth.quarantined:
        raise Busy("object-busy", deposit.sentence("retry-later"))  # the other door judged it otherwise: its lease first
    claim = _claim(hall, batch, arrival, verdict, berth, kept)
    hall.reached("claimed")
    try:
        berth.node.store(arrival.item, arrival.file)
    except Failure as failure:
        give_up(hall, claim)
        raise _unstored(failure) from failure
    hall.reached("stored")
    try:
        with hall.store.write() as connection:
            settle(hall, connection, claim, arrival, berth, batch.origin)
            _write_receipt(hall, connection, batch, arrival, verdict)
            hall.reached("settling")
    except index.StudyElsewhere:
        abandon(hall, claim)
        raise _Changed from None
    hall.reached("settled")
    return _taken(arrival, verdict)


def _claim(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, berth: _Berth, kept: Kept | None) -> int:
    now, seen = hall.clock(), arrival.object
    lease = custody.lease_for(seen.size, now, hall.settings.lease_seconds)
    try:
        with hall.store.write(durable=False) as connection:
            custody.lock_study(connection, seen.study_uid)
            if _standing(connection, batch, arrival, kept):
                raise _Changed
            if kept is not None:
                if not custody.take_over(connection, kept.id, hall.holder, lease, batch.id, arrival.name):
                    raise _Changed
                return kept.id
            bound = berth.bound(batch, arrival)
            if not custody.reclaim(connection, bound):
                raise Busy("object-busy", deposit.sentence("retry-later"))
            return custody.claim(connection, seen, bound, rule=verdict.rule, holder=hall.holder, lease=lease, now=now)
    except IntegrityError:
        raise _Changed from None


def settle(hall: Hall, connection: Connection, claim: int, arrival: Arrival, berth: _Berth, origin: Origin) -> None:
    """Flip the claimed row and, for what is held, index it: in the caller's durable transaction. The stop binds here too."""
    now = hall.clock()
    _, blocked = custody.standing(connection, origin.dataset, arrival.object)
    if blocked or _stop(hall, connection, origin) or not custody.settle(connection, claim, hall.holder, berth.state, now):
        raise _Changed
    if not berth.quarantined:
        _index(hall, connection, claim, arrival, origin.dataset)


def _index(hall: Hall, connection: Connection, key: int, arrival: Arrival, dataset: int) -> None:
    facts = facts_of(hall, connection, dataset)
    party = hall.governance(connection).parties[facts.provider]
    where = {"dataset": dataset, "party": party, "provider": facts.provider, "custody": key, "now": hall.clock()}
    index.add(connection, arrival.header, arrival.metadata, **where)  # type: ignore[arg-type]


def _supersede(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, kept: Kept) -> Taken:
    """A corrected resend takes the place of an object in review: its bytes are safe first, then both rows move at once."""
    berth = _berth(hall, batch.origin.dataset, verdict.outcome)
    now, bound = hall.clock(), berth.bound(batch, arrival)
    with hall.store.write(durable=False) as connection:
        if not custody.reclaim(connection, bound):
            raise Busy("object-busy", deposit.sentence("retry-later"))
    try:
        berth.node.store(arrival.item, arrival.file)
    except Failure as failure:
        raise _unstored(failure) from failure
    with hall.store.write() as connection:
        custody.lock_study(connection, arrival.object.study_uid)
        if not custody.move(connection, kept.id, "review", "refusing", now) or _standing(connection, batch, arrival, None):
            raise _Changed
        claim = custody.claim(connection, arrival.object, bound, rule=verdict.rule, holder=hall.holder, lease=now, now=now)
        settle(hall, connection, claim, arrival, berth, batch.origin)
        _write_receipt(hall, connection, batch, arrival, verdict)
    return _taken(arrival, verdict)


_STAYS = "The object stays in review: its agreement or node takes nothing now, or its study is not free."


def keep_released(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, kept: Kept) -> None:
    """Review → receiving → held. Until it has settled the quarantine keeps the bytes, so a release cut off is a review again."""
    berth = _berth(hall, batch.origin.dataset, Outcome.PASS)
    now = hall.clock()
    lease = custody.lease_for(kept.object.size, now, hall.settings.lease_seconds)
    with hall.store.write(durable=False) as connection:
        if _stop(hall, connection, batch.origin):
            raise Conflict("release-stopped", _STAYS)  # before a byte goes to a node that may be unlinked
        if not custody.move(connection, kept.id, "review", "receiving", now, holder=hall.holder, lease=stamp(lease)):
            raise Conflict("object-moved", "Somebody else has decided about this object meanwhile.")
    hall.reached("releasing")
    try:
        place = berth.node.store(arrival.item, arrival.file)
        with hall.store.write() as connection:
            settle(hall, connection, kept.id, arrival, berth, batch.origin)
            custody.released(connection, kept.id, place, verdict.rule)
            _write_receipt(hall, connection, batch, arrival, verdict)
    except (Failure, _Changed, index.StudyElsewhere) as stopped:
        with hall.store.write() as connection:
            back = custody.move(connection, kept.id, "receiving", "review", hall.clock(), holder=None, lease=None)
        if back:  # else it is settled after all, or another door has it: then the node's copy is not ours to delete
            with suppress(Failure):
                berth.node.delete(berth.node.place_of(arrival.item))
        raise Conflict("release-stopped", _STAYS) from stopped
    hall.quarantine.delete(kept.place)


def settle_recovered(hall: Hall, batch: Batch, arrival: Arrival, kept: Kept) -> None:
    """Settle a claim that a crash left behind, where its bytes were bound for. Raises Conflict where it may not be kept."""
    outcome = Outcome.REVIEW if kept.quarantined else Outcome.PASS
    berth = _berth(hall, batch.origin.dataset, outcome)
    try:
        with hall.store.write() as connection:
            settle(hall, connection, kept.id, arrival, berth, batch.origin)
            if not batches.told(connection, kept.batch, arrival.object.sop_uid, str(outcome)):
                _write_receipt(hall, connection, batch, arrival, Verdict(outcome, kept.rule, tuple(arrival.seen.findings), ()))
    except (_Changed, index.StudyElsewhere):
        raise Conflict("recovery-stopped", "The object may not be kept any more.") from None


def give_up(hall: Hall, claim: int) -> None:
    """The node did not say yes: the worker asks it what became of the object, and forgets the row if it has nothing."""
    with hall.store.write(durable=False) as connection:
        custody.expire(connection, claim, hall.holder, hall.clock())


def abandon(hall: Hall, claim: int) -> None:
    """What may not be kept, and nobody was told yes of, goes with its bytes, unless another door has it meanwhile."""
    with hall.store.write() as connection:
        custody.abandon(connection, claim, hall.holder, hall.clock())


def forget(hall: Hall, claim: int) -> None:
    """Drop our receiving row: nothing of the object is kept."""
    with hall.store.write(durable=False) as connection:
        custody.drop(connection, claim, hall.holder)


def _unstored(failure: Failure) -> Failure:
    if isinstance(failure, Full | Busy):
        return failure
    if isinstance(failure, Conflict):
        return Unavailable(
            "node-holds-other",
            "The node holds other content under this UID, which this Accord did not put there. Ask the operator.",
        )
    return Unavailable("node-unavailable", "The node did not confirm the object. Nothing was stored; try again.")


# --- receipts


def _taken(arrival: Arrival, verdict: Verdict) -> Taken:
    h = arrival.header
    words = (deposit.sentence(verdict.rule), deposit.short(verdict.rule))
    return Taken(verdict.outcome, verdict.rule, *words, h.sop_class_uid, h.sop_instance_uid, h.study_instance_uid)


def _receipt(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict) -> Taken:
    with hall.store.write() as connection:
        _write_receipt(hall, connection, batch, arrival, verdict)
    return _taken(arrival, verdict)


def _write_receipt(hall: Hall, connection: Connection, batch: Batch, arrival: Arrival, verdict: Verdict) -> None:
    batches.receipt(
        connection,
        batch.id,
        name=arrival.name,
        study_uid=arrival.object.study_uid,
        sop_uid=arrival.object.sop_uid,
        digest=arrival.object.digest,
        size=arrival.object.size,
        outcome=str(verdict.outcome),
        rule=verdict.rule,
        findings=[(f.rule, f.where) for f in (*verdict.findings, *verdict.warnings)],
        now=hall.clock(),
    )


def refuse(hall: Hall, batch: Batch, name: str, file: memoryview, rule: str, where: str = "") -> Taken:
    """A receipt for a file that is refused unjudged; a stopped agreement is said first: it takes nothing, whatever it is."""
    with hall.store.write() as connection:
        rule = _stop(hall, connection, batch.origin) or rule
        batches.receipt(
            connection,
            batch.id,
            name=name,
            study_uid=None,
            sop_uid=None,
            digest=sha256(file).digest(),
            size=len(file),
            outcome=str(Outcome.REJECT),
            rule=rule,
            findings=[(rule, where)],
            now=hall.clock(),
        )
    return Taken(Outcome.REJECT, rule, deposit.sentence(rule), deposit.short(rule))
