"""People, their roles in organisations, the identities that OpenID providers prove, and their local accounts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import insert_of, moment, stamp
from consent.person import PersonRole

_p, _r, _i, _a = t.person.c, t.person_role.c, t.person_identity.c, t.person_account.c
_STANDS = _r.ended.is_(None), ~_p.blocked


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role that a person has: in the organisation `party` (None: the repository), which takes part as `party_role`."""

    id: int
    person: int
    role: PersonRole
    party: str | None
    party_id: int | None
    party_role: str | None
    approved: bool
    external: bool
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person with the roles that stand, in the order they were given; `email` is for mail."""

    id: int
    key: str
    name: str
    email: str
    blocked: bool
    added: datetime
    roles: tuple[RoleRow, ...]
    has_account: bool
    issuers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A local account: the hash of its password, its sealed secret of one-time codes and the step of the last that was used."""

    person: int
    password: str
    totp: str
    step: int


def add(connection: Connection, now: datetime, *, key: str, name: str, email: str) -> int:
    """Insert a person; the id."""
    values = {"key": key, "name": name, "email": email, "blocked": False, "added": stamp(now)}
    return governance.insert_row(connection, t.person, now, **values)


def set_blocked(connection: Connection, person: int, now: datetime, *, blocked: bool) -> None:
    """Block a person, or let in again."""
    governance.update_row(connection, t.person, person, now, blocked=blocked)


def find(connection: Connection, key: str) -> PersonRow | None:
    """The person called so."""
    return next(_people(connection, select(t.person).where(_p.key == key)), None)


def read(connection: Connection, person: int) -> PersonRow:
    """The person with this id."""
    return next(_people(connection, select(t.person).where(_p.id == person)))


def read_all(connection: Connection) -> tuple[PersonRow, ...]:
    """Everybody, in the order they were added."""
    return tuple(_people(connection, select(t.person).order_by(_p.id)))


def operators(connection: Connection) -> frozenset[str]:
    """The keys of the persons who are operators now."""
    rows = select(_p.key).join(t.person_role, _r.person == _p.id).where(*_STANDS, _r.role == str(PersonRole.OPERATOR))
    return frozenset(connection.execute(rows).scalars())


def addresses(connection: Connection, party: str | None) -> list[tuple[str, str]]:
    """(key, e-mail address) of an organisation's people (None: the repository's operators) who have one."""
    rows = select(_p.key, _p.email).distinct().join(t.person_role, _r.person == _p.id).where(*_STANDS, _p.email != "")
    if party is None:
        rows = rows.where(_r.role == str(PersonRole.OPERATOR))
    else:
        rows = rows.join(t.party, _r.party == t.party.c.id).where(t.party.c.key == party)
    return [(row.key, row.email) for row in connection.execute(rows.order_by(_p.key))]


def _people(connection: Connection, rows: Select[Any]) -> Iterator[PersonRow]:
    found = connection.execute(rows).all()
    one = [row.id for row in found] if len(found) == 1 else None
    roles = _grouped(_roles(connection, one), lambda role: role.person)
    accounts = set(connection.execute(_of(select(_a.person), _a.person, one)).scalars())
    linked = connection.execute(_of(select(_i.person, _i.issuer).order_by(_i.id), _i.person, one)).all()
    issuers = _grouped(linked, lambda row: row.person)
    for row in found:
        known = tuple(each.issuer for each in issuers.get(row.id, ()))
        standing = tuple(roles.get(row.id, ()))
        said = (row.id, row.key, row.name, row.email, row.blocked, moment(row.added))
        yield PersonRow(*said, standing, row.id in accounts, known)


def _of(rows: Select[Any], column: Any, people: Sequence[int] | None) -> Select[Any]:
    return rows if people is None else rows.where(column.in_(people))


def _grouped(rows: Any, key: Any) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


# --- roles

_EVER = (
    select(
        t.person_role,
        t.party.c.key.label("party_key"),
        t.party.c.role.label("party_role"),
        t.party.c.approved,
        t.party.c.external,
    )
    .outerjoin(t.party, _r.party == t.party.c.id)
    .order_by(_r.id)
)
_ROLES = _EVER.where(_r.ended.is_(None))


