"""The published versions of the documents; the database refuses to change one."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from adapters.sql import governance
from adapters.sql import tables as t
from adapters.sql.issue import issue_of
from adapters.sql.store import moment, stamp
from consent.terms import DocumentKind, Terms

_c = t.terms.c


def add(connection: Connection, terms: Terms) -> int:
    """Insert a version; its id."""
    issue, now = terms.issue, terms.published
    said = {"kind": str(terms.kind), "summary": terms.summary, "changes": terms.changes}
    effect = {"effective_at": stamp(issue.effective_at), "renewal": issue.needs_renewal, "contains": _words(issue.contains)}
    values = {"version": issue.version, "sha256": terms.sha256, "text": terms.text, "at": stamp(now)}
    return governance.insert_row(connection, t.terms, now, **values, **said, **effect)


def _words(versions: frozenset[str]) -> str:
    return " ".join(sorted(versions))


def find_id(connection: Connection, version: str, kind: DocumentKind = DocumentKind.GENERAL) -> int | None:
    """The id of this version."""
    found = select(_c.id).where(_c.kind == str(kind), _c.version == version)
    key: int | None = connection.execute(found).scalar_one_or_none()
    return key


def read_all(connection: Connection, kind: DocumentKind = DocumentKind.GENERAL) -> tuple[Terms, ...]:
    """Every version of a document without its text and changes, in the order they were published."""
    columns = [c for c in t.terms.c if c.name not in ("text", "changes")]
    rows = connection.execute(select(*columns).where(_c.kind == str(kind)).order_by(_c.id)).mappings()
    return tuple(_terms(dict(row) | {"text": b"", "changes": ""}) for row in rows)


def find(connection: Connection, kind: DocumentKind, version: str) -> Terms | None:
    """One version of a document."""
    rows = connection.execute(select(t.terms).where(_c.kind == str(kind), _c.version == version)).mappings()
    row = rows.one_or_none()
    return None if row is None else _terms(row)


def _terms(row: Mapping[Any, Any]) -> Terms:
    return Terms(
        kind=DocumentKind(row["kind"]),
        issue=issue_of(row),
        sha256=row["sha256"],
        text=bytes(row["text"]),
        published=moment(row["at"]),
        summary=row["summary"],
        changes=row["changes"],
    )
