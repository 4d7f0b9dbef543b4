"""Writing an export, as a job: in files that are finished or not there, so that a lost worker loses one file at most.

Where a dataset is not to be given any more, its files go and a step that was of several begins anew without it. Pages are
finished bytes, joined.
"""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
from sqlalchemy import Connection

from adapters.export_files import Part
from adapters.sql import exports, feed
from adapters.sql.exports import ExportFile, ExportRow, ExportState
from adapters.sql.store import moment
from consent.policy import SENTENCES
from mappings.failures import Failure, Forbidden, Full, Invalid, TooBroad, Unauthenticated
from mappings.fhir import bulk
from mappings.fhir.bulk import Kickoff
from mappings.query import Page, Position
from server.usecases.admission import check_room
from server.usecases.export import MEGABYTE, check_kept, expiry, files_of
from server.usecases.export_steps import OUTPUT, Reading, Refused, Step, plan
from server.usecases.job import Work, result
from server.usecases.runtime import Runtime

PAGE, PAGE_BYTES = 1000, 4 * MEGABYTE
"""Rows of a page, and the bytes after which the next one has fewer."""
PAGE_SECONDS = 30
"""What reading a page may take: exports are written one after another, and the next client waits."""
PART_ROWS, PART_BYTES = 100_000, 250 * MEGABYTE
"""What a file holds before the next one begins."""
FIRST: Position = ()


def write_export(runtime: Runtime, work: Work) -> str:
    """Write what of an export is not there yet, and tell of what is left out."""
    export = _begun(runtime, work)
    if export is None:
        return "Nobody waits for it any more."
    writing = _Writing(runtime, work, export)
    try:
        for number, step in enumerate(writing.steps):
            while writing.export.step == number:
                writing.write_part(step)
        writing.finish()
    except (Forbidden, Full, Invalid, TooBroad, Unauthenticated) as failure:
        _fail(runtime, work, export, failure)
        return failure.sentence
    return f"{writing.export.given} resources."


def _begun(runtime: Runtime, work: Work) -> ExportRow | None:
    with result(runtime, work) as connection:
        export = exports.find(connection, work.subject)
        if export is None or export.state is not ExportState.OPEN:
            return None
        if (
            export.at is None
        ):  # whatever was published up to this stamp can be read by now, and nothing else will have an earlier one
            exports.begin(connection, export, moment(feed.take_stamp(connection, runtime.clock())))
        return exports.find(connection, work.subject)


def _fail(runtime: Runtime, work: Work, export: ExportRow, failure: Failure) -> None:
    with result(runtime, work) as connection:
        exports.end(connection, export, ExportState.FAILED, expiry(runtime), failure.code, failure.sentence)


