"""Exports in bulk (Bulk Data Access 2.0) as their client meets them: asked for, looked at, given up.

An export is decided for each dataset when it is asked for, at each page that is written, and at each file that is given: what
may not leave is left out and named.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from adapters.export_files import ExportFiles
from adapters.sql import exports, feed, jobs
from adapters.sql.exports import ExportRow, ExportState
from consent.conditions import Action
from consent.dataset import Facts
from consent.policy import Decision, decide, decide_all
from consent.subject import Subject
from mappings.failures import Forbidden, Full, Gone, NotFound, Throttled
from mappings.fhir import bulk
from mappings.fhir.bulk import Kickoff
from mappings.fhir.systems import fhir_id
from mappings.smart import covers
from server.usecases.access import note_access
from server.usecases.deliver import action_of
from server.usecases.runtime import Caller, Runtime
from server.usecases.sights import note_reader
from server.usecases.sources import Asking, reader, source_of

KIND = exports.KIND
MEGABYTE = 1_000_000
RETRY_SECONDS = 60


def files_of(runtime: Runtime) -> ExportFiles:
    """Where exports lie."""
    return ExportFiles(runtime.settings.data_dir / "exports")


def decide_rows(subject: Subject, action: Action, purpose: str | None, facts: Facts, now: datetime) -> Decision:
    """Whether rows of a dataset may be exported (or processed): they are asked for, and leave."""
    return decide_all(subject, (Action.QUERY, action), purpose, facts, now)


def is_of_rows(kind: str) -> bool:
    """Whether resources of a type are rows of datasets; the others are descriptions."""
    return source_of(kind).action is Action.QUERY


# --- asking


def ask_export(runtime: Runtime, caller: Caller, kickoff: Kickoff, request: str) -> str:
    """Have an export written; its key. `request` is the URL by which it is asked for.

    Raises Invalid, Forbidden where nothing may be given, NotFound for a Group out of sight, Throttled or Full where it is too
    much.
    """
    kickoff = replace(kickoff, types=_within_scopes(caller, kickoff))
    action, now, key = action_of(caller.subject), runtime.clock(), secrets.token_hex(16)
    with runtime.store.read() as connection:
        asking = Asking(runtime, connection, caller)
        _check(asking, kickoff)
        note_reader(runtime, connection, caller, asking.visible_datasets)
        refused = _decided(runtime, connection, caller, kickoff)
        _check_share(runtime, connection, caller)
    said = {"subject": caller.subject.id, "action": str(action), "purpose": caller.purpose or "", "key": key, "request": request}
    asked = msgspec.json.encode(kickoff).decode()
    with runtime.store.write() as connection:
        exports.add(connection, now, expiry(runtime), refused=refused, scopes=caller.scopes, asked=asked, **said)
        jobs.enqueue(connection, KIND, key, now)
        feed.take_stamp(connection, now)  # one after another, or of many who ask at once each is the last that may
        _check_share(runtime, connection, caller, more=0)
    note_access(runtime, caller, action, f"{kickoff.level or 'system'}/$export/{key}", 202, 0)
    return key


def _within_scopes(caller: Caller, kickoff: Kickoff) -> tuple[str, ...]:
    """The types that the token is for. Raises Forbidden where one was named that it is not for, or where none is left."""
    held = tuple(kind for kind in kickoff.wanted() if covers(caller.scopes, f"{kind}.rs"))
    if lacking := [kind for kind in kickoff.types if kind not in held] or ([] if held else [kickoff.wanted()[0]]):
        raise Forbidden("insufficient-scope", f"The token lacks a scope that covers {lacking[0]}.rs.", f"{lacking[0]}.rs")
    return held


def _check(asking: Asking, kickoff: Kickoff) -> None:
    """Read every question of it once, so that what can't be read is said now. Raises Invalid, Forbidden."""
    who = reader(asking.runtime, asking.caller)
    for kind in kickoff.types:
        asking.linked(bulk.narrowed(kickoff, kind, who))


def _decided(runtime: Runtime, connection: Connection, caller: Caller, kickoff: Kickoff) -> dict[int, str]:
    """Dataset → the rule that refuses its rows ("": none), of those in sight. Raises NotFound or Forbidden."""
    action, now = action_of(caller.subject), runtime.clock()
    every = runtime.governance.current(connection).facts
    among = [f for f in every if not kickoff.group or fhir_id(f.alias) == kickoff.group]
    seen = [f for f in among if decide(caller.subject, Action.DISCOVER, caller.purpose, f, now).allowed]
    if kickoff.group and not seen:
        raise NotFound("not-found", "There is no such Group here, or none that you may see.")
    decisions = {f.dataset: decide_rows(caller.subject, action, caller.purpose, f, now) for f in seen}
    if any(map(is_of_rows, kickoff.types)) and not any(d.allowed for d in decisions.values()):
        raise _nothing(runtime, decisions.values())
    return {dataset: "" if d.allowed else d.rule for dataset, d in decisions.items()}


