"""Who could see a dataset in a span of time: the decisions on every client and person made again, from what governance kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import acceptance, exclusion, history
from adapters.sql import client as clients
from adapters.sql.client import ClientRow
from consent.conditions import Action
from consent.dataset import Facts
from consent.exclusion import is_excluded
from consent.person import Act, Actor, person_id
from consent.policy import decide
from consent.subject import Role, Subject
from mappings.failures import Invalid, NotFound
from server.usecases.identify import person_subject, subject
from server.usecases.naming import require_act
from server.usecases.runtime import Runtime

SEEING = (Action.DISCOVER, Action.QUERY, Action.PREVIEW, Action.VIEW, Action.PROCESS, Action.EXPORT)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a client or person could do with the dataset at some moment of the span, for a purpose (None: it needs none)."""

    subject: str
    party: str | None
    purpose: str | None
    actions: frozenset[Action]


def audit(runtime: Runtime, actor: Actor, alias: str, after: datetime, until: datetime) -> tuple[Sight, ...]:
    """Who could see a dataset from one moment to another (end exclusive), as registered now; nothing is recorded.

    What somebody is registered for (purposes, node, whether enabled) is as it stands; what its organisation was, what it had
    accepted, what was agreed, permitted, linked, published, withdrawn and blocked are as they were; but for a person's own block.
    Raises NotFound, and Invalid for a span in which more was done than is gone through.
    """
    found: dict[tuple[str, str | None], Sight] = {}
    with runtime.store.read() as connection:
        registered, turned = clients.read_all(connection), _turned(connection, after, until)
        facts = [(now, each) for now in turned for each in history.facts_at(connection, now) if each.alias == alias]
        if not facts:
            raise NotFound("dataset-unknown", "Nothing was agreed on a dataset of this name then.", "dataset")
        require_act(actor, Act.READ_RECORD, facts[-1][1].provider)
        for now, each in facts:
            for sight in _sights(each, _askers(connection, registered, now), now):
                before = found.get((sight.subject, sight.purpose), sight)
                found[sight.subject, sight.purpose] = replace(sight, actions=before.actions | sight.actions)
    return tuple(found.values())


def _turned(connection: Connection, after: datetime, until: datetime) -> list[datetime]:
    turned = history.moments(connection, after, until)
    if len(turned) > history.MOST_MOMENTS:
        raise Invalid("span", f"More than {history.MOST_MOMENTS} acts fall into this span: name a shorter one.", "to")
    return [after, *turned]


def _askers(connection: Connection, registered: Iterable[ClientRow], now: datetime) -> Iterator[Subject]:
    """Everybody as asked then: a client of a node from inside and from outside it, a person by each role that uses data."""
    excluded = exclusion.standing_at(connection, now)
    yield from (who for who in _everybody(connection, registered, now) if not is_excluded(who, excluded))


def _everybody(connection: Connection, registered: Iterable[ClientRow], now: datetime) -> Iterator[Subject]:
    for row in history.clients_at(connection, registered, now):
        yield from (subject(row, inside=inside) for inside in {row.node is not None, False})
    accepted = acceptance.read_versions(connection, now)
    for key, role in history.roles_at(connection, now):
        who = person_subject(key, role, accepted.get(person_id(key), frozenset()))
        if who.role is not Role.ANONYMOUS:
            yield who


def _sights(facts: Facts, askers: Iterable[Subject], now: datetime) -> Iterator[Sight]:
    for who in askers:
        for purpose in (*sorted(who.purposes),) or (None,):
            actions = frozenset(action for action in SEEING if decide(who, action, purpose, facts, now).allowed)
            if actions:
                yield Sight(who.id, who.party, purpose, actions)
