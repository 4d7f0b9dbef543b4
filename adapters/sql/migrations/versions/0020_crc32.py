"""The CRC-32 of a file is kept, so that an archive of files can say it before each."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column, empty: the bytes are on nodes, and an archive counts what it is not told."""
    op.add_column("custody", sa.Column("crc32", sa.BigInteger(), nullable=True))
