"""Whether a client is a viewer: a program in which people look at images."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the column: no client that there is was registered as one."""
    op.add_column("client", sa.Column("viewer", sa.Boolean(), nullable=False, server_default=sa.text("false")))
