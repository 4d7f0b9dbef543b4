"""The record of access says how something was asked for and which resources were shown, by whose data they are."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.sql.seen import pack
from mappings.study import study_key

revision = "0019"
down_revision = "0018"
TOGETHER = 1000
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column and the table, and fill them as far as the rows that are there can tell: reads have no ids."""
    op.add_column("access", sa.Column("interaction", sa.String(16), nullable=False, server_default=sa.text("'read'")))
    op.create_index("ix_access_subject", "access", ["subject", "id"])
    op.create_table(
        "access_seen",
        sa.Column("id", _KEY, autoincrement=True, nullable=False),
        sa.Column("access", _KEY, nullable=False),
        sa.Column("party", _KEY, nullable=True),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["access"], ["access.id"], name=op.f("fk_access_seen_access")),
        sa.ForeignKeyConstraint(["party"], ["party.id"], name=op.f("fk_access_seen_party")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_seen")),
    )
    op.create_index("ix_access_seen_access", "access_seen", ["access"])
    op.create_index("ix_access_seen_party", "access_seen", ["party", "access"])
    _say_how()
    seen = sa.table("access_seen", *map(sa.column, ("access", "party", "type", "packed")))
    for rows in _uses():
        shown = [{"access": r.id, "party": r.party, "type": "ImagingStudy", "packed": _study(r.study_uid)} for r in rows]
        op.get_bind().execute(sa.insert(seen), shown)


def _study(uid: str) -> bytes:
    return pack("ImagingStudy", [study_key(uid)])


def _say_how() -> None:
    access = sa.table("access", *map(sa.column, ("target", "interaction", "status")))
    asked = access.c.target
    searched = asked.like("qido/%") | (asked == "eucaimSearch") | (asked.like("%?%") & (access.c.status == sa.literal(200)))
    op.execute(sa.update(access).where(searched).values(interaction="search"))
    op.execute(sa.update(access).where(asked == "metadata").values(interaction="capabilities"))


def _uses() -> Iterator[list[Any]]:
    """Accesses of windows of use, whose study and dataset are kept, in pages."""
    access = sa.table("access", *map(sa.column, ("id", "window")))
    window = sa.table("use_window", *map(sa.column, ("id", "study_uid", "dataset")))
    dataset = sa.table("dataset", *map(sa.column, ("id", "agreement")))
    agreement = sa.table("agreement", *map(sa.column, ("id", "party")))
    rows = (
        sa.select(access.c.id, window.c.study_uid, agreement.c.party)
        .join(window, access.c.window == window.c.id)
        .join(dataset, window.c.dataset == dataset.c.id)
        .join(agreement, dataset.c.agreement == agreement.c.id)
        .order_by(access.c.id)
        .limit(TOGETHER)
    )
    after = 0
    while page := list(op.get_bind().execute(rows.where(access.c.id > after))):
        yield page
        after = page[-1].id