def _roles(connection: Connection, people: Sequence[int] | None) -> Iterator[RoleRow]:
    return map(_role, connection.execute(_of(_ROLES, _r.person, people)))


def _role(row: Any) -> RoleRow:
    approved = True if row.approved is None else bool(row.approved)  # the repository needs nobody's approval
    known = (row.id, row.person, PersonRole(row.role), row.party_key, row.party, row.party_role, approved, bool(row.external))
    return RoleRow(*known, frozenset(row.purposes.split()))


def roles_at(connection: Connection, at: datetime) -> tuple[tuple[str, RoleRow], ...]:
    """(person's key, role) of each role that stood at a moment, its organisation as it is now."""
    stood = (_r.since <= stamp(at), or_(_r.ended.is_(None), _r.ended > stamp(at)))
    rows = _EVER.add_columns(_p.key.label("person_key")).join(t.person, _r.person == _p.id).where(*stood)
    return tuple((row.person_key, _role(row)) for row in connection.execute(rows))


def find_role(connection: Connection, role: int) -> RoleRow | None:
    """A role that stands, by its id."""
    row = connection.execute(_ROLES.where(_r.id == role)).one_or_none()
    return None if row is None else _role(row)


def add_role(connection: Connection, now: datetime, *, person: int, party: int | None, role: PersonRole, purposes: str) -> int:
    """Give a person a role; its id."""
    values = {"person": person, "party": party, "role": str(role), "purposes": purposes, "since": stamp(now)}
    return governance.insert_row(connection, t.person_role, now, **values)


def end_role(connection: Connection, role: int, now: datetime) -> None:
    """Take a role back."""
    governance.update_row(connection, t.person_role, role, now, ended=stamp(now))


# --- identities and accounts


def find_identity(connection: Connection, issuer: str, subject: str) -> PersonRow | None:
    """The person whom this provider calls so."""
    person = connection.execute(select(_i.person).where(_i.issuer == issuer, _i.subject == subject)).scalar_one_or_none()
    return None if person is None else read(connection, person)


def find_called(connection: Connection, issuer: str, username: str) -> PersonRow | None:
    """The person whom this provider has called so last."""
    named = select(_i.person).where(_i.issuer == issuer, _i.username == username).distinct()
    found = connection.execute(named).scalars().all()
    return read(connection, found[0]) if len(found) == 1 else None


def call_identity(connection: Connection, issuer: str, subject: str, username: str | None) -> None:
    """Keep what a provider calls a person now; whom it called so before, it calls so no more."""
    called = update(t.person_identity).where(_i.issuer == issuer)
    connection.execute(called.where(_i.username == username, _i.subject != subject).values(username=None))
    connection.execute(called.where(_i.subject == subject).values(username=username))


def add_identity(connection: Connection, now: datetime, *, person: int, issuer: str, subject: str) -> None:
    """Link a provider's identity to a person."""
    connection.execute(insert(t.person_identity).values(person=person, issuer=issuer, subject=subject, at=stamp(now)))


def find_account(connection: Connection, person: int) -> AccountRow | None:
    """A person's local account."""
    row = connection.execute(select(t.person_account).where(_a.person == person)).one_or_none()
    return None if row is None else AccountRow(row.person, row.password, row.totp, row.step)


def keep_account(connection: Connection, now: datetime, *, person: int, password: str, totp: str, step: int) -> None:
    """Make a person's local account, or make it anew."""
    values = {"password": password, "totp": totp, "step": step, "at": stamp(now)}
    made = insert_of(connection)(t.person_account).values(person=person, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[_a.person], set_=values))


def use_step(connection: Connection, person: int, step: int) -> bool:
    """Use up the code of a time step; False where this or a later one was used before."""
    done = update(t.person_account).where(_a.person == person, _a.step < step).values(step=step)
    return bool(connection.execute(done).rowcount)
