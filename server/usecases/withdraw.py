"""Taking a study out at once, and letting what was withdrawn or refused come again."""

from adapters.sql import blocks, custody, descriptions, index
from adapters.sql.ledger import About, record
from consent.custody import WITHDRAWALS, State
from consent.entries import BlockLifted, StudyWithdrawn
from mappings.failures import NotFound
from server.usecases.dataset import require_dataset
from server.usecases.runtime import Runtime


def withdraw_study(runtime: Runtime, actor: str, study_uid: str, *, replace: bool = False) -> int:
    """Take a study out at once; its bytes are purged after. Unless a replacement is to come it is blocked. Returns objects."""
    now = runtime.clock()
    with runtime.store.write() as connection:
        custody.lock_study(connection, study_uid)
        objects = custody.of_study(connection, study_uid)
        if not objects:
            raise NotFound("study-unknown", "No object of this study is in care.", "study")
        dataset = objects[0].dataset
        index.remove_study(connection, study_uid)
        for row in objects:
            custody.move(connection, WITHDRAWALS[row.state], row.id, now)
        if not replace:
            blocks.add(connection, dataset, State.WITHDRAWN, now, study_uid=study_uid)
        alias = runtime.governance.current(connection).dataset(dataset).alias
        descriptions.ask(connection, alias, now, descriptions.DEPOSIT_SECONDS)
        entry = StudyWithdrawn(study=study_uid, dataset=alias, objects=len(objects), replace=replace)
        record(connection, entry, now, actor, require_dataset(connection, alias)[1])
    return len(objects)


def lift_block(runtime: Runtime, actor: str, uid: str) -> int:
    """Let what was withdrawn or refused under this UID come again; returns how many blocks were lifted."""
    with runtime.store.write() as connection:
        lifted = blocks.lift(connection, uid, runtime.clock())
        if not lifted:
            raise NotFound("block-unknown", "No block in force names this UID.", "block")
        record(connection, BlockLifted(uid=uid, blocks=lifted), runtime.clock(), actor, About())
    return lifted
