"""Taking studies out at once, for the operator or their provider, and letting what was withdrawn or refused come again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from adapters.sql import blocks, custody, descriptions, feed, index, jobs
from adapters.sql.custody import CustodyRow
from adapters.sql.ledger import About, record
from consent.agreement import Side
from consent.conditions import Action
from consent.custody import WITHDRAWALS, State
from consent.dataset import Facts
from consent.entries import BlockLifted, StudyWithdrawn
from consent.person import ACTS, Act, may
from consent.policy import MATRIX, SENTENCES, decide
from consent.stop import cause_of, uncited
from mappings.failures import Conflict, Forbidden, Invalid, NotFound
from server.usecases.dataset import require_dataset
from server.usecases.naming import check_reason
from server.usecases.runtime import Caller, Runtime

PURGE = "purge"
"""The kind of job that deletes a withdrawn study's bytes and writes the receipt."""
MOST_STUDIES = 1000
"""Of one patient that one act takes out: each is a lock until all are out, of which PostgreSQL as it comes holds some 12,000."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a withdrawal takes out of one dataset: its alias, the studies, their objects and bytes."""

    alias: str
    studies: tuple[str, ...]
    objects: int
    size: int


def find_study(runtime: Runtime, study_uid: str, caller: Caller | None = None) -> Leaving:
    """A study that may be withdrawn, by the operator (None) or by this caller. Raises NotFound, Forbidden for who may none."""
    check_role(caller)
    with runtime.store.read() as connection:
        objects = custody.of_study(connection, study_uid)
        facts = allowed(runtime, connection, objects[0].dataset, caller) if objects else None
    if facts is None:
        raise _unknown()
    return _leaving(facts, (study_uid,), objects)


def _unknown() -> NotFound:
    return NotFound("study-unknown", "No object of this study is in care, or none of yours.", "study")


def find_patient(runtime: Runtime, alias: str, patient_id: str, caller: Caller | None = None) -> Leaving:
    """The studies of a dataset that are of this Patient ID, the provider's pseudonym; so too."""
    check_role(caller)
    with runtime.store.read() as connection:
        known = next((f.dataset for f in runtime.governance.current(connection).facts if f.alias == alias), None)
        facts = None if known is None else allowed(runtime, connection, known, caller)
        if facts is None:
            raise NotFound("dataset-unknown", "There is no dataset of this name, or none of yours.", "dataset")
        studies = custody.studies_of_patient(connection, facts.dataset, patient_id)
        if len(studies) > MOST_STUDIES:
            raise Conflict(
                "studies-many", f"More than {MOST_STUDIES} studies have this Patient ID. Withdraw them by study.", "patient"
            )
        objects = [row for uid in studies for row in custody.of_study(connection, uid)]
    if not studies:
        raise NotFound("patient-unknown", "No object of this dataset in care has this Patient ID.", "patient")
    return _leaving(facts, tuple(studies), objects)


def check_role(caller: Caller | None) -> None:
    """Raises Forbidden for who may withdraw nothing, whatever it is."""
    if caller is None or Action.WITHDRAW in MATRIX[caller.subject.role]:
        return
    if not any(Act.WITHDRAW in ACTS[role] for role in caller.actor.roles):
        raise Forbidden("role", SENTENCES["role"])


def allowed(runtime: Runtime, connection: Connection, dataset: int, caller: Caller | None) -> Facts | None:
    """The dataset's facts; None where this caller may not withdraw of it, as if it were not there."""
    facts = runtime.governance.current(connection).dataset(dataset)
    if caller is None or may(caller.actor, Act.WITHDRAW, facts.provider):
        return facts
    return facts if decide(caller.subject, Action.WITHDRAW, None, facts, runtime.clock()).allowed else None


def _leaving(facts: Facts, studies: tuple[str, ...], objects: Sequence[CustodyRow]) -> Leaving:
    return Leaving(facts.alias, studies, len(objects), sum(row.instance.size for row in objects))


