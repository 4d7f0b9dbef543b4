"""Renewed consent: which providers are asked about a version, what they answered, and their agreements brought under it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Select, func, insert, select, update

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
from consent.agreement import AgreementState
from consent.terms import Answer, DocumentKind, Task

_a, _v, _k, _t = t.agreement.c, t.agreement_version.c, t.terms_task.c, t.terms.c


class Pinned(NamedTuple):
    """An agreement that was concluded and has not ended, with the version of its content in force."""

    id: int
    key: str
    party: int
    provider: str
    version: int


def read_pinned(connection: Connection, terms: int | None = None, provider: str | None = None) -> tuple[Pinned, ...]:
    """The agreements under a version published before this one (None: any), of this provider where one is named."""
    rows = (
        select(_a.id, _a.key, _a.party, t.party.c.key.label("provider"), _a.version)
        .join(t.agreement_version, governance.IN_FORCE)
        .join(t.party, _a.party == t.party.c.id)
        .where(_a.state.in_([str(AgreementState.ACTIVE), str(AgreementState.SUSPENDED)]))
        .order_by(_a.id)
    )
    rows = rows if terms is None else rows.where(_v.terms < terms)
    rows = rows if provider is None else rows.where(t.party.c.key == provider)
    return tuple(Pinned(*row) for row in connection.execute(rows))


def bring_under(connection: Connection, agreement: Pinned, terms: int, actor: str, now: datetime) -> int:
    """Put a version of an agreement in force that differs from the one in force by its terms alone; its number."""
    newest = connection.execute(select(func.max(_v.version)).where(_v.agreement == agreement.id)).scalar_one()
    version = int(newest) + 1
    other = {"version": version, "terms": terms, "at": stamp(now), "replaces": agreement.version}
    kept = [c for c in t.agreement_version.c if c.name not in ("id", *other)]
    there = (
        connection.execute(select(*kept).where(_v.agreement == agreement.id, _v.version == agreement.version)).mappings().one()
    )
    connection.execute(insert(t.agreement_version).values(**there, **other))
    act = {"verb": RENEW, "side": "provider", "actor": actor, "version": version, "at": stamp(now)}
    connection.execute(insert(t.agreement_act).values(agreement=agreement.id, **act))
    governance.update_row(connection, t.agreement, agreement.id, now, version=version)
    return version


RENEW = "renew"
"""The act by which a provider brings an agreement under newer terms."""


# --- tasks


def ask(connection: Connection, now: datetime, *, terms: int, party: int) -> None:
    """Ask a provider about a version."""
    connection.execute(insert(t.terms_task).values(terms=terms, party=party, at=stamp(now)))


def answer(connection: Connection, now: datetime, *, terms: int, party: int, said: Answer, actor: str) -> None:
    """Keep what a provider answered, whether it was asked, or has answered before, or not."""
    given = {"answer": str(said), "answered": stamp(now), "actor": actor}
    asked = (_k.terms == terms, _k.party == party)
    if not connection.execute(update(t.terms_task).where(*asked).values(**given)).rowcount:
        connection.execute(insert(t.terms_task).values(terms=terms, party=party, at=stamp(now), **given))
    governance.touch(connection)


def read_tasks(connection: Connection, party: str | None = None) -> tuple[Task, ...]:
    """What providers were asked, oldest first; only this one's where it is named."""
    rows = _TASKS if party is None else _TASKS.where(t.party.c.key == party)
    return tuple(
        Task(
            row.version,
            row.key,
            moment(row.effective_at),
            moment(row.at),
            row.answer and Answer(row.answer),
            governance.end_of(row.answered),
            row.actor,
        )
        for row in connection.execute(rows)
    )


_TASKS: Select[tuple[object, ...]] = (
    select(_t.version, t.party.c.key, _t.effective_at, _k.at, _k.answer, _k.answered, _k.actor)
    .join(t.terms, _k.terms == _t.id)
    .join(t.party, _k.party == t.party.c.id)
    .where(_t.kind == str(DocumentKind.GENERAL))
    .order_by(_k.id)
)
