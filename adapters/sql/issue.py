"""What decisions need of the versions of a document: read with every set of facts, so without their texts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from adapters.sql import tables as t
from adapters.sql.store import moment, stamp
from consent.terms import DocumentKind, Issue

_c = t.terms.c


def read_issues(
    connection: Connection, kind: DocumentKind = DocumentKind.GENERAL, at: datetime | None = None
) -> tuple[Issue, ...]:
    """Every version of a document, in the order they were published; of those that were there `at`."""
    columns = _c.version, _c.effective_at, _c.renewal, _c.contains
    rows = select(*columns).where(_c.kind == str(kind)).order_by(_c.id)
    rows = rows if at is None else rows.where(_c.at <= stamp(at))
    return tuple(issue_of(row) for row in connection.execute(rows).mappings())


def issue_of(row: Mapping[Any, Any]) -> Issue:
    """The same of a row of `terms`."""
    return Issue(row["version"], moment(row["effective_at"]), bool(row["renewal"]), frozenset(row["contains"].split()))
