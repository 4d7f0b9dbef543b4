"""The hall behind three doors: C-STORE, STOW-RS and `accord push` open a batch, hand files over one by one, and close it.

A file is read and judged before anything is stored. Then custody, step by step: *claim* (a receiving row, seen by every door,
with a lease), *node* (stores, says yes when durable), *settle* (one durable transaction: the row, the index, the receipt); only
then does the sender hear yes. What is rejected leaves a receipt and nothing else. Recovery and release enter the same steps.
"""

import ipaddress
import secrets
import shutil
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from adapters.nodes.port import Item, Node
from adapters.sql import batches, custody, governance, index
from adapters.sql.custody import Bound, Kept, Object
from adapters.sql.ledger import About, record
from adapters.sql.store import stamp
from consent import deposit
from consent.agreement import Facts
from consent.conditions import Action
from consent.deposit import Finding, Outcome, Verdict
from consent.entries import Kind
from consent.policy import decide
from consent.subject import Role, Subject
from mappings.dicom.content import content_digest
from mappings.dicom.deidentification import Observations, observe
from mappings.dicom.fragment import BASE, instance_fragment
from mappings.dicom.header import Header, read_header
from mappings.dicom.part10 import Part10, Unreadable, plain, read_part10
from mappings.failures import Busy, Conflict, Failure, Full, TooLarge, Unavailable
from server.usecases.hall import Hall
from server.usecases.objects import whole

