"""Telling that something was stopped or withdrawn: `Gone` to whom it may be told, where everybody else finds nothing.

Each door that found nothing asks here before it says so. Nothing is told of what is there, nor of what never was.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from adapters.sql import instances, stops
from adapters.sql.stops import Buried
from consent.conditions import Action
from consent.dataset import Facts
from consent.stop import Cause, Stop
from consent.told import is_told
from mappings.failures import Gone, NotFound
from mappings.study import study_key
from server.usecases.runtime import Caller, Runtime

CODE = "stopped"


def check_study(
    runtime: Runtime, connection: Connection, caller: Caller, action: Action, study_uid: str, alias: str | None = None
) -> None:
    """Raises Gone where this study was stopped or withdrawn and the caller, who asked to do this with it, is told."""
    if dataset := instances.dataset_of(connection, study_uid):
        found = _stopped(runtime, connection, dataset)
    else:
        found = _buried(runtime, connection, stops.find_study(connection, study_key(study_uid)))
    if found is None or alias not in (None, found[0].alias):
        return
    used = stops.has_used(connection, caller.subject.id, study_uid=study_uid)
    _tell(runtime, caller, action, [found], used=used)


def check_resource(runtime: Runtime, connection: Connection, caller: Caller, action: Action, source: str, key: str) -> None:
    """The same of a FHIR resource by the source it is read from and its id there; of a description, to who used its data."""
    if "\0" in key:  # which no database takes, and nothing is called
        return
    if source in ("studies", "patients"):
        rows = {"studies": (stops.study_datasets, stops.find_study), "patients": (stops.patient_datasets, stops.find_patient)}
        live, dead = rows[source]
        known = [_stopped(runtime, connection, dataset) for dataset in live(connection, key)]
        known.append(_buried(runtime, connection, dead(connection, key)))
        _tell(runtime, caller, action, [each for each in known if each is not None], used=False)
    elif source in ("endpoints", "datasets", "members", "agreements"):
        every = runtime.governance.current(connection).facts
        named = [f for f in every if key == (f.agreement if source == "agreements" else f.alias)]
        used = any(stops.has_used(connection, caller.subject.id, dataset=f.dataset) for f in named if f.stops)
        _tell(runtime, caller, action, [(f, f.stops[0]) for f in named if f.stops], used=used)


def study_stop(runtime: Runtime, caller: Caller, study_uid: str) -> Stop:
    """The stop of a study, for who is told of it. Raises NotFound."""
    try:
        with runtime.store.read() as connection:
            check_study(runtime, connection, caller, Action.QUERY, study_uid)
    except Gone as gone:
        return _stop(gone)
    raise NotFound("stop-unknown", "No study of this name is stopped, or none that you are told of.", "study")


def dataset_stop(runtime: Runtime, caller: Caller, alias: str) -> Stop:
    """The stop of a dataset, so too."""
    try:
        with runtime.store.read() as connection:
            check_resource(runtime, connection, caller, Action.DISCOVER, "datasets", alias)
    except Gone as gone:
        return _stop(gone)
    raise NotFound("stop-unknown", "No dataset of this name is stopped, or none that you are told of.", "dataset")


def _stop(gone: Gone) -> Stop:
    if gone.at is None:
        raise AssertionError("a stop without its date")
    return Stop(gone.at, Cause(str(gone.cause)))


Found = tuple[Facts, Stop]


def _stopped(runtime: Runtime, connection: Connection, dataset: int) -> Found | None:
    facts = runtime.governance.current(connection).dataset(dataset)
    return (facts, facts.stops[0]) if facts.stops else None


def _buried(runtime: Runtime, connection: Connection, buried: Buried | None) -> Found | None:
    return None if buried is None else (runtime.governance.current(connection).dataset(buried.dataset), buried.stop)


def _tell(runtime: Runtime, caller: Caller, action: Action, found: Iterable[Found], *, used: bool) -> None:
    for facts, stop in found:
        if is_told(caller.subject, action, caller.purpose, facts, runtime.clock(), used=used):
            raise Gone(CODE, stop.sentence, at=stop.at, cause=stop.cause)
