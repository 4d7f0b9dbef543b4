"""Retrieving several things at once, as the DICOM network does: all decided before the first byte, each study its own use."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from adapters.sql.instances import StoredInstance
from mappings.dicom.identifier import Selection, read_answer, study_of
from mappings.failures import Gone, NotFound, TooLarge
from mappings.query import AllOf, Condition, Level, OneOf, Page, Query, check_values
from server.usecases.convert import File
from server.usecases.deliver import MOST, Wanted, deliver, look
from server.usecases.runtime import Caller, Runtime
from server.usecases.search import pages

MOST_SUBOPERATIONS = 65535
"""What a response can count (PS3.7 Table E.1-1)."""


@dataclass(frozen=True, slots=True)
class Selected(Wanted):
    """Several series or instances of one study."""

    among_series: tuple[str, ...] = ()
    among_instances: tuple[str, ...] = ()

    @property
    def query(self) -> Query:
        """The question that finds its instances."""
        among = (("study_uid", (self.study,)), ("series_uid", self.among_series), ("sop_uid", self.among_instances))
        parts: tuple[Condition, ...] = tuple(OneOf(field, uids) for field, uids in among if uids)
        return Query(Level.INSTANCE, AllOf(parts), Page(limit=MOST))


@dataclass(frozen=True, slots=True)
class Planned:
    """What of a study is to go, by a decision that said yes: it is asked again when it goes."""

    wanted: Wanted
    objects: Sequence[StoredInstance]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to go, by study; and of what does not, that it was stopped or withdrawn, where the caller is told so."""

    studies: Sequence[Planned]
    gone: Gone | None = None


def plan(runtime: Runtime, caller: Caller, selection: Selection) -> Plan:
    """What there is of a selection for this caller; nothing of what it may not know of. Nothing is recorded as used.

    Raises Forbidden where it may know of a part but not have it, Invalid and TooLarge where it is too much at once, Gone where
    nothing is there and the caller is told that something was.
    """
    check_values(sum(map(len, (selection.studies, selection.series, selection.instances, selection.patients))))
    planned, gone = list[Planned](), None
    for study in selection.studies or _studies(runtime, caller, selection.patients):
        wanted = _wanted(study, selection)
        try:
            objects, _ = look(runtime, caller, wanted, len)
        except NotFound:
            continue
        except Gone as why:
            gone = gone or why
            continue
        planned.append(Planned(wanted, objects))
        if sum(len(each.objects) for each in planned) > MOST_SUBOPERATIONS:
            raise TooLarge("too-many", f"More than {MOST_SUBOPERATIONS} objects can't be counted. Ask by series.")
    if gone and not planned:
        raise gone
    return Plan(planned, gone)


def _wanted(study: str, selection: Selection) -> Wanted:
    """One series or instance is told of by its name in the record of its use."""
    several = len(selection.series) > 1 or len(selection.instances) > 1
    if several or (selection.instances and not selection.series):
        return Selected(study, among_series=selection.series, among_instances=selection.instances)
    return Wanted(study, *(uids[0] if uids else None for uids in (selection.series, selection.instances)))


def _studies(runtime: Runtime, caller: Caller, patients: Sequence[str]) -> list[str]:
    """The studies of these patients that are in sight."""
    question = Query(Level.STUDY, OneOf("patient_id", tuple(patients)))
    with closing(pages(runtime, caller, question)) as found:
        return [study_of(read_answer(fragment)) for page in found for fragment in page]


def files(runtime: Runtime, caller: Caller, planned: Planned) -> Iterator[File]:
    """The objects of a study with their bytes, its use recorded before the first. Raises what `deliver` raises."""
    return iter(deliver(runtime, caller, planned.wanted, len))
