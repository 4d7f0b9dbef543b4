"""People: adding them by invitation, their roles in organisations, blocking them, and who sees whom.

An act is asked of the table of roles (`consent.person.may`) for the organisation it concerns. Whoever invites a person
anew, whose factors were lost, must be able to invite for each of that person's roles, and is never that person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from adapters.local_account import digest_of, new_token
from adapters.sql import invitation as invitations
from adapters.sql import party as parties
from adapters.sql import person as people
from adapters.sql import session as sessions
from adapters.sql.ledger import About, record
from adapters.sql.person import PersonRow, RoleRow
from consent.conditions import Purpose
from consent.entries import PersonAdded, PersonMoved, RoleMoved
from consent.person import Act, Actor, PersonRole, may_be, person_id, sees
from mappings.failures import Conflict, Forbidden, Invalid
from server.usecases.naming import check_new, check_words, require, require_act
from server.usecases.runtime import Runtime

INVITATION_HOURS = 48
MOST_NAME, MOST_EMAIL = 200, 254


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation: the secret of its link, told this once, and until when it is good."""

    person: str
    token: str
    url: str
    expires: datetime


def add_person(
    runtime: Runtime,
    actor: Actor,
    key: str,
    *,
    name: str,
    email: str = "",
    role: str,
    party: str | None = None,
    purposes: Sequence[str] = (),
) -> Invited:
    """Add a person with a first role, and invite them. Raises Forbidden, Invalid, Conflict or NotFound."""
    require_act(actor, Act.INVITE, party)
    require_act(actor, Act.ASSIGN, party)
    _check_texts(name, email)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(people.find(connection, key), "person", key)
        person = people.add(connection, now, key=key, name=name, email=email)
        owner, words = _give(connection, now, people.read(connection, person), role, party, purposes)
        added = PersonAdded(person=key, role=role, party=party, purposes=words or None)
        record(connection, added, now, actor.id, About(owner))
        return _invite(runtime, connection, now, actor, person, key)


def _check_texts(name: str, email: str) -> None:
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise Invalid("person-display-name", f"A person is called by one line of at most {MOST_NAME} characters.", "name")
    if email and not (len(email) <= MOST_EMAIL and email.isprintable() and 0 < email.find("@") < len(email) - 1):
        raise Invalid("person-email", f"An e-mail address has an @ and at most {MOST_EMAIL} characters.", "email")


