"""What became of a batch, told to its provider and the operator; to anyone else there is no such batch."""

from collections.abc import Iterator

from adapters.sql import batches, custody
from adapters.sql.batches import BatchRow
from consent.conditions import Action
from consent.policy import SENTENCES
from consent.subject import Role
from mappings.failures import Forbidden, NotFound
from mappings.report import BatchReport, Receipt
from server.usecases.access import note_access
from server.usecases.runtime import Caller, Runtime

PAGE = 1000
LISTED = 100


def report(runtime: Runtime, caller: Caller | None, key: str) -> BatchReport:
    """The report of the batch called `key`; no caller: whoever owns the data directory. Raises NotFound.

    Its files are read page by page while it is written, so a batch may have any number of them.
    """
    with runtime.store.read() as connection:
        row = batches.by_key(connection, key)
    if row is None or not _may_read(caller, row.provider):
        raise NotFound("batch-unknown", "There is no batch with this key.", "batch")
    told = _report(runtime, row)
    if caller is not None:
        note_access(runtime, caller, Action.DISCOVER, f"batch/{row.key}", 200, sum(told.counts.values()))
    return told


def reports(runtime: Runtime, caller: Caller | None) -> list[BatchReport]:
    """The newest batches a caller may read, at most 100, each without its files. Raises Forbidden where it may read none ever."""
    if caller is not None and caller.subject.role not in (Role.PROVIDER, Role.OPERATOR):
        raise Forbidden("role", SENTENCES["role"])
    own = caller.subject.party if caller is not None and caller.subject.role is Role.PROVIDER else None
    with runtime.store.read() as connection:
        rows = batches.recent(connection, own, LISTED)
    return [_report(runtime, row) for row in rows]


def _may_read(caller: Caller | None, provider: str) -> bool:
    if caller is None or caller.subject.role is Role.OPERATOR:
        return True
    return caller.subject.role is Role.PROVIDER and caller.subject.party == provider


def _report(runtime: Runtime, row: BatchRow) -> BatchReport:
    with runtime.store.read() as connection:
        counts, waiting = batches.counts(connection, row.id), custody.waiting(connection, row.id)
    return BatchReport(
        row.key, row.door, row.alias, row.provider, row.opened, row.closed, counts, waiting, _Files(runtime, row.id)
    )


class _Files:
    """A batch's receipts, each reading anew; no connection is held while one is written out."""

    def __init__(self, runtime: Runtime, batch: int) -> None:
        self._runtime, self._batch = runtime, batch

    def __iter__(self) -> Iterator[Receipt]:
        after = 0
        while page := self._page(after):
            yield from (receipt for _, receipt in page)
            after = page[-1][0]

    def _page(self, after: int) -> list[tuple[int, Receipt]]:
        with self._runtime.store.read() as connection:
            return batches.page(connection, self._batch, after, PAGE)
