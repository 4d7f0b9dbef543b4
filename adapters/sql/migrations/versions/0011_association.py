"""The DICOM door says who called it of late."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table, which begins empty."""
    op.create_table(
        "association",
        sa.Column("calling", sa.String(16), nullable=False),
        sa.Column("called", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("calling", "called", "address", "reason", name="pk_association"),
    )
    op.create_index("ix_association_at", "association", ["at"], unique=False)
