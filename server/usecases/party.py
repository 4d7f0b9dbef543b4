"""Organisations: registering them, and what may be changed of them."""

from sqlalchemy import Connection

from adapters.sql import party as parties
from adapters.sql.ledger import About, record
from consent.entries import PartyAdded, PartyAdmitted, PartySet
from consent.party import REPOSITORY, ROLES, Party
from consent.person import Act, Actor
from mappings.failures import Conflict
from server.usecases.naming import check_new, check_words, enumerated, require, require_act
from server.usecases.runtime import Runtime
from server.usecases.second_person import require_only_operator


def add_party(
    runtime: Runtime, actor: str, key: str, name: str, role: str, *, approved: bool = True, external: bool = False
) -> None:
    """Register an organisation: a provider, an approved user, another repository, or the operator's own.

    It is a beneficiary, or external; what is external uses nothing before it is admitted.
    """
    check_words([role], ROLES, "role")
    approved = approved and not external
    if key == REPOSITORY:
        raise Conflict("party-reserved", f"{REPOSITORY} is the repository itself; choose another key.", "party")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(parties.find_id(connection, key), "party", key)
        party = parties.add(connection, now, key=key, name=name, role=role, approved=approved, external=external)
        record(connection, PartyAdded(party=key, role=role, approved=approved, external=external), now, actor, About(party))


def set_party(
    runtime: Runtime,
    actor: str,
    key: str,
    *,
    name: str | None = None,
    role: str | None = None,
    approved: bool | None = None,
    external: bool | None = None,
) -> None:
    """Change an organisation's name, its role (while nothing stands on that), its approval, or whether it is external.

    None leaves that as it is. What becomes external uses nothing before it is admitted. Raises Forbidden where two persons
    decide, since what is external is to be a beneficiary.
    """
    check_words([role] if role else [], ROLES, "role")
    approved = False if external else approved
    given = {"name": name, "role": role, "approved": approved, "external": external}
    now = runtime.clock()
    with runtime.governance_act() as connection:
        party = require(parties.find_id(connection, key), "party", key)
        if external is False and _is_external(connection, key):
            require_only_operator(connection, actor)
        if approved and external is None and _is_external(connection, key):
            raise Conflict("party-external", f"{key} is external: it is admitted, which is an act of its own.", "party")
        if role and (users := parties.read_users(connection, party)):
            raise Conflict(
                "party-in-use", f"The role of {key} stays: {enumerated(users)} stand on it. Add another party.", "role"
            )
        parties.change(connection, party, now, **{column: value for column, value in given.items() if value is not None})
        record(
            connection, PartySet(party=key, name=name, role=role, approved=approved, external=external), now, actor, About(party)
        )


def _is_external(connection: Connection, key: str) -> bool:
    return next(each.external for each in parties.read_all(connection) if each.key == key)


def admit(runtime: Runtime, actor: Actor, key: str) -> None:
    """Admit an external organisation, by the only operator there is. Raises Forbidden where two persons decide on that."""
    with runtime.governance_act() as connection:
        require_only_operator(connection, actor.id)
        admit_within(runtime, connection, actor, key)


def admit_within(runtime: Runtime, connection: Connection, actor: Actor, key: str) -> None:
    """Admit an external organisation: it may use what providers share with external users. Raises Conflict for a beneficiary."""
    require_act(actor, Act.ADMIT_EXTERNAL)
    now, party = runtime.clock(), require(parties.find_id(connection, key), "party", key)
    if not _is_external(connection, key):
        raise Conflict("party-beneficiary", f"{key} is a beneficiary: it is approved, not admitted.", "party")
    parties.change(connection, party, now, approved=True)
    record(connection, PartyAdmitted(party=key), now, actor.id, About(party))


def make_beneficiary_within(runtime: Runtime, connection: Connection, actor: Actor, key: str) -> None:
    """Say of an external organisation that it is a beneficiary: what is shared with these is, once it is approved."""
    require_act(actor, Act.ADMIT_EXTERNAL)
    now, party = runtime.clock(), require(parties.find_id(connection, key), "party", key)
    parties.change(connection, party, now, external=False, approved=False)
    said = PartySet(party=key, name=None, role=None, approved=False, external=False)
    record(connection, said, now, actor.id, About(party))


def list_parties(runtime: Runtime) -> tuple[Party, ...]:
    """Every organisation."""
    with runtime.store.read() as connection:
        return parties.read_all(connection)
