"""Withdrawing a whole dataset: out of sight with the next statement, and undone by who did it until its grace is over.

Nothing of it moves before: its studies are then taken out one after another by a job, and their bytes go at once.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from adapters.sql import custody, descriptions, feed, jobs
from adapters.sql import dataset as datasets
from adapters.sql.ledger import About, record
from consent.agreement import Side
from consent.entries import DatasetWithdrawn
from consent.person import Act, Actor
from consent.stop import uncited
from mappings.failures import Conflict, Forbidden, Invalid
from server.usecases.dataset import require_dataset, require_own
from server.usecases.job import Work
from server.usecases.naming import check_reason
from server.usecases.runtime import Runtime
from server.usecases.withdraw import Wish, take_out

KIND = "empty"
WORKER = "worker"
_STUDIES = 100
"""Taken out between two looks whether it is still withdrawn."""


def withdraw_dataset(
    runtime: Runtime, actor: Actor, alias: str, *, reason: str | None = None, circumstance: str | None = None
) -> datetime:
    """Take the whole of a dataset out; returns when its bytes begin to go. The repository's act cites a circumstance."""
    why, now = check_reason(reason), runtime.clock()
    until = now + timedelta(days=runtime.settings.grace_days)
    with runtime.governance_act() as connection:
        row, about = require_own(connection, actor, alias, Act.WITHDRAW)
        if wrong := uncited(actor.side, circumstance):
            raise Invalid("circumstance", wrong, "circumstance")
        if datasets.withdrawn(connection, row) is not None:
            raise Conflict("dataset-withdrawn", f"{alias} is withdrawn already.", "dataset")
        datasets.set_withdrawn(connection, row, now, actor.side)
        jobs.enqueue(connection, KIND, alias, now, until)
        _tell(runtime, connection, "withdraw", actor, alias, about, why, circumstance, until)
    return until


def restore_dataset(runtime: Runtime, actor: Actor, alias: str, *, reason: str | None = None) -> None:
    """Undo the withdrawal of a dataset within its grace, for the side that withdrew it."""
    why, now = check_reason(reason), runtime.clock()
    with runtime.governance_act() as connection:
        row, about = require_own(connection, actor, alias, Act.WITHDRAW)
        stop = datasets.withdrawn(connection, row)
        if stop is None:
            raise Conflict("dataset-not-withdrawn", f"{alias} is not withdrawn.", "dataset")
        if stop[1] is not actor.side:
            raise Forbidden("not-own-stop", f"Who withdrew this undoes it: the {stop[1]}.")
        if stop[0] + timedelta(days=runtime.settings.grace_days) <= now:
            raise Conflict("grace-over", "The grace of this withdrawal is over, and its bytes go.", "dataset")
        datasets.set_withdrawn(connection, row, now, None)
        _tell(runtime, connection, "restore", actor, alias, about, why, None, None)


def _tell(
    runtime: Runtime,
    connection: Connection,
    verb: str,
    actor: Actor,
    alias: str,
    about: About,
    reason: str | None,
    circumstance: str | None,
    until: datetime | None,
) -> None:
    now, side = runtime.clock(), actor.side
    descriptions.ask(connection, alias, now)
    entry = DatasetWithdrawn(verb=verb, dataset=alias, side=side, circumstance=circumstance, reason=reason, until=until)
    record(connection, entry, now, actor.id, about)


def empty(runtime: Runtime, work: Work) -> str:
    """Take out every study of a dataset whose grace is over; none of one that was restored."""
    gone = 0
    while studies := _left(runtime, work.subject):
        work.progress(gone)
        for study, side in studies:
            wish = Wish(WORKER, reason="dataset withdrawn", side=side)
            with runtime.store.write() as connection:
                take_out(runtime, connection, study, work.subject, wish, until=runtime.clock())
                feed.tell_buried(connection, runtime.clock())
        gone += len(studies)
    return f"{gone} studies taken out"


def _left(runtime: Runtime, alias: str) -> list[tuple[str, Side]]:
    with runtime.store.read() as connection:
        row, _ = require_dataset(connection, alias)
        stop = datasets.withdrawn(connection, row)
        if stop is None or stop[0] + timedelta(days=runtime.settings.grace_days) > runtime.clock():
            return []
        return [(study, stop[1]) for study in custody.studies_of_dataset(connection, row.id, _STUDIES)]