@dataclass(frozen=True, slots=True)
class Wish:
    """How something is taken out: for which side, by whom, whether replacements are to come, and why.

    The repository's own act cites a `circumstance`; without one an operator does what the provider asked for.
    """

    actor: str
    replace: bool = False
    reason: str | None = None
    circumstance: str | None = None
    side: Side = Side.PROVIDER


def withdraw(
    runtime: Runtime,
    actor: str,
    leaving: Leaving,
    *,
    replace: bool = False,
    reason: str | None = None,
    circumstance: str | None = None,
) -> int:
    """Take studies out at once, all or none; their bytes are purged when their grace is over. Returns objects.

    Unless replacements are to come they are blocked. Raises NotFound where one of them is not in care by now.
    """
    side = Side.PROVIDER if circumstance is None else Side.REPOSITORY
    wish = Wish(actor, replace, check_reason(reason), circumstance, side)
    if circumstance and (wrong := uncited(Side.REPOSITORY, circumstance)):
        raise Invalid("circumstance", wrong, "circumstance")
    with runtime.store.write() as connection:
        moved = sum(take_out(runtime, connection, uid, leaving.alias, wish) for uid in sorted(leaving.studies))
        feed.tell_buried(connection, runtime.clock())  # once all are locked: the feed is locked last
    return moved


def withdraw_study(runtime: Runtime, actor: str, study_uid: str, *, replace: bool = False, reason: str | None = None) -> int:
    """Take one study out at once, as the operator. Returns objects; raises NotFound."""
    return withdraw(runtime, actor, find_study(runtime, study_uid), replace=replace, reason=reason)


def take_out(
    runtime: Runtime, connection: Connection, study_uid: str, alias: str, wish: Wish, until: datetime | None = None
) -> int:
    """Take one study out, whose bytes are kept `until` then (None: as long as the grace is); `feed.tell_buried` comes after.

    What is to be replaced is not kept: a node that has one file for a UID must lose the old one first.
    """
    now, (dataset, about) = runtime.clock(), require_dataset(connection, alias)
    custody.lock_study(connection, study_uid)
    objects = custody.of_study(connection, study_uid)
    if not objects or objects[0].dataset != dataset.id:  # since it was found it went, and may have come to another
        raise _unknown()
    until = until or (now if wish.replace else now + timedelta(days=runtime.settings.grace_days))
    index.remove_study(connection, study_uid, cause_of(wish.side, replace=wish.replace))
    moved = sum(custody.move(connection, WITHDRAWALS[row.state], row.id, now) for row in objects)  # one may begin to be released
    custody.keep_until(connection, study_uid, until)
    jobs.enqueue(connection, PURGE, study_uid, now, until)
    if not wish.replace:
        blocks.add(connection, dataset.id, State.WITHDRAWN, now, study_uid=study_uid)
    descriptions.ask(connection, alias, now, descriptions.DEPOSIT_SECONDS)
    record(connection, _entry(study_uid, alias, moved, wish, until), now, wish.actor, about)
    return moved


def _entry(study_uid: str, alias: str, moved: int, wish: Wish, until: datetime) -> StudyWithdrawn:
    said = {"replace": wish.replace, "reason": wish.reason, "circumstance": wish.circumstance}
    return StudyWithdrawn(study=study_uid, dataset=alias, objects=moved, side=wish.side, until=until, **said)  # type: ignore[arg-type]


def lift_block(runtime: Runtime, actor: str, uid: str) -> int:
    """Let what was withdrawn or refused under this UID come again; returns how many blocks were lifted."""
    with runtime.store.write() as connection:
        lifted = blocks.lift(connection, uid, runtime.clock())
        if not lifted:
            raise NotFound("block-unknown", "No block in force names this UID.", "block")
        record(connection, BlockLifted(uid=uid, blocks=lifted), runtime.clock(), actor, About())
    return lifted