def invite_again(runtime: Runtime, actor: Actor, key: str) -> Invited:
    """Invite a person anew: the first link expired, or factors were lost (a second person's act). What was before ends at use."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        _check_reaches(actor, row, Act.INVITE)
        if actor.id == person_id(key):
            raise Forbidden("person-self", "Who lost a factor is invited anew by somebody else.")
        record(connection, PersonMoved(verb="invite", person=key), now, actor.id, About())
        return _invite(runtime, connection, now, actor, row.id, key)


def _check_reaches(actor: Actor, row: PersonRow, act: Act) -> None:
    for party in {role.party for role in row.roles} or {None}:
        require_act(actor, act, party)


def _invite(runtime: Runtime, connection: Connection, now: datetime, actor: Actor, person: int, key: str) -> Invited:
    token, expires = new_token(), now + timedelta(hours=INVITATION_HOURS)
    invitations.add(connection, now, person=person, digest=digest_of(token), actor=actor.id, expires=expires)
    return Invited(key, token, f"{runtime.settings.base_url}/invitation/{token}", expires)


def give_role(
    runtime: Runtime, actor: Actor, key: str, role: str, *, party: str | None = None, purposes: Sequence[str] = ()
) -> None:
    """Give a person a role in an organisation, or in the repository (None). Raises Conflict where it is held already."""
    require_act(actor, Act.ASSIGN, party)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        owner, words = _give(connection, now, row, role, party, purposes)
        given = RoleMoved(verb="give", person=row.key, role=role, party=party, purposes=words or None)
        record(connection, given, now, actor.id, About(owner))


def _give(
    connection: Connection, now: datetime, row: PersonRow, role: str, party: str | None, purposes: Sequence[str]
) -> tuple[int | None, str]:
    """The id of the party, and the purposes as words."""
    check_words([role], [str(r) for r in PersonRole], "role")
    words, chosen = check_words(purposes, [str(p) for p in Purpose], "purpose"), PersonRole(role)
    owner, part = _organisation(connection, party)
    if not may_be(chosen, part):
        raise Conflict("role-not-there", f"Nobody is {role} in {'the repository' if party is None else f'a {part}'}.", "role")
    if bool(words) is not (chosen is PersonRole.RESEARCHER):
        raise Invalid("role-purposes", "A researcher has purposes, and nobody else.", "purposes")
    if any(held.role is chosen and held.party == party for held in row.roles):
        raise Conflict("role-held", "This person has that role already.", "role")
    people.add_role(connection, now, person=row.id, party=owner, role=chosen, purposes=words)
    return owner, words


def _organisation(connection: Connection, party: str | None) -> tuple[int | None, str | None]:
    """(id, role) of a party; (None, None) of the repository."""
    if party is None:
        return None, None
    owner = require(parties.find_id(connection, party), "party", party)
    return owner, next(each.role for each in parties.read_all(connection) if each.key == party)


def take_role(runtime: Runtime, actor: Actor, key: str, role: str, *, party: str | None = None) -> None:
    """Take a role back: sessions that act by it end with it. The repository's last operator stays. Raises Conflict."""
    require_act(actor, Act.ASSIGN, party)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        held = next((r for r in row.roles if r.role == role and r.party == party), None)
        one = require(held, "role", role)
        _check_operator_left(connection, row, one)
        people.end_role(connection, one.id, now)
        sessions.end_of_role(connection, one.id, now)
        taken = RoleMoved(verb="take", person=key, role=role, party=party, purposes=None)
        record(connection, taken, now, actor.id, About(one.party_id))


def _check_operator_left(connection: Connection, row: PersonRow, role: RoleRow | None = None) -> None:
    if role is not None and role.role is not PersonRole.OPERATOR:
        return
    others = (p for p in people.read_all(connection) if p.id != row.id and not p.blocked)
    is_one = any(r.role is PersonRole.OPERATOR for r in row.roles)
    if is_one and not any(r.role is PersonRole.OPERATOR for p in others for r in p.roles):
        raise Conflict("operator-last", "This is the repository's last operator. Make another first.")


def block_person(runtime: Runtime, actor: Actor, key: str) -> None:
    """Keep a person out from the next request on: sessions, devices and invitations end."""
    require_act(actor, Act.BLOCK, None)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        _check_operator_left(connection, row)
        people.set_blocked(connection, row.id, now, blocked=True)
        sessions.end_of_person(connection, row.id, now)
        invitations.end_all(connection, row.id, now)
        record(connection, PersonMoved(verb="block", person=key), now, actor.id, About())


def unblock_person(runtime: Runtime, actor: Actor, key: str) -> None:
    """Let a person sign in again."""
    require_act(actor, Act.BLOCK, None)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row = require(people.find(connection, key), "person", key)
        people.set_blocked(connection, row.id, now, blocked=False)
        record(connection, PersonMoved(verb="unblock", person=key), now, actor.id, About())


def list_people(runtime: Runtime, actor: Actor) -> tuple[PersonRow, ...]:
    """The people whom this actor may see: of its organisation, or all."""
    with runtime.store.read() as connection:
        everybody = people.read_all(connection)
    return tuple(row for row in everybody if any(_sees(actor, role.party) for role in row.roles) or _sees(actor, None))


def _sees(actor: Actor, party: str | None) -> bool:
    return sees(actor, party or "")  # of the repository's own people only who acts for all is told
