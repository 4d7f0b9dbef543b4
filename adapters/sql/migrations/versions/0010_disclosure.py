"""Permits say whether they name export, which none did before; callers of the federated search have a budget and kept answers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column, with a default that fills it, and the two tables, which begin empty."""
    op.add_column("permit", sa.Column("export", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _table("question_budget", sa.Column("spent", sa.Integer(), nullable=False))
    _table(
        "kept_answer", sa.Column("told", sa.Text(), nullable=False), question=sa.Column("question", sa.String(64), nullable=False)
    )


def _table(name: str, value: sa.Column[Any], **more: sa.Column[Any]) -> None:
    keys = ["caller", "period", *more, "dataset"]
    op.create_table(
        name,
        sa.Column("caller", sa.String(80), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        *more.values(),
        sa.Column("dataset", KEY, nullable=False),
        value,
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name=op.f(f"fk_{name}_dataset")),
        sa.PrimaryKeyConstraint(*keys, name=op.f(f"pk_{name}")),
    )
