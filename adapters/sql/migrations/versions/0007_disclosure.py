"""Permits say whether they name export; none that was given before does."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"


def upgrade() -> None:
    """Add the column, with a default that fills it."""
    op.add_column("permit", sa.Column("export", sa.Boolean(), server_default=sa.text("false"), nullable=False))
