"""Organisations: registering them, and what may be changed of them."""

from adapters.sql import party as parties
from adapters.sql.ledger import About, record
from consent.entries import PartyAdded, PartySet
from consent.party import REPOSITORY, ROLES, Party
from mappings.failures import Conflict
from server.usecases.naming import check_new, check_words, enumerated, require
from server.usecases.runtime import Runtime


def add_party(runtime: Runtime, actor: str, key: str, name: str, role: str, *, approved: bool = True) -> None:
    """Register an organisation: a provider, an approved user, another repository, or the operator's own."""
    check_words([role], ROLES, "role")
    if key == REPOSITORY:
        raise Conflict("party-reserved", f"{REPOSITORY} is the repository itself; choose another key.", "party")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(parties.find_id(connection, key), "party", key)
        party = parties.add(connection, now, key=key, name=name, role=role, approved=approved)
        record(connection, PartyAdded(party=key, role=role, approved=approved), now, actor, About(party))


def set_party(
    runtime: Runtime, actor: str, key: str, *, name: str | None = None, role: str | None = None, approved: bool | None = None
) -> None:
    """Change an organisation's name, its role (while nothing stands on that) or its approval; None leaves that as it is."""
    check_words([role] if role else [], ROLES, "role")
    given = {"name": name, "role": role, "approved": approved}
    now = runtime.clock()
    with runtime.governance_act() as connection:
        party = require(parties.find_id(connection, key), "party", key)
        if role and (users := parties.read_users(connection, party)):
            raise Conflict(
                "party-in-use", f"The role of {key} stays: {enumerated(users)} stand on it. Add another party.", "role"
            )
        parties.change(connection, party, now, **{column: value for column, value in given.items() if value is not None})
        record(connection, PartySet(party=key, name=name, role=role, approved=approved), now, actor, About(party))


def list_parties(runtime: Runtime) -> tuple[Party, ...]:
    """Every organisation."""
    with runtime.store.read() as connection:
        return parties.read_all(connection)
