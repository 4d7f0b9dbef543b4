"""What became of a batch, told to its provider and, without the files' names, the operator; to others there is no such batch."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

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
    told = _report(runtime, row, named=caller is not None and caller.subject.role is Role.PROVIDER)
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
    return [_report(runtime, row, named=own is not None) for row in rows]


def _may_read(caller: Caller | None, provider: str) -> bool:
    if caller is None or caller.subject.role is Role.OPERATOR:
        return True
    return caller.subject.role is Role.PROVIDER and caller.subject.party == provider


def _report(runtime: Runtime, row: BatchRow, *, named: bool) -> BatchReport:
    with runtime.store.read() as connection:
        counts, waiting = batches.counts(connection, row.id), custody.waiting(connection, row.id)
    return BatchReport(
        row.key, row.door, row.alias, row.provider, row.opened, row.closed, counts, waiting, _Files(runtime, row.id, named)
    )


class _Files:
    """A batch's receipts, each reading anew; no connection is held while one is written out.

    A file is `named` to its own organisation alone, since a name may be a patient's; to others it has a number.
    """

    def __init__(self, runtime: Runtime, batch: int, named: bool) -> None:
        self._runtime, self._batch, self._named = runtime, batch, named

    def __iter__(self) -> Iterator[Receipt]:
        after, number = 0, count(1)
        while page := self._page(after):
            for _, receipt in page:
                numbered = f"file {next(number)}"
                yield receipt if self._named else replace(receipt, name=numbered)
            after = page[-1][0]

    def _page(self, after: int) -> list[tuple[int, Receipt]]:
        with self._runtime.store.read() as connection:
            return batches.page(connection, self._batch, after, PAGE)
