"""People and their sessions over HTTP: inviting, roles, blocking; and the caller's own sessions."""

from adapters.sql.person import PersonRow
from consent.person import Act
from mappings.api.people import (
    InvitedTold,
    PeopleTold,
    PersonAsked,
    PersonTold,
    RoleAsked,
    RoleTold,
    SessionsTold,
    SessionTold,
)
from server.usecases import person, session
from server.usecases.person import Invited
from server.web.api import Api
from server.web.context import caller, runtime

READ, ACT = "Organization.r", "Organization.u"
"""Scopes that a token needs; a person's browser holds all, and no client's default has the second."""


def door() -> Api:
    """The routes of people."""
    routes, one = Api("people"), "/api/people/<key>"
    routes.row("GET", "/api/people", PeopleTold, scope=READ)(list_all)
    routes.row("POST", "/api/people", InvitedTold, scope=ACT, act=Act.INVITE, body=PersonAsked, status=201)(add)
    routes.row("POST", f"{one}/invitation", InvitedTold, scope=ACT, act=Act.INVITE, status=201)(invite)
    for path, change in {"roles": give, "roles/end": take}.items():
        routes.row("POST", f"{one}/{path}", PeopleTold, scope=ACT, act=Act.ASSIGN, body=RoleAsked)(change)
    for path, view in {"block": block, "unblock": unblock, "sign-out": sign_out}.items():
        routes.row("POST", f"{one}/{path}", PeopleTold, scope=ACT, act=Act.BLOCK)(view)
    routes.row("GET", "/api/sessions", SessionsTold, scope=READ)(list_sessions)
    routes.row("DELETE", "/api/sessions/<key>", None, scope=READ, status=204)(end)
    return routes


def list_all() -> PeopleTold:
    """List the people of the caller's organisation; for who acts for all, everybody."""
    return PeopleTold(people=[_told(row) for row in person.list_people(runtime(), caller().actor)])


def _told(row: PersonRow) -> PersonTold:
    ways = [*(["local"] if row.has_account else []), *row.issuers]
    roles = [RoleTold(role=r.role, party=r.party, purposes=sorted(r.purposes)) for r in row.roles]  # type: ignore[arg-type]
    return PersonTold(key=row.key, name=row.name, blocked=row.blocked, signs_in_by=ways, roles=roles)


def add(asked: PersonAsked) -> InvitedTold:
    """Invite a person, with a first role."""
    known = {"name": asked.name, "email": asked.email, "role": str(asked.role), "party": asked.party, "purposes": asked.purposes}
    return _invited(person.add_person(runtime(), caller().actor, asked.key, **known))  # type: ignore[arg-type]


def invite(key: str) -> InvitedTold:
    """Invite a person anew, whose link was too old or whose factors were lost."""
    return _invited(person.invite_again(runtime(), caller().actor, key))


def _invited(made: Invited) -> InvitedTold:
    return InvitedTold(person=made.person, url=made.url, expires=made.expires)


def give(key: str, asked: RoleAsked) -> PeopleTold:
    """Give a person one more role."""
    person.give_role(runtime(), caller().actor, key, str(asked.role), party=asked.party, purposes=asked.purposes)
    return _one(key)


def take(key: str, asked: RoleAsked) -> PeopleTold:
    """Take a role back; sessions that act by it end."""
    person.take_role(runtime(), caller().actor, key, str(asked.role), party=asked.party)
    return _one(key)


def block(key: str) -> PeopleTold:
    """Keep a person out at once."""
    person.block_person(runtime(), caller().actor, key)
    return _one(key)


def unblock(key: str) -> PeopleTold:
    """Let a person sign in again."""
    person.unblock_person(runtime(), caller().actor, key)
    return _one(key)


def sign_out(key: str) -> PeopleTold:
    """End every session of a person."""
    session.end_sessions_of(runtime(), caller().actor, key)
    return _one(key)


def _one(key: str) -> PeopleTold:
    """The person as it stands, where the caller may see it still."""
    return PeopleTold(people=[_told(row) for row in person.list_people(runtime(), caller().actor) if row.key == key])


def list_sessions() -> SessionsTold:
    """List where the caller is signed in."""
    session.require_person(caller())
    rows = session.list_sessions(runtime(), caller())
    told = [SessionTold(key=r.key, kind=r.kind, agent=r.agent, at=r.at, used=r.touched, expires=r.expires) for r in rows]
    return SessionsTold(this=caller().session or "", sessions=told)


def end(key: str) -> None:
    """End one of the caller's own sessions."""
    session.require_person(caller())
    session.end_session(runtime(), caller(), key)
