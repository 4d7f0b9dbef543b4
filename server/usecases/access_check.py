"""Says to a workspace of the platform which datasets a person may use in it (EUCAIM's `datasetAccessCheck`).

It is decided as for the person itself, inside, by the agreements, permits and roles of this moment; nothing is granted by asking.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from adapters.sql import acceptance
from adapters.sql import dataset as datasets
from adapters.sql import person as people
from adapters.sql.person import PersonRow
from consent.access import Interaction
from consent.conditions import Action
from consent.person import person_id
from consent.policy import decide
from consent.subject import Role, Subject, inside
from mappings.eucaim import collection_id
from mappings.failures import Forbidden
from server.usecases.access import note_access
from server.usecases.identify import person_subject
from server.usecases.runtime import Caller, Runtime

_MAY = (Role.INSIDE, Role.OPERATOR)


def denied(runtime: Runtime, caller: Caller, username: str, named: Sequence[str]) -> list[str]:
    """Of these datasets (by alias, or by EUCAIM's id) those that this person may not process, unknown ones among them.

    A person is who the configured provider calls so, or without one who has a local account of this name. Raises Forbidden for
    a caller who is neither a client inside the platform nor the operator.
    """
    if caller.subject.role not in _MAY:
        raise Forbidden("not-inside", "What a person may use is told to clients inside the platform, at their node.")
    with runtime.store.read() as connection:
        row = _person(runtime, connection, username)
        open_ = _usable(runtime, connection, row) if row and not row.blocked else set()
    refused = [each for each in dict.fromkeys(named) if each not in open_]
    who, status = row.key if row else "nobody", 403 if refused else 204
    asked = f"datasetAccessCheck {who} {' '.join(named)}"
    note_access(runtime, caller, Action.DISCOVER, asked, status, len(refused), interaction=Interaction.SEARCH)
    return refused


def _person(runtime: Runtime, connection: Connection, username: str) -> PersonRow | None:
    if runtime.openid is not None:
        return people.find_called(connection, runtime.openid.issuer, username)
    row = people.find(connection, username)
    return row if row is not None and row.has_account else None


def _usable(runtime: Runtime, connection: Connection, row: PersonRow) -> set[str]:
    """What each dataset is called that this person may process now, by one of its roles and purposes."""
    facts, now = runtime.governance.current(connection).facts, runtime.clock()
    asking = list(_asking(connection, row))
    open_ = {f.dataset for f in facts if any(decide(who, Action.PROCESS, purpose, f, now).allowed for who, purpose in asking)}
    called: dict[str, list[bool]] = {}
    for each in datasets.read_all(connection):
        for name in {each.alias, collection_id(each.alias, each.details.get("identifier"))}:
            called.setdefault(name, []).append(each.id in open_)
    return {name for name, yes in called.items() if all(yes)}


def _asking(connection: Connection, row: PersonRow) -> Iterator[tuple[Subject, str | None]]:
    accepted = acceptance.versions_of(connection, person_id(row.key))
    for role in row.roles:
        who = inside(person_subject(row.key, role, accepted))
        yield from ((who, purpose) for purpose in (*who.purposes, None))
