"""Studies say the form of what is kept of them as bytes; those of the first schema are of form 0."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, with a default that fills it."""
    op.add_column("study", sa.Column("form", sa.Integer(), server_default=sa.text("0"), nullable=False))
