"""Jobs: what no other row's state asks for."""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table; nothing waits yet."""
    op.create_table(
        "job",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(64), nullable=True),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
    )
    op.create_index("ix_job_kind", "job", ["kind", "subject"], unique=False)
    waits, is_open = sa.text("state = 'waiting'"), sa.text("state IN ('waiting', 'running')")
    op.create_index("uq_job_waiting", "job", ["kind", "subject"], unique=True, sqlite_where=waits, postgresql_where=waits)
    op.create_index("ix_job_open", "job", ["kind", "due"], unique=False, sqlite_where=is_open, postgresql_where=is_open)