MEGABYTE = 1_000_000
TRIES = 4
_STOPS = {"node-not-linked": "node-not-linked", "agreement-out-of-period": "agreement-expired"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch comes from: the door, the peer and AE titles, the subject, the dataset it is for, and whether it is attested."""

    door: str
    subject: Subject
    dataset: int
    alias: str
    peer: str
    calling: str
    called: str
    attested: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """An open batch; `key` is what its provider calls it."""

    id: int
    key: str
    origin: Origin


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


@dataclass(frozen=True, slots=True)
class Arrival:
    """One file read: its parts, what the index keeps of it, and what it says of its de-identification."""

    name: str
    file: memoryview
    part10: Part10
    dataset: memoryview
    header: Header
    seen: Observations
    object: Object

    @property
    def item(self) -> Item:
        """What a node is told of it."""
        o = self.object
        return Item(o.sop_uid, o.study_uid, o.series_uid, o.patient_id, o.file_digest, o.size)


class _Changed(Exception):
    """Another door moved the same UID meanwhile: look again."""


# --- batches


def sender_origin(hall: Hall, called: str, calling: str, address: str) -> Origin | str:
    """The origin of an association, or why it is rejected: 'unknown-called', 'unknown-calling'."""
    with hall.store.read() as connection:
        if all(f.alias != called for f in hall.governance(connection).facts):
            return "unknown-called"
        plain_address = str(getattr(ipaddress.ip_address(address), "ipv4_mapped", None) or address)
        sender = governance.sender(connection, called, calling, plain_address)
    if sender is None:
        return "unknown-calling"
    subject = Subject(f"sender:{sender.id}", Role.SENDER, sender.party)
    return Origin("dimse", subject, sender.dataset, sender.alias, plain_address, calling, called, sender.attested)


def open_batch(hall: Hall, origin: Origin) -> Batch:
    """Open a batch, with its entry in the ledger."""
    now, key = hall.clock(), secrets.token_hex(8)
    with hall.store.write() as connection:
        facts = _facts(hall, connection, origin.dataset)
        values = {"door": origin.door, "dataset": origin.dataset, "subject": origin.subject.id, "peer": origin.peer}
        names = {"calling": origin.calling, "called": origin.called, "attested": origin.attested, "held_by": hall.holder}
        batch = batches.opened(connection, now, key=key, **values, **names)
        party = hall.governance(connection).parties[facts.provider]
        said = {
            "batch": key,
            "dataset": origin.alias,
            "provider": facts.provider,
            "door": origin.door,
            "calling": origin.calling or None,
        }
        record(connection, Kind.BATCH_OPENED, now, origin.subject.id, said, About(party, origin.dataset, batch))
    return Batch(batch, key, origin)


def close_batch(hall: Hall, batch: int) -> None:
    """Close a batch and write what it brought to the ledger; nothing happens where it is closed already."""
    now = hall.clock()
    with hall.store.write() as connection:
        row = batches.by_id(connection, batch)
        if row is None or not batches.close(connection, batch, now):
            return
        facts = _facts(hall, connection, row.dataset)
        counts = batches.counts(connection, batch)
        outcomes = {o: sum(n for (outcome, _), n in counts.items() if outcome == o) for o in sorted({o for o, _ in counts})}
        said = {
            "batch": row.key,
            "dataset": row.alias,
            "provider": row.provider,
            "door": row.door,
            "files": sum(outcomes.values()),
            "outcomes": outcomes,
            "studies": batches.studies(connection, batch),
            "digest": batches.digest(connection, batch).hex(),
            "agreement": f"{facts.agreement}@{facts.version}",
            "terms": facts.terms,
        }
        record(connection, Kind.BATCH_CLOSED, now, row.subject, said, About(row.party, row.dataset, batch))


def _facts(hall: Hall, connection: Connection, dataset: int) -> Facts:
    return next(f for f in hall.governance(connection).facts if f.dataset == dataset)


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
    """Read, judge and keep one file. Raises Full, TooLarge, Busy or Unavailable where it can't be kept now; nothing is kept then."""
    room_for(hall, len(file))
    try:
        arrival = read(name, file, hall.placeholders)
    except Unreadable as bad:
        return _refused(hall, batch, name, file, bad)
    for _ in range(TRIES):
        try:
            return _attempt(hall, batch, arrival)
        except _Changed:
            continue
    raise Busy("object-busy", deposit.sentence("retry-later"))


def read(name: str, file: memoryview, placeholders: frozenset[str]) -> Arrival:
    """A file as an arrival. Raises Unreadable."""
    part10 = read_part10(file)
    dataset = plain(part10.dataset, part10.transfer_syntax)
    header = read_header(dataset, part10.transfer_syntax)
    seen = observe(dataset, part10.transfer_syntax, placeholders=placeholders, preamble_zero=part10.preamble_zero)
    known = Object(
        sop_uid=header.sop_instance_uid,
        series_uid=header.series_instance_uid,
        study_uid=header.study_instance_uid,
        patient_id=header.patient_id or "",
        digest=sha256(part10.dataset).digest(),
        file_digest=sha256(file).digest(),
        size=len(file),
        dataset_start=part10.dataset_start,
        transfer_syntax=part10.transfer_syntax,
    )
    return Arrival(name, file, part10, dataset, header, seen, known)


def _attempt(hall: Hall, batch: Batch, arrival: Arrival) -> Taken:
    with hall.store.read() as connection:
        stop = _stop(hall, connection, batch.origin)
        kept = custody.in_care(connection, arrival.object.sop_uid)
        finding = stop or _standing(connection, batch, arrival, kept)
    if finding is None and kept is not None:
        finding = _known(hall, kept, arrival)
    if finding == "known":
        return _receipt(hall, batch, arrival, Verdict(Outcome.DUPLICATE, "known", (), ()))
    verdict = _verdict(arrival, batch.origin.attested, finding)
    if verdict.outcome is Outcome.REJECT:
        return _receipt(hall, batch, arrival, verdict)
    if kept is not None and kept.state == "review":
        return _supersede(hall, batch, arrival, verdict, kept)
    return _keep(hall, batch, arrival, verdict, kept)


def _stop(hall: Hall, connection: Connection, origin: Origin) -> str | None:
    """The rule by which nothing is taken for this dataset now."""
    decision = decide(origin.subject, Action.DEPOSIT, None, _facts(hall, connection, origin.dataset), hall.clock())
    return None if decision.allowed else _STOPS.get(decision.rule, "agreement-inactive")


def _standing(connection: Connection, batch: Batch, arrival: Arrival, kept: Kept | None) -> str | None:
    """What custody says of the object before its content is compared: the dataset first, so that nobody learns of another's data."""
    elsewhere, blocked = custody.standing(connection, batch.origin.dataset, arrival.object)
    if elsewhere or (kept is not None and kept.dataset != batch.origin.dataset):
        return "study-not-yours"
    return "blocked" if blocked else None


def _known(hall: Hall, kept: Kept, arrival: Arrival) -> str | None:
    """'known', 'content-conflict', or None where the arrival may take the row's place (superseding, or taking over)."""
    same = kept.object.digest == arrival.object.digest or _same_content(hall, kept, arrival)
    if kept.state == "receiving":
        if same:
            return None
        if kept.lease is None or hall.clock().timestamp() * 1e6 < kept.lease:
            raise Busy("object-busy", deposit.sentence("retry-later"))
        raise _Changed
    if same:
        return "known"
    return "content-conflict" if kept.state == "held" else None


def _same_content(hall: Hall, kept: Kept, arrival: Arrival) -> bool:
    """Whether the held object, read back, has the same elements and values (senders re-encode)."""
    if kept.state == "receiving":
        return False
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
        return Bound(batch.origin.dataset, self.node_id, batch.id, self.quarantined, self.node.place_of(arrival.item))


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
        _give_up(hall, claim)
        raise _unstored(failure) from failure
    hall.reached("stored")
    try:
        with hall.store.write() as connection:
            settle(hall, connection, claim, arrival, berth, batch.origin)
            _write_receipt(hall, connection, batch, arrival, verdict)
            hall.reached("settling")
    except index.StudyElsewhere:
        berth.node.delete(berth.node.place_of(arrival.item))
        forget(hall, claim)
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
                if not custody.take_over(connection, kept.id, hall.holder, lease, batch.id):
                    raise _Changed
                return kept.id
            bound = berth.bound(batch, arrival)
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
    facts = _facts(hall, connection, dataset)
    party = hall.governance(connection).parties[facts.provider]
    where = {"dataset": dataset, "party": party, "provider": facts.provider, "custody": key, "now": hall.clock()}
    index.add(connection, arrival.header, metadata_of(arrival), **where)  # type: ignore[arg-type]


def metadata_of(arrival: Arrival) -> bytes:
    """The instance's full DICOM JSON, its bulk data at the URIs of `/dicom-web`."""
    h = arrival.header
    path = f"{BASE}/studies/{h.study_instance_uid}/series/{h.series_instance_uid}/instances/{h.sop_instance_uid}/bulkdata"
    return instance_fragment(arrival.dataset, arrival.part10.transfer_syntax, path)


def _supersede(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, kept: Kept) -> Taken:
    """A corrected resend takes the place of an object in review: its bytes are safe before the old row moves, in one transaction."""
    berth = _berth(hall, batch.origin.dataset, verdict.outcome)
    try:
        berth.node.store(arrival.item, arrival.file)
    except Failure as failure:
        raise _unstored(failure) from failure
    now, bound = hall.clock(), berth.bound(batch, arrival)
    with hall.store.write() as connection:
        custody.lock_study(connection, arrival.object.study_uid)
        if not custody.move(connection, kept.id, "review", "refusing", now) or _standing(connection, batch, arrival, None):
            raise _Changed
        claim = custody.claim(connection, arrival.object, bound, rule=verdict.rule, holder=hall.holder, lease=now, now=now)
        settle(hall, connection, claim, arrival, berth, batch.origin)
        _write_receipt(hall, connection, batch, arrival, verdict)
    return _taken(arrival, verdict)


def keep_released(hall: Hall, batch: Batch, arrival: Arrival, verdict: Verdict, kept: Kept) -> None:
    """Review → receiving → held. Until it has settled the quarantine keeps the bytes, so a release cut off is a review again."""
    berth = _berth(hall, batch.origin.dataset, Outcome.PASS)
    now = hall.clock()
    lease = custody.lease_for(kept.object.size, now, hall.settings.lease_seconds)
    with hall.store.write(durable=False) as connection:
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
            custody.move(connection, kept.id, "receiving", "review", hall.clock(), holder=None, lease=None)
        raise Conflict(
            "release-stopped", "The object stays in review: its agreement or node takes nothing now, or its study is not free."
        ) from stopped
    hall.quarantine.delete(kept.place)


def settle_recovered(hall: Hall, batch: Batch, arrival: Arrival, kept: Kept) -> None:
    """Settle a claim that a crash left behind, where its bytes were bound for. Raises Conflict where it may not be kept any more."""
    outcome = Outcome.REVIEW if kept.quarantined else Outcome.PASS
    berth = _berth(hall, batch.origin.dataset, outcome)
    try:
        with hall.store.write() as connection:
            settle(hall, connection, kept.id, arrival, berth, batch.origin)
            if not batches.told(connection, kept.batch, arrival.object.sop_uid, str(outcome)):
                _write_receipt(hall, connection, batch, arrival, Verdict(outcome, kept.rule, tuple(arrival.seen.findings), ()))
    except (_Changed, index.StudyElsewhere):
        raise Conflict("recovery-stopped", "The object may not be kept any more.") from None


def _give_up(hall: Hall, claim: int) -> None:
    """The node did not say yes: the worker asks it what became of the object, and forgets the row if it has nothing."""
    with hall.store.write(durable=False) as connection:
        custody.expire(connection, claim, hall.holder, hall.clock())


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


def _refused(hall: Hall, batch: Batch, name: str, file: memoryview, bad: Unreadable) -> Taken:
    """A file that can't be read; a stopped agreement is said first, so that nothing is judged for a dataset that takes nothing."""
    with hall.store.write() as connection:
        rule = _stop(hall, connection, batch.origin) or bad.rule
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
            findings=[(rule, bad.where or "")],
            now=hall.clock(),
        )
    return Taken(Outcome.REJECT, rule, deposit.sentence(rule), deposit.short(rule))
