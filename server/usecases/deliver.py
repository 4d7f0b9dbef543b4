"""Letting objects out: decided for their study, located, recorded durably, and only then opened.

What a caller may not know of is not found; what it may know of but not have is forbidden, by a named rule. Every door that gives
bytes calls `deliver` (the files) or `deliver_made` (what was made of one), and none can order it wrongly: it gets no byte before
the record (an access row, and the opened entry of its window of use) is committed. No transaction is open while bytes flow;
before each object it is asked again whether anything was stopped, and a delivery that breaks leaves a second record.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from sqlalchemy import Connection

from adapters.nodes.port import Node
from adapters.sql import access, custody, instances
from adapters.sql.access import Access, Under
from adapters.sql.instances import StoredInstance
from adapters.sql.ledger import About
from consent.access import Seen
from consent.conditions import Action
from consent.dataset import Facts
from consent.policy import Decision, VisibleDatasets, decide, looks
from consent.subject import Role, Subject
from mappings.dicom.overlaid import is_drawn_over_images
from mappings.failures import Failure, Forbidden, Gone, NotFound, Unavailable
from mappings.query import AllOf, Level, OneOf, Page, Query
from mappings.study import study_key
from server.usecases.convert import File, converted
from server.usecases.read_back import damaged, open_copy, stream, stream_part
from server.usecases.runtime import Caller, Runtime
from server.usecases.told import check_study

MOST = 1_000_000
Form = TypeVar("Form")
Into = Callable[[Form, StoredInstance], str]
"""Which transfer syntax an object is sent in, in the form that was chosen."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a study, one of its series, one of its instances; of one dataset, where it is asked for there."""

    study: str
    series: str | None = None
    instance: str | None = None
    alias: str | None = None

    @property
    def query(self) -> Query:
        """The question that finds its instances."""
        named = (("study_uid", self.study), ("series_uid", self.series), ("sop_uid", self.instance))
        return Query(Level.INSTANCE, AllOf(tuple(OneOf(f, (uid,)) for f, uid in named if uid is not None)), Page(limit=MOST))

    @property
    def target(self) -> str:
        """How the access record calls it."""
        return "/".join(uid for uid in (self.study, self.series, self.instance) if uid)


@dataclass(frozen=True, slots=True)
class Use:
    """A use that was granted: who does what with what, by which decision on which dataset, and the instances it covers."""

    caller: Caller
    action: Action
    wanted: Wanted
    facts: Facts
    decision: Decision
    objects: Sequence[StoredInstance]


class Delivery(Generic[Form]):
    """Instances on their way out: `objects` in their order, in the `form` that was chosen; iterated, each with its bytes.

    Making one commits the record of its use and opens the first object, so a node that is down says so before an answer begins.
    A later object raises Gone where anything was stopped or withdrawn meanwhile, and its chunks what its node raises. Objects go
    as they are stored, or in the transfer syntax that `into` names for each.
    """

    def __init__(self, runtime: Runtime, use: Use, form: Form, into: Into[Form] | None = None) -> None:
        _record(runtime, use)
        self.objects, self.form = use.objects, form
        files = _files(runtime, use, lambda stored: into(form, stored) if into else stored.transfer_syntax)
        self._files = chain([next(files)], files)

    def __iter__(self) -> Iterator[File]:
        return self._files


def deliver(
    runtime: Runtime,
    caller: Caller,
    wanted: Wanted,
    choose: Callable[[Sequence[StoredInstance]], Form],
    into: Into[Form] | None = None,
) -> Delivery[Form]:
    """The objects asked for, their use recorded: processing by a client inside, export by any other.

    What is drawn over images goes to a viewer as a view. `choose` says in which form they go; what it raises is no use, and
    recorded as none; `into` as which transfer syntax. Raises NotFound, Forbidden, and of the first object what `Delivery` says.
    """
    use = _grant_whole(runtime, caller, wanted)
    return Delivery(runtime, use, choose(use.objects), into)


