"""Workers say that they are at work."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table; the first worker to start says so."""
    op.create_table(
        "worker",
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="pk_worker"),
    )
