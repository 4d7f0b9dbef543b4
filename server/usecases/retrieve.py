"""Letting objects out: located among what the caller may see, decided, recorded durably, and only then streamed.

What a caller may not know of is not found; what it may know of but not have is forbidden, by a named rule. The record (an
access row, and the opened entry of its window of use) is committed before the first byte; no transaction is open while bytes
flow, and the stop flags are asked again between instances.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy import Connection

from adapters.nodes.port import Node
from adapters.sql import access, custody
from adapters.sql import search as rows
from adapters.sql.access import Access, Under
from adapters.sql.ledger import About
from adapters.sql.search import Located
from consent.conditions import Action
from consent.dataset import Facts
from consent.policy import Decision, VisibleDatasets, decide
from consent.subject import Role, Subject
from mappings.failures import Failure, Forbidden, Gone, NotFound
from mappings.query import AllOf, Level, OneOf, Page, Query
from server.usecases.hall import Caller, Hall
from server.usecases.record import noted

CHUNK = 512 * 1024
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for: a study, one of its series, one of its instances."""

    study: str
    series: str | None = None
    instance: str | None = None

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
class Granted:
    """A yes: the dataset's facts, the decision, and the instances it covers."""

    facts: Facts
    decision: Decision
    objects: list[Located]


def action_of(subject: Subject) -> Action:
    """Bytes to a client at a node's compute network are processed there; to anybody else they are exported."""
    return Action.PROCESS if subject.role is Role.INSIDE else Action.EXPORT


def decided(hall: Hall, connection: Connection, caller: Caller, action: Action, study: str) -> tuple[Facts, Decision]:
    """The decision on a study's dataset. Raises NotFound where the caller may not know it, Forbidden where it may not have it."""
    dataset = rows.dataset_of(connection, study)
    facts = next((f for f in hall.governance(connection).facts if f.dataset == dataset), None)
    unknown = NotFound("study-unknown", "There is no such study here, or none for you.")
    if facts is None:
        raise unknown
    now = hall.clock()
    decision = decide(caller.subject, action, caller.purpose, facts, now)
    if decision.allowed:
        return facts, decision
    if not decide(caller.subject, Action.DISCOVER, caller.purpose, facts, now).allowed:
        raise unknown
    raise Forbidden(decision.rule, f"{decision.sentence} Questions: {hall.settings.contact}.")


def grant(hall: Hall, caller: Caller, wanted: Wanted, action: Action) -> Granted:
    """Locate and decide. Raises NotFound or Forbidden."""
    with hall.store.read() as connection:
        facts, decision = decided(hall, connection, caller, action, wanted.study)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        objects = rows.located(connection, wanted.query, visible, hall.clock())
    if not objects:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    return Granted(facts, decision, objects)


def recorded(hall: Hall, caller: Caller, wanted: Wanted, action: Action, granted: Granted, status: int = 200) -> None:
    """Commit the record of a use: durable when this returns."""
    said = Access(
        hall.clock(),
        caller.subject.id,
        str(action),
        caller.purpose or "",
        wanted.target,
        status,
        len(granted.objects),
        caller.request,
    )
    facts = granted.facts
    with hall.store.write() as connection:
        if action is Action.PREVIEW:
            access.preview(connection, said)
            return
        about = About(hall.governance(connection).parties[facts.provider], facts.dataset)
        access.use(connection, said, wanted.study, about, Under(facts.alias, granted.decision.agreement, granted.decision.terms))


def metadata(hall: Hall, caller: Caller, wanted: Wanted) -> list[bytes]:
    """The full metadata of every instance asked for. Raises NotFound or Forbidden."""
    with hall.store.read() as connection:
        facts, decision = decided(hall, connection, caller, Action.QUERY, wanted.study)
        visible = VisibleDatasets(frozenset({facts.dataset}), decision.valid_until)
        found = rows.metadata(connection, wanted.query, visible, hall.clock())
    if not found:
        raise NotFound("instance-unknown", "There is no such series or instance here, or none for you.")
    noted(hall, caller, Action.QUERY, f"metadata/{wanted.target}", 200, len(found))
    return found


def still_open(hall: Hall, caller: Caller, action: Action, granted: Granted, located: Located) -> Node:
    """The node of an object, the decision asked anew; raises Gone where anything was stopped or withdrawn since the yes."""
    with hall.store.read() as connection:
        known = hall.governance(connection)
        facts = next((f for f in known.facts if f.dataset == granted.facts.dataset), None)
        if facts is None or not decide(caller.subject, action, caller.purpose, facts, hall.clock()).allowed:
            raise Gone("access-stopped", "The agreement or its node was stopped while this was being sent.")
        if not custody.holds(connection, located.custody):
            raise Gone("study-withdrawn", "The study was withdrawn while this was being sent.")
        return hall.node(connection, located.node)


def stream(
    hall: Hall, caller: Caller, wanted: Wanted, action: Action, granted: Granted
) -> Iterator[tuple[Located, Iterator[bytes]]]:
    """Each object, opened on its node, with its bytes; a break is recorded, and raised so that the reader sees a short body."""
    try:
        for located in granted.objects:
            source = still_open(hall, caller, action, granted, located).open(located.place)
            yield located, _bytes(source)
    except Failure:
        recorded(hall, caller, wanted, action, granted, status=500)
        raise


def _bytes(source: BinaryIO) -> Iterator[bytes]:
    with source:
        while chunk := source.read(CHUNK):
            yield chunk