def look(
    runtime: Runtime,
    caller: Caller,
    wanted: Wanted,
    choose: Callable[[Sequence[StoredInstance]], Form],
    action: Action | None = None,
) -> tuple[Sequence[StoredInstance], Form]:
    """What a delivery would bring, and in which form: decided and located as one, but no use, and no node is asked.

    It is of whole objects, or of parts by an `action`. Raises what `deliver` raises before its record.
    """
    use = _grant_whole(runtime, caller, wanted) if action is None else grant(runtime, caller, wanted, action)
    return use.objects, choose(use.objects)


def deliver_part(
    runtime: Runtime, caller: Caller, wanted: Wanted, choose: Callable[[StoredInstance], range]
) -> tuple[StoredInstance, range, Iterator[bytes]]:
    """An instance, those of its bytes that `choose` names (one at least), and these: a use as `deliver`'s, with its failures."""
    use = _grant_whole(runtime, caller, wanted)
    span = choose(use.objects[0])
    _record(runtime, use)
    chunks = _part(runtime, use, span)
    return use.objects[0], span, chain([next(chunks)], chunks)


def deliver_made(
    runtime: Runtime, caller: Caller, wanted: Wanted, action: Action, make: Callable[[StoredInstance], bytes]
) -> bytes:
    """What `make` makes of an instance, handed over once its use is recorded; what `make` refuses is no use.

    Raises NotFound, Forbidden, and what `make` raises.
    """
    use = grant(runtime, caller, wanted, action)
    _check(runtime, use, use.objects[0])
    made = make(use.objects[0])
    _record(runtime, use)
    return made


def deliver_parts(
    runtime: Runtime, caller: Caller, wanted: Wanted, open_parts: Callable[[StoredInstance], tuple[Form, Iterator[memoryview]]]
) -> tuple[Form, Iterator[memoryview]]:
    """What `open_parts` takes out of an instance, in the form that it chose: a use as `deliver`'s, with its failures.

    The first part is there when this returns; what is refused before is no use.
    """
    use = grant(runtime, caller, wanted, part_action(caller))
    _check(runtime, use, use.objects[0])
    form, parts = open_parts(use.objects[0])
    first = next(parts)
    _record(runtime, use)
    return form, chain([first], _recorded(runtime, use, parts))


def _recorded(runtime: Runtime, use: Use, parts: Iterator[memoryview]) -> Iterator[memoryview]:
    with _recording_breaks(runtime, use):
        for part in parts:
            _check(runtime, use, use.objects[0])
            yield part


def part_action(caller: Caller) -> Action:
    """What is done with a frame or other part of an object: a viewer shows it to somebody; else as with all of it."""
    return Action.VIEW if looks(caller.subject, caller.purpose) else action_of(caller.subject)


def action_of(subject: Subject) -> Action:
    """Bytes to a client at a node's compute network are processed there; to anybody else they are exported."""
    return Action.PROCESS if subject.role is Role.INSIDE else Action.EXPORT


def _grant_whole(runtime: Runtime, caller: Caller, wanted: Wanted) -> Use:
    """Whole objects: to a viewer as a view, where all of them are such as are drawn over images or read beside them."""
    if looks(caller.subject, caller.purpose):
        with suppress(Forbidden):
            use = grant(runtime, caller, wanted, Action.VIEW)
            if all(is_drawn_over_images(o.sop_class) for o in use.objects):
                return use
    return grant(runtime, caller, wanted, action_of(caller.subject))


def grant(runtime: Runtime, caller: Caller, wanted: Wanted, action: Action) -> Use:
    """Decide on the study, and locate what is wanted of it. Raises NotFound or Forbidden."""
    with runtime.store.read() as connection:
        facts, decision = decide_study(runtime, connection, caller, action, wanted)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        objects = instances.locate(connection, wanted.query, visible, runtime.clock())
    if not objects:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    _refuse_damaged(objects)
    return Use(caller, action, wanted, facts, decision, objects)


