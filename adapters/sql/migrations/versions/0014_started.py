"""Studies say when they started as a span of time, by the very moments that FHIR serves."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.index import started_columns

revision = "0014"
down_revision = "0013"
TOGETHER = 1000


def upgrade() -> None:
    """Add the columns, and fill them from what is kept of each study."""
    for name in ("started_from", "started_to"):
        op.add_column("study", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_index("ix_study_started", "study", ["started_from", "id", "dataset"], unique=False)
    study = sa.table("study", *map(sa.column, ("id", "header", "started_from", "started_to")))
    fill = sa.update(study).where(study.c.id == sa.bindparam("row"))
    for rows in _pages(study):
        op.get_bind().execute(fill, [{"row": row.id} | _started(row.header) for row in rows])


def _pages(study: Any) -> Iterator[list[Any]]:
    after = 0
    while True:
        page = sa.select(study.c.id, study.c.header).where(study.c.id > after).order_by(study.c.id).limit(TOGETHER)
        rows = list(op.get_bind().execute(page))
        if not rows:
            return
        yield rows
        after = rows[-1].id


def _started(header: str) -> dict[str, int | None]:
    said = json.loads(header)
    return started_columns(said.get("study_date"), said.get("study_time"), said.get("timezone_offset"))