def _fitting(limit: int, size: int) -> int:
    """The rows of the next page, where one of so many had this size: as many as the bytes of a page, or twice as many."""
    return max(1, min(2 * limit, PAGE, limit * PAGE_BYTES // max(size, 1)))


class _Writing:
    """An export as it is being written."""

    def __init__(self, runtime: Runtime, work: Work, export: ExportRow) -> None:
        self.runtime, self.work, self.export = runtime, work, export
        self.kickoff = msgspec.json.decode(export.asked, type=Kickoff)
        with runtime.store.read() as connection:
            granted = exports.datasets(connection, export)
            self.steps = plan(self.kickoff, list(granted), runtime.governance.current(connection))
        self.reading = Reading(runtime, export, self.kickoff)
        self.refused = {dataset: rule for dataset, rule in granted.items() if rule}

    def write_part(self, step: Step) -> None:
        """Write the next file of a step, or none where there is nothing more; afterwards the export stands behind it."""
        datasets = frozenset(step.datasets - self.refused.keys())
        if step.datasets and not datasets:
            self._move(self.export.step + 1)
            return
        try:
            self._write(replace(step, datasets=datasets))
        except Refused as refusal:
            self._leave_out(refusal.rules)

    def _write(self, step: Step) -> None:
        with self.runtime.store.read() as connection:
            number = exports.next_number(connection, self.export)
            self._check_room(connection)
        with files_of(self.runtime).part(self.export.key, number) as part:
            position = self._fill(step, part)
        self.runtime.reached("export part written")
        file = self._file(step, number, part)
        after = (self.export.step + 1, FIRST) if position is None else (self.export.step, position)
        self._move(*after, file=file)
        self.runtime.reached("export part kept")

    def _file(self, step: Step, number: int, part: Part) -> ExportFile | None:
        if not part.count:
            return None
        about = (number, step.kind, step.type, self.export.step, step.datasets)
        return ExportFile(*about, part.count, part.size, part.packed, part.digest)

    def _check_room(self, connection: Connection) -> None:
        check_room(self.runtime, 0)
        most = self.runtime.settings.export_mb * MEGABYTE
        check_kept(exports.kept(connection), exports.kept(connection, self.export.subject), most)

    def _fill(self, step: Step, part: Part) -> Position | None:
        """Write pages of a step into a file; where the next one begins, None where the step is done."""
        cut = self.kickoff.cut(step.type) if step.kind == OUTPUT else None
        for documents, last in self._pages(step, self.export.position):
            part.write(list(map(cut, documents)) if cut else documents)
            self.work.progress(self.export.given + part.count)
            if part.count >= PART_ROWS or part.size >= PART_BYTES:
                return last
        return None

    def _pages(self, step: Step, after: Position) -> Iterator[tuple[list[bytes], Position]]:
        limit = _fitting(PAGE // 16, 0)
        while True:
            with self.runtime.store.read(PAGE_SECONDS, always=True) as connection:
                if not exports.is_wanted(connection, self.export):
                    self.work.stopped.set()
                    self.work.progress(self.work.done)
                rows = self.reading.page(connection, step, Page(limit, after=after))
            if not rows:
                return
            after = rows[-1][0]
            documents = [document for _, document in rows]
            limit = _fitting(limit, sum(map(len, documents)))
            yield documents, after

    def _leave_out(self, rules: dict[int, str]) -> None:
        """Go on without these datasets, the step under way from its beginning."""
        self.refused |= rules
        with result(self.runtime, self.work) as connection:
            exports.refuse(connection, self.export, rules)
            exports.drop(connection, self.export, self.export.step)
            self._stand(connection, self.export.step, FIRST)

    def _move(self, step: int, position: Position = FIRST, file: ExportFile | None = None) -> None:
        with result(self.runtime, self.work) as connection:
            if file is not None:
                exports.keep(connection, self.export, file)
            self._stand(connection, step, position)

    def _stand(self, connection: Connection, step: int, position: Position) -> None:
        given = sum(f.count for f in exports.files(connection, self.export) if f.kind == OUTPUT)
        exports.move(connection, self.export, step, position, given)
        self.export = replace(self.export, step=step, position=position, given=given)

    def finish(self) -> None:
        """Leave out what was stopped behind a step's back, tell of what is left out, and be done."""
        with self.runtime.store.read() as connection:
            stopped = self._stopped(connection)
            lines = bulk.left_out(self._refusals(connection, self.refused | stopped), self.kickoff.ignored)
            number = exports.next_number(connection, self.export)
        with files_of(self.runtime).part(self.export.key, number) as part:
            part.write(lines)
        file = self._file(Step("OperationOutcome", kind="error"), number, part)
        with result(self.runtime, self.work) as connection:
            exports.refuse(connection, self.export, stopped)
            if file is not None:
                exports.keep(connection, self.export, file)
            self._stand(connection, self.export.step, FIRST)
            exports.end(connection, self.export, ExportState.DONE, expiry(self.runtime))

    def _stopped(self, connection: Connection) -> dict[int, str]:
        caller = self.reading.caller(connection, self.kickoff.types[0])
        granted = [d for d, rule in exports.datasets(connection, self.export).items() if not rule]
        return self.reading.refused(connection, caller, granted) if any(step.datasets for step in self.steps) else {}

    def _refusals(self, connection: Connection, rules: dict[int, str]) -> list[tuple[str, str]]:
        if not any(step.datasets for step in self.steps):
            return []
        governance = self.runtime.governance.current(connection)
        return [(governance.dataset(dataset).alias, SENTENCES[rule]) for dataset, rule in sorted(rules.items())]
