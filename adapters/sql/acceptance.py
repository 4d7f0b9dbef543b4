"""Who accepted which version of a document, for which organisation; append-only."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
from consent.terms import Acceptance, DocumentKind

_c, _t = t.acceptance.c, t.terms.c


def add(connection: Connection, now: datetime, *, terms: int, subject: str, party: int, actor: str) -> bool:
    """Keep that a subject accepted a version; False where it had before."""
    if connection.execute(select(_c.id).where(_c.subject == subject, _c.terms == terms)).first():
        return False
    governance.insert_row(connection, t.acceptance, now, terms=terms, subject=subject, party=party, actor=actor, at=stamp(now))
    return True


def read_versions(connection: Connection, at: datetime | None = None) -> Mapping[str, frozenset[str]]:
    """Subject → the versions of the general terms that it accepted, by that moment where one is given."""
    rows = select(_c.subject, _t.version).join(t.terms, _c.terms == _t.id).where(_t.kind == str(DocumentKind.GENERAL))
    rows = rows if at is None else rows.where(_c.at <= stamp(at))
    found: dict[str, frozenset[str]] = {}
    for subject, version in connection.execute(rows):
        found[subject] = found.get(subject, frozenset()) | {version}
    return found


def versions_of(connection: Connection, subject: str) -> frozenset[str]:
    """The versions of the general terms that a subject accepted."""
    rows = select(_t.version).join(t.acceptance, _c.terms == _t.id).where(_c.subject == subject)
    return frozenset(connection.execute(rows.where(_t.kind == str(DocumentKind.GENERAL))).scalars())


def read_of(connection: Connection, subject: str) -> tuple[Acceptance, ...]:
    """What a subject accepted, in order."""
    rows = (
        select(_t.kind, _t.version, _t.sha256, _c.subject, t.party.c.key, _c.at)
        .join(t.terms, _c.terms == _t.id)
        .join(t.party, _c.party == t.party.c.id)
        .where(_c.subject == subject)
        .order_by(_c.id)
    )
    return tuple(
        Acceptance(DocumentKind(kind), version, digest, who, party, moment(at))
        for kind, version, digest, who, party, at in connection.execute(rows)
    )