def _refuse_damaged(objects: Sequence[StoredInstance]) -> None:
    """Nobody is given a damaged object, nor a study that lacks one and does not say so."""
    count = sum(o.damaged is not None for o in objects)
    if count == len(objects):
        raise damaged()
    if count:
        raise Unavailable(
            "object-damaged", f"{count} of these {len(objects)} objects can't be had until mended. Ask for the others."
        )


def decide_study(
    runtime: Runtime, connection: Connection, caller: Caller, action: Action, wanted: Wanted
) -> tuple[Facts, Decision]:
    """The decision on a study's dataset.

    Raises NotFound where the caller may not know it, Gone where it was stopped and the caller is told, Forbidden where it may
    not have it.
    """
    dataset = instances.dataset_of(connection, wanted.study)
    unknown = NotFound("study-unknown", "There is no such study here, or none for you.")
    if dataset is None:
        check_study(runtime, connection, caller, action, wanted.study, wanted.alias)
        raise unknown
    facts, now = runtime.governance.current(connection).dataset(dataset), runtime.clock()
    if wanted.alias not in (None, facts.alias):
        raise unknown
    decision = decide(caller.subject, action, caller.purpose, facts, now)
    if decision.allowed:
        return facts, decision
    if not decide(caller.subject, Action.DISCOVER, caller.purpose, facts, now).allowed:
        check_study(runtime, connection, caller, action, wanted.study)
        raise unknown
    raise Forbidden(decision.rule, f"{decision.sentence} Questions: {runtime.settings.contact}.")


def _record(runtime: Runtime, use: Use, status: int = 200) -> None:
    """Commit the record of a use: durable when this returns."""
    caller, facts, decision = use.caller, use.facts, use.decision
    count = len(use.objects)
    with runtime.store.write() as connection:
        about = About(runtime.governance.current(connection).parties[facts.provider], facts.dataset)
        row = Access(
            runtime.clock(),
            caller.subject.id,
            str(use.action),
            caller.purpose or "",
            use.wanted.target,
            status,
            count,
            caller.request,
            seen=(Seen("ImagingStudy", [study_key(use.wanted.study)], about.party),),
        )
        if use.action is Action.PREVIEW:
            access.preview(connection, row)
            return
        access.use(connection, row, use.wanted.study, about, Under(facts.alias, decision.agreement, decision.terms))


def _files(runtime: Runtime, use: Use, into: Callable[[StoredInstance], str]) -> Iterator[File]:
    for located in use.objects:
        copy = located.copy
        with _recording_breaks(runtime, use), open_copy(runtime, copy, on=_check(runtime, use, located)) as source:
            sent, chunks = converted(runtime, (located, stream(runtime, copy, source)), into(located))
            yield sent, _chunks(runtime, use, chunks)


def _chunks(runtime: Runtime, use: Use, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _recording_breaks(runtime, use):
        yield from chunks


def _part(runtime: Runtime, use: Use, span: range) -> Iterator[bytes]:
    with _recording_breaks(runtime, use):
        _check(runtime, use, use.objects[0])
        yield from stream_part(runtime, use.objects[0].copy, span.start, span.stop)


@contextmanager
def _recording_breaks(runtime: Runtime, use: Use) -> Iterator[None]:
    """Record what breaks off, and raise it on, so that the reader sees a short body."""
    try:
        yield
    except Failure:
        _record(runtime, use, status=500)
        raise


def _check(runtime: Runtime, use: Use, located: StoredInstance) -> Node:
    """Decide on an object's use anew; its node. Raises Gone where anything was stopped or withdrawn since the yes."""
    with runtime.store.read() as connection:
        governance = runtime.governance.current(connection)
        open_now = governance.visible_datasets(use.caller.subject, use.action, use.caller.purpose, runtime.clock())
        if use.facts.dataset not in open_now.datasets:
            raise Gone("access-stopped", "Access, the agreement or its node was stopped while this was being sent.")
        if not custody.holds(connection, located.custody):
            raise Gone("study-withdrawn", "The study was withdrawn while this was being sent.")
    return runtime.node_of(governance.node(located.node))
