"""Taking studies out at once, for the operator or their provider, and letting what was withdrawn or refused come again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import blocks, custody, descriptions, feed, index
from adapters.sql.custody import CustodyRow
from adapters.sql.ledger import About, record
from consent.conditions import Action
from consent.custody import WITHDRAWALS, State
from consent.dataset import Facts
from consent.entries import BlockLifted, StudyWithdrawn
from consent.policy import MATRIX, SENTENCES, decide
from mappings.failures import Conflict, Forbidden, NotFound
from server.usecases.dataset import require_dataset
from server.usecases.naming import check_reason
from server.usecases.runtime import Caller, Runtime

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
    _check_role(caller)
    with runtime.store.read() as connection:
        objects = custody.of_study(connection, study_uid)
        facts = _allowed(runtime, connection, objects[0].dataset, caller) if objects else None
    if facts is None:
        raise _unknown()
    return _leaving(facts, (study_uid,), objects)


def _unknown() -> NotFound:
    return NotFound("study-unknown", "No object of this study is in care, or none of yours.", "study")


def find_patient(runtime: Runtime, alias: str, patient_id: str, caller: Caller | None = None) -> Leaving:
    """The studies of a dataset that are of this Patient ID, the provider's pseudonym; so too."""
    _check_role(caller)
    with runtime.store.read() as connection:
        known = next((f.dataset for f in runtime.governance.current(connection).facts if f.alias == alias), None)
        facts = None if known is None else _allowed(runtime, connection, known, caller)
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


def _check_role(caller: Caller | None) -> None:
    if caller is not None and Action.WITHDRAW not in MATRIX[caller.subject.role]:
        raise Forbidden("role", SENTENCES["role"])


def _allowed(runtime: Runtime, connection: Connection, dataset: int, caller: Caller | None) -> Facts | None:
    """The dataset's facts; None where this caller may not withdraw of it, as if it were not there."""
    facts = runtime.governance.current(connection).dataset(dataset)
    if caller is None or decide(caller.subject, Action.WITHDRAW, None, facts, runtime.clock()).allowed:
        return facts
    return None


def _leaving(facts: Facts, studies: tuple[str, ...], objects: Sequence[CustodyRow]) -> Leaving:
    return Leaving(facts.alias, studies, len(objects), sum(row.instance.size for row in objects))


def withdraw(runtime: Runtime, actor: str, leaving: Leaving, *, replace: bool = False, reason: str | None = None) -> int:
    """Take studies out at once, all or none; their bytes are purged after. Returns objects.

    Unless replacements are to come they are blocked. Raises NotFound where one of them is not in care by now.
    """
    why = check_reason(reason)
    with runtime.store.write() as connection:
        moved = sum(_withdraw(runtime, connection, actor, uid, leaving.alias, replace, why) for uid in sorted(leaving.studies))
        feed.tell_buried(connection, runtime.clock())  # once all are locked: the feed is locked last
    return moved


def withdraw_study(runtime: Runtime, actor: str, study_uid: str, *, replace: bool = False, reason: str | None = None) -> int:
    """Take one study out at once, as the operator. Returns objects; raises NotFound."""
    return withdraw(runtime, actor, find_study(runtime, study_uid), replace=replace, reason=reason)


def _withdraw(
    runtime: Runtime, connection: Connection, actor: str, study_uid: str, alias: str, replace: bool, reason: str | None
) -> int:
    now, (dataset, about) = runtime.clock(), require_dataset(connection, alias)
    custody.lock_study(connection, study_uid)
    objects = custody.of_study(connection, study_uid)
    if not objects or objects[0].dataset != dataset.id:  # since it was found it went, and may have come to another
        raise _unknown()
    index.remove_study(connection, study_uid)
    moved = sum(custody.move(connection, WITHDRAWALS[row.state], row.id, now) for row in objects)  # one may begin to be released
    if not replace:
        blocks.add(connection, dataset.id, State.WITHDRAWN, now, study_uid=study_uid)
    descriptions.ask(connection, alias, now, descriptions.DEPOSIT_SECONDS)
    entry = StudyWithdrawn(study=study_uid, dataset=alias, objects=moved, replace=replace, reason=reason)
    record(connection, entry, now, actor, about)
    return moved


def lift_block(runtime: Runtime, actor: str, uid: str) -> int:
    """Let what was withdrawn or refused under this UID come again; returns how many blocks were lifted."""
    with runtime.store.write() as connection:
        lifted = blocks.lift(connection, uid, runtime.clock())
        if not lifted:
            raise NotFound("block-unknown", "No block in force names this UID.", "block")
        record(connection, BlockLifted(uid=uid, blocks=lifted), runtime.clock(), actor, About())
    return lifted
