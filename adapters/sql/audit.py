"""Answered requests as they are read back: one's own to who asked, those on its data to a provider, every one to the operator.

Of another's request a provider is told which of its own resources were shown, and nothing of other providers': neither theirs
nor the words of a search, which may name them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, exists, or_, select, true
from sqlalchemy import false as sql_false

from adapters.sql import directory
from adapters.sql import tables as t
from adapters.sql.criteria import Column, Leaf
from adapters.sql.directory import DirectoryScope, DirectorySource, Fields
from adapters.sql.seen import is_key, names, unpack
from adapters.sql.store import moment
from consent.access import Interaction, RecordedAccess, Seen
from mappings.failures import Invalid
from mappings.fields import Kind
from mappings.query import MOST_CONDITIONS, Condition, Like, Page, Position

TOGETHER = 1000
ANY = "*"
_a, _s = t.access.c, t.access_seen.c


def _asked_by(scope: DirectoryScope) -> ColumnElement[bool]:
    """Whether all of a request may be told: it was the reader's own; to the operator, anybody's."""
    return true() if scope.all else _a.subject == scope.subject


def _owned(scope: DirectoryScope) -> ColumnElement[bool]:
    """Whether what was shown is the reader's data."""
    owner = select(t.party.c.id).where(t.party.c.key == scope.provider)
    return _s.party == owner.scalar_subquery() if scope.provider else sql_false()


def _accesses(scope: DirectoryScope) -> Select[Any]:
    asked_by = _asked_by(scope)
    told = or_(asked_by, _a.interaction == str(Interaction.READ))  # what was read is one thing, and its owner's
    columns = _a.id.label("row"), _a.at, _a.subject, _a.action, _a.interaction, _a.purpose, _a.status, _a.request
    asked = case((told, _a.target)).label("target"), case((told, _a.count)).label("count")
    rows = select(*columns, *asked, _under(scope).label("agreement"))
    return rows.where(or_(asked_by, _a.id.in_(select(_s.access).where(_owned(scope)))) if scope.provider else asked_by)


def _under(scope: DirectoryScope) -> ColumnElement[Any]:
    """The agreement that a use was under, where its dataset may be discovered by the reader or is its own."""
    d, g, p = t.dataset.c, t.agreement.c, t.party.c
    own = true() if scope.all else p.key == scope.provider if scope.provider else sql_false()
    rows = select(g.key).select_from(t.window).join(t.dataset, t.window.c.dataset == d.id).join(t.agreement, d.agreement == g.id)
    rows = rows.join(t.party, g.party == p.id).where(t.window.c.id == _a.window, or_(own, d.id.in_(sorted(scope.datasets))))
    return rows.correlate(t.access).scalar_subquery()


def _access(_connection: Connection, row: Any, _scope: DirectoryScope) -> RecordedAccess:
    return RecordedAccess(
        id=row.row,
        at=moment(row.at),
        subject=row.subject,
        action=row.action,
        interaction=Interaction(row.interaction),
        purpose=row.purpose,
        status=row.status,
        request=row.request,
        target=row.target,
        count=row.count,
        agreement=row.agreement,
    )


def _showed(connection: Connection, scope: DirectoryScope, leaf: Leaf) -> ColumnElement[bool]:
    """Whether a request showed a resource (`Type/id`, or any: `Type/*`), where the reader may know that it did."""
    kind, _, key = leaf.pattern.partition("/") if isinstance(leaf, Like) else ("", "", "")
    if key != ANY and not is_key(kind, key):
        return sql_false()
    named = _of_types(kind) if key == ANY else _names(connection, scope, kind, key)
    return exists().where(_s.access == _a.id, or_(_asked_by(scope), _owned(scope)), named).correlate(t.access)


def _of_types(kind: str) -> ColumnElement[bool]:
    """Of a study its patient is told beside it."""
    return _s.type.in_([kind, "ImagingStudy"] if kind == "Patient" else [kind])


