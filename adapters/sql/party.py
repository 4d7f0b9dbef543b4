"""Organisations: their rows, and the directory's view of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    cast,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields, matching
from adapters.sql.store import moment, stamp
from consent.party import REPOSITORY, Party, PartyAct
from consent.subject import Role
from mappings.fields import Kind

_p = t.party.c


def add(connection: Connection, now: datetime, *, key: str, name: str, role: str, approved: bool, external: bool) -> int:
    """Insert a party; its id."""
    values = {"role": role, "approved": approved, "external": external}
    party = governance.insert_row(connection, t.party, now, key=key, name=name, **values)
    _record_act(connection, party, now)
    return party


def _record_act(connection: Connection, key: int, now: datetime) -> None:
    """Keep what a party is from now on."""
    told = select(_p.id, _p.role, _p.approved, _p.external, literal(stamp(now), BigInteger)).where(_p.id == key)
    connection.execute(insert(t.party_act).from_select(["party", "role", "approved", "external", "at"], told))


def find_id(connection: Connection, key: str) -> int | None:
    """The id of the party called so."""
    return governance.find_id(connection, _p.key, key)


def change(connection: Connection, key: int, now: datetime, **values: object) -> None:
    """Set these columns of a party."""
    governance.update_row(connection, t.party, key, now, **values)
    _record_act(connection, key, now)


def read_acts(connection: Connection) -> dict[str, tuple[PartyAct, ...]]:
    """Party's key → what it was, from when on, in order."""
    c, found = t.party_act.c, dict[str, tuple[PartyAct, ...]]()
    for row in connection.execute(select(_p.key, t.party_act).join(t.party, c.party == _p.id).order_by(c.id)):
        act = PartyAct(row.role, row.approved, row.external, moment(row.at))
        found[row.key] = (*found.get(row.key, ()), act)
    return found


def read_users(connection: Connection, key: int) -> list[str]:
    """What stands on a party's role, in words: its agreements, clients and permits in force."""
    a, c, p, d = t.agreement.c, t.client.c, t.permit.c, t.dataset.c
    agreements = select(a.key).where(a.party == key).order_by(a.id)
    clients = select(c.client_id).where(c.party == key).order_by(c.id)
    permits = select(d.alias).join(t.permit, p.dataset == d.id).where(p.party == key, p.revoked.is_(None)).order_by(p.id)
    named = {"agreement": agreements, "client": clients, "permit for": permits}
    return [f"{noun} {name}" for noun, rows in named.items() for name in connection.execute(rows).scalars()]


def ids(connection: Connection) -> dict[str, int]:
    """Every party's key → its id."""
    return {key: party for party, key in connection.execute(select(_p.id, _p.key))}


def read_all(connection: Connection) -> tuple[Party, ...]:
    """Every party, in the order they were added."""
    rows = connection.execute(select(_p.key, _p.name, _p.role, _p.updated, _p.approved, _p.external).order_by(_p.id))
    return tuple(
        Party(key, name, role, moment(updated), approved, external=external)
        for key, name, role, updated, approved, external in rows
    )


# --- the directory

_ORGANISATIONS = union_all(
    select(
        literal(0, BigInteger).label("id"),
        literal(REPOSITORY).label("key"),
        bindparam("repository", type_=Text).label("name"),
        literal(REPOSITORY).label("role"),
        cast(null(), BigInteger).label("updated"),
        true().label("approved"),
    ),
    select(_p.id, _p.key, _p.name, _p.role, _p.updated, _p.approved),
).subquery("organisations")
_o = _ORGANISATIONS.c
_PLACE: ColumnElement[int] = _o.id + 1  # the repository is a setting and not a row; it comes first


def _organisations(scope: DirectoryScope) -> Select[Any]:
    everybodys = _o.role.in_([REPOSITORY, str(Role.PROVIDER)])
    shown = true() if scope.all else or_(everybodys, _o.key == (scope.party or REPOSITORY), _o.id.in_(_holders(scope.provider)))
    return select(_PLACE.label("row"), _ORGANISATIONS).where(shown).params(repository=scope.repository)


def _holders(provider: str | None) -> Select[Any]:
    """The ids of those who hold a permit that stands for a dataset of this provider's."""
    return (
        select(t.permit.c.party)
        .join(t.dataset, t.permit.c.dataset == t.dataset.c.id)
        .join(t.agreement, t.dataset.c.agreement == t.agreement.c.id)
        .join(t.party, t.agreement.c.party == _p.id)
        .where(_p.key == provider, t.permit.c.revoked.is_(None))
    )


def _named(connection: Connection, leaf: Leaf, scope: DirectoryScope) -> ColumnElement[bool]:
    """Names are matched folded, which SQL can't do; organisations are few."""
    named = connection.execute(_organisations(scope).with_only_columns(_o.id, _o.name)).all()
    return _o.id.in_(matching(leaf, [(key, name) for key, name in named]))


def _fields(connection: Connection, scope: DirectoryScope) -> Fields:
    return {
        "party": Column(_o.key, Kind.CODE),
        "updated": Column(_o.updated, Kind.MOMENT),
        "name": lambda leaf: _named(connection, leaf, scope),
        "written_name": Column(_o.name, Kind.TEXT),
    }


def _party(_connection: Connection, row: Any, scope: DirectoryScope) -> Party:
    contact = scope.contact if row.key == REPOSITORY else ""
    return Party(row.key, row.name, row.role, moment(row.updated) if row.updated else None, bool(row.approved), contact)


ORGANISATIONS: DirectorySource[Party] = DirectorySource(_organisations, _PLACE, _fields, _party)
"""The repository, its providers and the caller's own organisation; for a provider who holds its permits, for the operator all."""
