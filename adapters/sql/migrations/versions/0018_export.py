"""Exports in bulk: what was asked for, of which datasets, and the files it came to."""

from typing import Any

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the tables, which begin empty."""
    op.create_table(
        "export",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *_texts(key=32, subject=80, action=16, purpose=16, scopes=None, asked=None, request=None),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("mark", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        *_texts(position=128),
        sa.Column("given", sa.BigInteger(), nullable=False),
        *_texts(state=16, failure=64, outcome=None),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
        sa.UniqueConstraint("key", name=op.f("uq_export_key")),
    )
    for column in ("subject", "expires"):
        op.create_index(op.f(f"ix_export_{column}"), "export", [column], unique=False)
    _part("export_dataset", "dataset", KEY, *_texts(rule=32), sa.Column("recorded", sa.Boolean(), nullable=False))
    _part(
        "export_file",
        "number",
        sa.Integer(),
        *_texts(kind=16, type=64),
        sa.Column("step", sa.Integer(), nullable=False),
        *_texts(datasets=None),
        sa.Column("count", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("size", "packed")),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
    )


def _texts(**lengths: int | None) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(most) if most else sa.Text(), nullable=False) for name, most in lengths.items()]


def _part(name: str, key: str, kind: Any, *columns: sa.Column[Any]) -> None:
    """A table of what an export has several of, which goes with it."""
    dataset = [sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name=op.f(f"fk_{name}_dataset"))] if key == "dataset" else []
    op.create_table(
        name,
        sa.Column("export", KEY, autoincrement=False, nullable=False),
        sa.Column(key, kind, autoincrement=False, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["export"], ["export.id"], name=op.f(f"fk_{name}_export"), ondelete="CASCADE"),
        *dataset,
        sa.PrimaryKeyConstraint("export", key, name=op.f(f"pk_{name}")),
    )
