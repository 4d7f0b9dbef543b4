"""Giving the files of an export: a file's use is recorded, durable, before its first byte.

An access row each time, and in the ledger one entry for a dataset and export: what all of its files hold. What was stopped or
withdrawn since it was written is given no more.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from sqlalchemy import Connection

from adapters.sql import access, exports
from adapters.sql.access import Access
from adapters.sql.exports import ExportFile, ExportRow, ExportState
from adapters.sql.ledger import About, record
from consent.access import Interaction, Seen
from consent.conditions import Action
from consent.entries import UseExported
from mappings.failures import Forbidden, Gone, NotFound
from mappings.smart import holds
from server.usecases.export import decide_rows, files_of, own_export
from server.usecases.runtime import Caller, Runtime


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file in gzip, its use recorded unless it is only looked at: its bytes, and how many they are unpacked and as it lies."""

    source: BinaryIO
    size: int
    packed: int
    digest: bytes


def give_file(runtime: Runtime, caller: Caller, key: str, number: int, *, taken: bool = True) -> GivenFile:
    """A file of an export; its use is recorded when this returns, where it is `taken`.

    Raises NotFound, Forbidden; Gone where a dataset whose rows it may hold was stopped, or lost a study, since.
    """
    with runtime.store.read() as connection:
        export = own_export(connection, caller, key)
        file = next((f for f in exports.files(connection, export) if f.number == number), None)
        if file is None or export.state is not ExportState.DONE:
            raise NotFound("not-found", "There is no such file here, or none of yours.")
        _check_file(runtime, connection, caller, export, file)
    source = files_of(runtime).open(key, number)
    try:
        if taken:
            _record(runtime, caller, export, file)
    except BaseException:
        source.close()
        raise
    return GivenFile(source, file.size, file.packed, file.digest)


def _check_file(runtime: Runtime, connection: Connection, caller: Caller, export: ExportRow, file: ExportFile) -> None:
    if file.kind != "error" and not holds(caller.scopes, export.scopes, file.type):
        raise Forbidden("insufficient-scope", f"The token covers less of {file.type} than it did.", f"{file.type}.rs")
    governance, now = runtime.governance.current(connection), runtime.clock()
    for facts in map(governance.dataset, sorted(file.datasets)):
        decision = decide_rows(caller.subject, Action(export.action), caller.purpose, facts, now)
        if not decision.allowed:
            raise Gone("access-stopped", f"What this file holds may not be given any more. {decision.sentence}")
    if file.datasets and exports.is_withdrawn_from(connection, export, file.datasets):
        raise Gone("study-withdrawn", "A study that this file may hold was withdrawn. Ask for the export again.")


def _record(runtime: Runtime, caller: Caller, export: ExportRow, file: ExportFile) -> None:
    """Commit the record of a file's use: durable when this returns."""
    now, target = runtime.clock(), f"$export/{export.key}/{file.number}"
    with runtime.store.write() as connection:
        governance = runtime.governance.current(connection)
        parties = {governance.parties[governance.dataset(dataset).provider] for dataset in file.datasets}
        seen = tuple(
            Seen(file.type, (), party) for party in sorted(parties)
        )  # which of theirs, the file's digest in the ledger tells
        who = (caller.subject.id, export.action, export.purpose)
        row = Access(now, *who, target, 200, file.count, caller.request, Interaction.READ, seen)
        access.preview(connection, row)
        for dataset in exports.unrecorded(connection, export, file.datasets):
            _enter(runtime, connection, caller, export, dataset)


def _enter(runtime: Runtime, connection: Connection, caller: Caller, export: ExportRow, dataset: int) -> None:
    """Write into the ledger that an export with rows of a dataset is given."""
    governance, now = runtime.governance.current(connection), runtime.clock()
    facts = governance.dataset(dataset)
    decision = decide_rows(caller.subject, Action(export.action), caller.purpose, facts, now)
    holding = [f for f in exports.files(connection, export) if dataset in f.datasets]
    entry = UseExported(
        export=export.key,
        dataset=facts.alias,
        action=export.action,
        purpose=export.purpose,
        resources={kind: sum(f.count for f in holding if f.type == kind) for kind in sorted({f.type for f in holding})},
        digest=sha256(b"".join(f.digest for f in holding)).hexdigest(),
        agreement=decision.agreement,
        terms=decision.terms,
    )
    record(connection, entry, now, caller.subject.id, About(governance.parties[facts.provider], dataset))
