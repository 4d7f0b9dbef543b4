"""Digests of an object's parts, filled by a job that reads what is held; and since when a copy is known to be damaged."""

import time

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, its index and the table; ask for the jobs that look at every node."""
    op.add_column("custody", sa.Column("damaged", sa.BigInteger()))
    damaged = sa.text("damaged IS NOT NULL")
    op.create_index("ix_custody_damaged", "custody", ["node"], sqlite_where=damaged, postgresql_where=damaged)
    op.create_table(
        "part_digests",
        sa.Column("custody", KEY, autoincrement=False, nullable=False),
        sa.Column("blocks", sa.LargeBinary(), nullable=False),
        sa.Column("frames", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["custody"], ["custody.id"], name="fk_part_digests_custody", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("custody", name="pk_part_digests"),
    )
    now = int(time.time() * 1_000_000)
    nodes = sa.text(
        "INSERT INTO job (kind, subject, state, due, attempts, cancelled, done, outcome, at)"
        " SELECT :kind, name, 'waiting', :now, 0, false, 0, '', :now FROM node"
    )
    for kind in ("presence", "digests"):
        op.get_bind().execute(nodes, {"kind": kind, "now": now})