def _nothing(runtime: Runtime, decisions: Iterable[Decision]) -> Forbidden:
    first = next(iter(decisions), None)
    why = "There is no dataset here of which you may have anything." if first is None else first.sentence
    return Forbidden(first.rule if first else "nothing-to-export", f"{why} Questions: {runtime.settings.contact}.")


def _check_share(runtime: Runtime, connection: Connection, caller: Caller, *, more: int = 1) -> None:
    settings, most = runtime.settings, runtime.settings.export_mb * MEGABYTE
    if exports.held(connection, caller.subject.id) + more > settings.exports:
        said = f"You have {settings.exports} exports under way or kept, as many as one may. Delete one, or wait until it expires."
        raise Throttled("exports-many", said, RETRY_SECONDS)
    check_kept(exports.kept(connection), exports.kept(connection, caller.subject.id), most)


def check_kept(every: int, own: int, most: int) -> None:
    """Raises Full where exports hold as many bytes as they may, in all or of one client."""
    if every >= most or own >= most // 2:
        raise Full("exports-full", "There is no room for more exports now. Delete one that is not needed, or try again later.")


def expiry(runtime: Runtime) -> datetime:
    """Until when an export that ends now is kept."""
    return runtime.clock() + timedelta(hours=runtime.settings.export_hours)


# --- looking


@dataclass(frozen=True, slots=True)
class Progress:
    """An export under way: how many resources it has so far, and for how long it has been asked for."""

    given: int
    begun: bool
    age: timedelta


@dataclass(frozen=True, slots=True)
class Complete:
    """An export that is done: its manifest, and until when it is kept."""

    manifest: bytes
    expires: datetime


def look_at_export(runtime: Runtime, caller: Caller, key: str) -> Progress | Complete:
    """How far an export of this caller's is. Raises NotFound for any other's; Full or Gone for one that failed."""
    with runtime.store.read() as connection:
        export = own_export(connection, caller, key)
        files = exports.files(connection, export)
        lost = export.state is ExportState.OPEN and jobs.find_open(connection, KIND, key) is None
    note_access(runtime, caller, Action(export.action), f"$export/{key}", 200, 0)
    if lost or export.state is ExportState.FAILED:
        raise _failure(export)
    if export.state is ExportState.OPEN:
        return Progress(export.given, export.at is not None, runtime.clock() - export.requested)
    base = url(runtime, key)
    told = [(f.kind, f.type, f"{base}/{f.number}", f.count) for f in files]
    return Complete(bulk.manifest(export.at or export.requested, export.request, told), export.expires)


def url(runtime: Runtime, key: str) -> str:
    """Where an export is looked at; its files are below."""
    return f"{runtime.settings.base_url}/fhir/R4/$export/{key}"


def _failure(export: ExportRow) -> Full | Gone:
    said = export.outcome or "The export failed; the operator's log says why. Ask for it again."
    return Full(export.failure, said) if export.failure in _FULL else Gone(export.failure or "export-failed", said)


_FULL = frozenset({"exports-full", "disk-nearly-full", "disk-full", "storage-full"})


def own_export(connection: Connection, caller: Caller, key: str) -> ExportRow:
    """The caller's own export, asked for as it asks now: for the same purpose, and inside as it was."""
    export = exports.find(connection, key)
    now = (caller.subject.id, caller.purpose or "", str(action_of(caller.subject)))
    if export is None or (export.subject, export.purpose, export.action) != now:
        raise NotFound("not-found", "There is no such export here, or none of yours.")
    return export


def delete_export(runtime: Runtime, caller: Caller, key: str) -> None:
    """Give an export up: nobody finds it from now on, and what it came to is removed soon. Raises NotFound."""
    with runtime.store.write() as connection:
        export = own_export(connection, caller, key)
        _end_job(runtime, connection, export)
        exports.give_up(connection, export)
    note_access(runtime, caller, Action(export.action), f"$export/{key}", 202, 0)


def _end_job(runtime: Runtime, connection: Connection, export: ExportRow) -> bool:
    """Ask its job to end; whether one is open still."""
    job = jobs.find_open(connection, KIND, export.key)
    if job is not None:
        jobs.cancel(connection, job, runtime.clock())
    return jobs.find_open(connection, KIND, export.key) is not None


# --- going


def remove_over(runtime: Runtime) -> int:
    """Remove the files and rows of exports that were given up or have expired, once nobody writes them; how many."""
    with runtime.store.read() as connection:
        gone = exports.over(connection, runtime.clock())
    return sum(_remove(runtime, export) for export in gone)


def _remove(runtime: Runtime, export: ExportRow) -> bool:
    with runtime.store.write() as connection:
        exports.give_up(connection, export)
        if _end_job(runtime, connection, export):
            return False
    files_of(runtime).remove(export.key)
    with runtime.store.write() as connection:
        exports.remove(connection, export)
    return True