def _names(connection: Connection, scope: DirectoryScope, kind: str, key: str) -> ColumnElement[bool]:
    asked = [(kind, key), *(("ImagingStudy", study) for study in _studies_of(connection, scope, key) if kind == "Patient")]
    return or_(*(and_(_s.type == kind, names(connection, _s.packed, kind, key)) for kind, key in asked))


def _whose(scope: DirectoryScope) -> Subquery:
    """Studies and whose they are, those that were withdrawn too, where the reader may look up such."""
    s, p, gone = t.study.c, t.patient.c, t.tombstone.c
    held = select(s.key, p.key.label("patient")).join(t.patient, s.patient == p.id).where(s.dataset.in_(sorted(scope.queryable)))
    return held.union(select(gone.key, gone.patient).where(gone.dataset.in_(sorted(scope.queryable)))).subquery()


def _studies_of(connection: Connection, scope: DirectoryScope, patient: str) -> Sequence[str]:
    """The studies of a patient. Raises Invalid for more than may be named at once."""
    whose = _whose(scope).c
    studies = connection.execute(select(whose.key).where(whose.patient == patient).limit(MOST_CONDITIONS + 1)).scalars().all()
    if len(studies) > MOST_CONDITIONS:
        raise Invalid("too-many", "This patient has too many studies to ask for at once. Ask for studies, by entity.", "patient")
    return studies


def _fields(connection: Connection, scope: DirectoryScope) -> Fields:
    return {
        "access": Column(_a.id, Kind.NUMBER),
        "at": Column(_a.at, Kind.MOMENT),
        "subject": Column(_a.subject, Kind.CODE),
        "action": Column(_a.action, Kind.CODE),
        "interaction": Column(_a.interaction, Kind.CODE),
        "status": Column(_a.status, Kind.NUMBER),
        "request": Column(_a.request, Kind.CODE),
        "showed": partial(_showed, connection, scope),
    }


ACCESSES: DirectorySource[RecordedAccess] = DirectorySource(_accesses, _a.id, _fields, _access)
"""Every answered request that the caller may know of; what was shown is added by `page`."""


def page(connection: Connection, where: Condition, scope: DirectoryScope, page: Page) -> list[tuple[Position, RecordedAccess]]:
    """One keyset page of (place, answered request) with what each showed, in the order they were written or as is asked."""
    rows = directory.page(connection, ACCESSES, where, scope, page)
    seen = _seen(connection, scope, [access.id for _, access in rows])
    patients = _patients_of(connection, scope, {key for each in seen.values() for key in _images(each)})
    return [(place, _complete(access, seen.get(access.id, []), patients)) for place, access in rows]


def _images(seen: Iterable[Seen]) -> Iterator[str]:
    yield from (key for each in seen if each.type == "ImagingStudy" for key in each.keys)


def _complete(access: RecordedAccess, seen: Sequence[Seen], patients: Mapping[str, list[str]]) -> RecordedAccess:
    whose = dict.fromkeys(patient for study in _images(seen) for patient in patients.get(study, ()))
    return replace(access, seen=tuple(seen), patients=tuple(whose))


def _seen(connection: Connection, scope: DirectoryScope, accesses: Sequence[int]) -> dict[int, list[Seen]]:
    """What these requests showed, as far as the reader may know."""
    rows = select(t.access_seen).join(t.access, _s.access == _a.id).where(_s.access.in_(accesses)).order_by(_s.id)
    seen: dict[int, list[Seen]] = {}
    for row in connection.execute(rows.where(or_(_asked_by(scope), _owned(scope)))):
        seen.setdefault(row.access, []).append(Seen(row.type, unpack(row.type, row.packed), row.party))
    return seen


def _patients_of(connection: Connection, scope: DirectoryScope, studies: Collection[str]) -> dict[str, list[str]]:
    """Study → its patient: several where it was withdrawn and came again as another's."""
    whose, patients = _whose(scope), dict[str, list[str]]()
    named = sorted(studies)
    for some in (named[at : at + TOGETHER] for at in range(0, len(named), TOGETHER)):
        for study, patient in connection.execute(select(whose).where(whose.c.key.in_(some)).order_by(whose.c.patient)):
            patients.setdefault(study, []).append(patient)
    return patients
