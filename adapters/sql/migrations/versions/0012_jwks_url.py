"""A client's public keys may be registered by the URL they are published at."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; every client that there is has its keys registered by value."""
    op.add_column("client", sa.Column("jwks_url", sa.Text(), nullable=True))
