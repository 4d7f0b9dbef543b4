"""Which node's own content is brought into which dataset, and how far that is."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table: no node that there is was asked for what it held before."""
    op.create_table(
        "node_sync",
        sa.Column("node", _KEY, autoincrement=False, nullable=False),
        sa.Column("dataset", _KEY, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("begun", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("swept", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["node"], ["node.id"], name="fk_node_sync_node"),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"], name="fk_node_sync_dataset"),
        sa.PrimaryKeyConstraint("node", name="pk_node_sync"),
    )
